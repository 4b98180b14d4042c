//! tower-sessions: 0.15 in memory; in databases 0.14, since its stores are made for that.

use std::{path::Path, time::Duration};

use anyhow::Result;
use axum::Router;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
use tower_sessions_sqlx_store::sqlx::{
    postgres::PgPoolOptions,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
};
use wayfarer_testkit::Postgres;

use crate::{
    axum_app::{AxumApp, runtime},
    case::Store,
    clients,
    contender::Contender,
    overlap::Stage,
};

/// tower-sessions on this store, where it has it.
pub(crate) fn on(store: Store, folder: &Path) -> Result<Option<Box<dyn Contender>>> {
    let runtime = runtime()?;
    let stage = Stage::new();
    let (system, router, set_up): (_, Router, _) = match store {
        Store::Memory => {
            let kept = tower_sessions::MemoryStore::default();
            ("tower-sessions 0.15", current::routes_over(kept, stage.clone()), "default".to_owned())
        }
        Store::SqliteFull | Store::SqliteNormal => {
            let kept = runtime.block_on(async {
                let kept = tower_sessions_sqlx_store::SqliteStore::new(pool(store, folder).await?);
                kept.migrate().await?;
                anyhow::Ok(kept)
            })?;
            let set_up = format!("synchronous={}, WAL, pool of 10", store.synchronous());
            ("tower-sessions 0.14", for_sqlx::routes_over(kept, stage.clone()), set_up)
        }
        Store::Postgres => {
            let kept = runtime.block_on(async {
                let database = Postgres::shared()?.database()?;
                let pool = PgPoolOptions::new().max_connections(10).connect(&database).await?;
                let kept = tower_sessions_sqlx_store::PostgresStore::new(pool);
                kept.migrate().await?;
                anyhow::Ok(kept)
            })?;
            let set_up = clients::POSTGRES.to_owned();
            ("tower-sessions 0.14", for_sqlx::routes_over(kept, stage.clone()), set_up)
        }
        Store::Redis | Store::Valkey => {
            let (server, set_up) = clients::redis_on(store)?;
            let pool = runtime.block_on(async {
                let config = Config::from_url(&server.url())?;
                let pool = Pool::new(config, None, None, None, 6)?;
                pool.init().await?;
                anyhow::Ok(pool)
            })?;
            let kept = tower_sessions_redis_store::RedisStore::new(pool);
            let set_up = format!("{set_up}, pool of 6");
            ("tower-sessions 0.14", for_sqlx::routes_over(kept, stage.clone()), set_up)
        }
        // It has no sessions in cookies; this is the nearest.
        Store::Cookie => {
            let kept = tower_sessions::MemoryStore::default();
            let key = tower_sessions::cookie::Key::from(&[7; 64]);
            let layer = tower_sessions::SessionManagerLayer::new(kept).with_signed(key);
            let router = current::routes(stage.clone()).layer(layer);
            ("tower-sessions 0.15", router, "its id signed, the session in memory".to_owned())
        }
    };
    let app = AxumApp::new((system, Some(store), set_up), (router, stage), runtime)?;
    Ok(Some(Box::new(app)))
}

async fn pool(store: Store, folder: &Path) -> Result<SqlitePool> {
    let synchronous = if store == Store::SqliteFull {
        SqliteSynchronous::Full
    } else {
        SqliteSynchronous::Normal
    };
    let options = SqliteConnectOptions::new()
        .filename(folder.join(format!("tower-{}.sqlite", store.synchronous())))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(Duration::from_secs(5));
    Ok(SqlitePoolOptions::new().max_connections(10).connect_with(options).await?)
}

/// The routes, for one version of the library.
macro_rules! routes {
    ($version:ident, $library:ident) => {
        mod $version {
            use std::sync::{
                Arc,
                atomic::{AtomicU64, Ordering},
            };

            use axum::{Router, extract, routing::get};
            use $library::{Session, SessionManagerLayer, SessionStore, session::Error};

            use crate::{
                case,
                overlap::{Look, Stage},
            };

            pub(super) fn routes_over<S: SessionStore + Clone>(store: S, stage: Stage) -> Router {
                routes(stage).layer(SessionManagerLayer::new(store))
            }

            /// The routes, without the layer.
            pub(super) fn routes(stage: Stage) -> Router {
                let written = Arc::new(AtomicU64::new(1));
                let write = move |session: Session| {
                    let n = written.fetch_add(1, Ordering::Relaxed);
                    async move { done(session.insert("n", n).await) }
                };
                let router: Router<Stage> = Router::new();
                let router = router
                    .route("/seed", get(async |session: Session| done(seed(&session).await)))
                    .route("/untouched", get(async || "ok"))
                    .route("/read", get(async |session: Session| done(read(&session).await)))
                    .route("/write", get(write))
                    .route("/own/{key}", get(own))
                    .route("/count", get(count))
                    .route("/slow", get(slow))
                    .route("/logout", get(async |session: Session| done(session.flush().await)))
                    .route("/look", get(look));
                router.with_state(stage)
            }

            type Answer = Result<&'static str, String>;

            fn done<T>(result: Result<T, Error>) -> Answer {
                result.map(|_| "ok").map_err(|error| error.to_string())
            }

            async fn seed(session: &Session) -> Result<(), Error> {
                for (key, value) in case::payload() {
                    session.insert(key, value).await?;
                }
                Ok(())
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
                let count = session.get::<u32>("count").await.map_err(|error| error.to_string())?;
                stage.have_read().await;
                done(session.insert("count", count.unwrap_or(0) + 1).await)
            }

            async fn slow(stage: extract::State<Stage>, session: Session) -> Answer {
                done(read(&session).await)?;
                stage.be_slow().await;
                done(session.insert("late", true).await)
            }

            async fn look(session: Session) -> Result<String, String> {
                let seen = async {
                    let user = read(&session).await?.is_some();
                    let mut own_keys = 0;
                    for key in 0..1000 {
                        let own = session.get::<u32>(&format!("own-{key}")).await?;
                        own_keys += u32::from(own.is_some());
                    }
                    let count = session.get("count").await?.unwrap_or(0);
                    Ok(Look { own_keys, count, user })
                };
                let seen = seen.await.map_err(|error: Error| error.to_string())?;
                serde_json::to_string(&seen).map_err(|error| error.to_string())
            }
        }
    };
}

routes!(current, tower_sessions);
routes!(for_sqlx, tower_sessions_for_sqlx);
