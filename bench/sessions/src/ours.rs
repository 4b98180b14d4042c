//! Wayfarer's sessions.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use axum::{Router, extract, routing::get};
use tokio::runtime::Runtime;
use wayfarer::{
    CookieKeys, CookieSessions, Error, Session, SessionLayer, SessionLayerBuilder,
    store::{
        Durability, MemoryStore, PoolOptions, PostgresStore, RedisOptions, RedisStore,
        SqliteOptions, SqliteStore,
    },
};
use wayfarer_testkit::Postgres;

use crate::{
    axum_app::{AxumApp, runtime},
    case::{self, Store},
    clients,
    contender::Contender,
    overlap::{Look, Stage},
};

/// Wayfarer on this store, where it has it.
pub(crate) fn on(store: Store, folder: &Path) -> Result<Option<Box<dyn Contender>>> {
    let runtime = runtime()?;
    let (layer, set_up) = layer(store, folder, &runtime)?;
    let stage = Stage::new();
    let router = routes(layer, stage.clone())?;
    let app = AxumApp::new(("wayfarer", Some(store), set_up), (router, stage), runtime)?;
    Ok(Some(Box::new(app)))
}

/// A layer over this store, and how that is set up.
fn layer(store: Store, folder: &Path, runtime: &Runtime) -> Result<(SessionLayerBuilder, String)> {
    Ok(match store {
        Store::Memory => (SessionLayer::builder(MemoryStore::new()), "default".to_owned()),
        Store::SqliteFull | Store::SqliteNormal => {
            let mut options = SqliteOptions::default();
            options.durability = durability(store);
            let file = folder.join(format!("wayfarer-{}.sqlite", store.synchronous()));
            let opened = runtime.block_on(SqliteStore::open(&file, options))?;
            (SessionLayer::builder(opened), format!("synchronous={}", store.synchronous()))
        }
        Store::Postgres => {
            let database = Postgres::shared()?.database()?;
            let opened =
                runtime.block_on(PostgresStore::open(&database, PoolOptions::default()))?;
            (SessionLayer::builder(opened), clients::POSTGRES.to_owned())
        }
        Store::Redis | Store::Valkey => {
            let (server, set_up) = clients::redis_on(store)?;
            let url = server.url();
            let opened = runtime.block_on(RedisStore::open(&url, RedisOptions::default()))?;
            (SessionLayer::builder(opened), set_up.to_owned())
        }
        Store::Cookie => {
            let layer = SessionLayer::in_cookies(CookieSessions::signed());
            (layer, "the whole session, signed".to_owned())
        }
    })
}

fn durability(store: Store) -> Durability {
    if store == Store::SqliteFull { Durability::Full } else { Durability::Normal }
}

fn routes(layer: SessionLayerBuilder, stage: Stage) -> Result<Router> {
    let keys = CookieKeys::new(b"a key for a bench, of 32 bytes or more")?;
    let layer = layer.cookie_keys(keys).build()?;
    let written = Arc::new(AtomicU64::new(1));
    let write = move |session: Session| {
        let n = written.fetch_add(1, Ordering::Relaxed);
        async move { done(session.insert("n", n).await) }
    };
    let router: Router<Stage> = Router::new();
    let router = router
        .route("/seed", get(async |session: Session| done(session.update(case::payload()).await)))
        .route("/untouched", get(async || "ok"))
        .route("/read", get(async |session: Session| done(read(&session).await)))
        .route("/write", get(write))
        .route("/own/{key}", get(own))
        .route("/count", get(count))
        .route("/slow", get(slow))
        .route("/logout", get(async |session: Session| done(session.flush().await)))
        .route("/look", get(look));
    Ok(router.with_state(stage).layer(layer))
}

type Answer = Result<&'static str, String>;

fn done<T>(result: Result<T, Error>) -> Answer {
    result.map(|_| "ok").map_err(|error| error.to_string())
}

async fn read(session: &Session) -> Result<Option<String>, Error> {
    session.get("user").await
}

async fn own(
    extract::Path(key): extract::Path<u32>,
    stage: extract::State<Stage>,
    session: Session,
) -> Answer {
    done(read(&session).await)?;
    stage.have_read().await;
    done(session.insert(&format!("own-{key}"), key).await)
}

async fn count(stage: extract::State<Stage>, session: Session) -> Answer {
    done(read(&session).await)?;
    stage.have_read().await;
    done(session.modify("count", |count: Option<u32>| count.unwrap_or(0) + 1).await)
}

async fn slow(stage: extract::State<Stage>, session: Session) -> Answer {
    done(read(&session).await)?;
    stage.be_slow().await;
    done(session.insert("late", true).await)
}

async fn look(session: Session) -> Result<String, String> {
    let seen = async {
        let keys = session.keys().await?;
        let own_keys = keys.iter().filter(|key| key.starts_with("own-")).count() as u32;
        let count = session.get("count").await?.unwrap_or(0);
        Ok(Look { own_keys, count, user: read(&session).await?.is_some() })
    };
    let seen = seen.await.map_err(|error: Error| error.to_string())?;
    serde_json::to_string(&seen).map_err(|error| error.to_string())
}
