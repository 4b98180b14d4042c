//! The clients of PostgreSQL, Redis and Valkey without sessions: the same commands on the same servers, and nothing else.

use std::sync::Arc;

use anyhow::Result;
use axum::{Router, routing::get};
use http::{HeaderName, header::SET_COOKIE};
use redis::{Script, aio::ConnectionManager, cmd};
use sqlx::{PgPool, postgres::PgPoolOptions};
use wayfarer_testkit::{Postgres, Redis};

use crate::{
    axum_app::{AxumApp, runtime},
    case::{self, Store},
    contender::Contender,
    overlap::Stage,
};

/// How PostgreSQL runs, for everybody.
pub(crate) const POSTGRES: &str = "PostgreSQL on loopback, fsync=off, pool of 10";

/// Redis or Valkey, and how it runs, for everybody.
pub(crate) fn redis_on(store: Store) -> Result<(&'static Redis, &'static str)> {
    Ok(if store == Store::Valkey {
        (Redis::shared_valkey()?, "Valkey on loopback, appendonly, appendfsync=no")
    } else {
        (Redis::shared()?, "Redis on loopback, appendonly, appendfsync=no")
    })
}

/// The bare client of this store, where it is a server.
pub(crate) fn on(store: Store) -> Result<Option<Box<dyn Contender>>> {
    let runtime = runtime()?;
    let (system, set_up, router) = match store {
        Store::Postgres => ("bare sqlx", POSTGRES, runtime.block_on(postgres())?),
        Store::Redis | Store::Valkey => {
            let (server, set_up) = redis_on(store)?;
            ("bare redis", set_up, runtime.block_on(redis_routes(store, server))?)
        }
        _ => return Ok(None),
    };
    let about = (system, Some(store), set_up.to_owned());
    let app = AxumApp::new(about, (router, Stage::new()), runtime)?;
    Ok(Some(Box::new(app)))
}

type Answer = Result<&'static str, String>;

fn done<T>(result: Result<T, impl std::fmt::Display>) -> Answer {
    result.map(|_| "ok").map_err(|error| error.to_string())
}

/// A cookie, so that this looks like a session.
type Seeded = ([(HeaderName, &'static str); 1], ());

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn payload() -> Vec<u8> {
    serde_json::to_vec(&case::payload()).unwrap_or_default()
}

async fn postgres() -> Result<Router> {
    let database = Postgres::shared()?.database()?;
    let options = PgPoolOptions::new().max_connections(10).test_before_acquire(false);
    let pool = options.connect(&database).await?;
    let table = "CREATE TABLE kept (key text PRIMARY KEY, version bigint NOT NULL,
        data bytea NOT NULL, expires_at bigint NOT NULL)";
    sqlx::query(table).execute(&pool).await?;
    let (reader, writer) = (pool.clone(), pool.clone());
    Ok(Router::new()
        .route("/seed", get(move || seed_postgres(pool.clone())))
        .route("/untouched", get(async || "ok"))
        .route("/read", get(move || read_postgres(reader.clone())))
        .route("/write", get(move || write_postgres(writer.clone()))))
}

async fn seed_postgres(pool: PgPool) -> Result<Seeded, String> {
    let insert = "INSERT INTO kept VALUES ($1, 1, $2, 1) ON CONFLICT DO NOTHING";
    done(sqlx::query(insert).bind(KEY).bind(payload()).execute(&pool).await)?;
    Ok(([(SET_COOKIE, "bare=1")], ()))
}

async fn read_postgres(pool: PgPool) -> Answer {
    let select = "SELECT version, data, expires_at FROM kept WHERE key = $1 AND expires_at > $2";
    done(sqlx::query(select).bind(KEY).bind(0_i64).fetch_optional(&pool).await)
}

async fn write_postgres(pool: PgPool) -> Answer {
    read_postgres(pool.clone()).await?;
    let update =
        "UPDATE kept SET version = version + 1, data = $1 WHERE key = $2 AND expires_at > $3";
    done(sqlx::query(update).bind(payload()).bind(KEY).bind(0_i64).execute(&pool).await)
}

async fn redis_routes(store: Store, server: &Redis) -> Result<Router> {
    let client = redis::Client::open(server.url())?;
    let link = client.get_connection_manager().await?;
    let save = "if redis.call('GETRANGE', KEYS[1], 0, 127) == '' then return 'gone' end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000000) return 'stored'";
    let save = Arc::new(Script::new(save));
    let (reader, writer) = (link.clone(), link.clone());
    let write = if store == Store::Valkey {
        get(move || swap_valkey(writer.clone()))
    } else {
        get(move || write_redis(writer.clone(), save.clone()))
    };
    Ok(Router::new()
        .route("/seed", get(move || seed_redis(link.clone())))
        .route("/untouched", get(async || "ok"))
        .route("/read", get(move || read_redis(reader.clone())))
        .route("/write", write))
}

async fn seed_redis(mut link: ConnectionManager) -> Result<Seeded, String> {
    let set: Result<(), _> = cmd("SET").arg(KEY).arg(payload()).query_async(&mut link).await;
    done(set)?;
    Ok(([(SET_COOKIE, "bare=1")], ()))
}

async fn read_redis(mut link: ConnectionManager) -> Answer {
    let value: Result<Vec<u8>, _> = cmd("GET").arg(KEY).query_async(&mut link).await;
    done(value)
}

async fn write_redis(mut link: ConnectionManager, save: Arc<Script>) -> Answer {
    read_redis(link.clone()).await?;
    let said: Result<String, _> = save.key(KEY).arg(payload()).invoke_async(&mut link).await;
    done(said)
}

/// Writes where nobody else has since the read. The end is in the next century.
async fn swap_valkey(mut link: ConnectionManager) -> Answer {
    let old: Result<Vec<u8>, _> = cmd("GET").arg(KEY).query_async(&mut link).await;
    let old = old.map_err(|error| error.to_string())?;
    let mut set = cmd("SET");
    set.arg(KEY).arg(payload()).arg("PXAT").arg(4_102_444_800_000_i64).arg("IFEQ").arg(old);
    let said: Result<String, _> = set.query_async(&mut link).await;
    done(said)
}
