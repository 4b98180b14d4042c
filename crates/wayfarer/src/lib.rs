//! Web sessions for axum that lose nothing, with behaviour tracking whose results flow back into the session.
//!
//! ```
//! use axum::{Router, routing::get};
//! use wayfarer::{CookieKeys, Session, SessionLayer, store::MemoryStore};
//!
//! async fn count(session: Session) -> Result<String, axum::http::StatusCode> {
//!     let visits = session.modify("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1).await;
//!     visits.map(|visits| format!("visit {visits}")).map_err(|_| axum::http::StatusCode::BAD_GATEWAY)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // 32 random bytes or more, kept where the application keeps its secrets.
//! let secret = [7; 32];
//! let sessions =
//!     SessionLayer::builder(MemoryStore::new()).cookie_keys(CookieKeys::new(&secret)?).build()?;
//! let app: Router = Router::new().route("/", get(count)).layer(sessions);
//! # Ok(())
//! # }
//! ```
//!
//! - [`SessionLayer`] gives every request its [`Session`], lazily, and saves it once. Parallel requests that set different
//!   keys lose nothing; a session that was ended stays ended.
//! - [`SessionHook`] is an application's own say in all of that; [`KeyTransport`] moves the key otherwise than in a cookie,
//!   [`HeaderTransport`] in a header for programs that keep no cookies.
//! - `store` has the stores: memory, and SQLite (feature `sqlite`). Others implement [`store::SessionStore`] and are checked
//!   by `wayfarer_session::conformance`.
//! - Django mode (feature `django`) shares sessions with a Django project: its table, its values, its cookie.
//! - `auth` (feature `auth`) logs users in and out.
//! - `track` (feature `track`) records page views and signals as events. `session.insights()`, the trait
//!   `SessionInsights`, asks in a handler what the models say of the visitor.
//!
//! A session that somebody else only reads in passing costs nothing: without a use there is no look-up, no cookie check and
//! no `Vary`.

mod cookie;
mod ending;
mod hook;
mod hooked;
#[cfg(feature = "track")]
mod insights;
mod layer;
mod service;
pub mod testing;
mod transport;

#[cfg(feature = "django")]
pub use cookie::DjangoCookie;
pub use cookie::{CookieTransport, SameSite};
pub use hook::{Answer, Exchange, Save, SessionHook};
#[cfg(feature = "track")]
pub use insights::SessionInsights;
pub use layer::{SessionLayer, SessionLayerBuilder};
pub use service::{SessionFuture, SessionService};
pub use transport::{Arrived, HeaderTransport, KeyTransport, RequestHead, Route};
#[cfg(feature = "django")]
pub use wayfarer_session::django::{DjangoCodec, DjangoKeys};
pub use wayfarer_session::{
    Clock, CookieChange, CookieKeys, Error, ErrorKind, Expiry, Handle, Journal, ManualClock,
    RequestContext, Session, Signal, SignalBus, SignalKind, SignalReceiver, Subject, SystemClock,
    Ticket,
};
#[cfg(feature = "cookies")]
pub use wayfarer_session::{CookieSessions, Epochs};

/// For implementing the traits of this crate.
pub use async_trait::async_trait;

/// The session core: store trait, keys, signals.
pub use wayfarer_session as session;

/// Log-in and log-out.
#[cfg(feature = "auth")]
pub use wayfarer_auth as auth;

/// The event model.
#[cfg(feature = "track")]
pub use wayfarer_event as event;

/// Events from requests and signals.
#[cfg(feature = "track")]
pub use wayfarer_track as track;

/// Where sessions are kept.
pub mod store {
    pub use wayfarer_session::{
        CachedStore, Durability as FileDurability, EncodedStore, FileStore, MemoryStore,
        RecordCodec, RecordData, SessionStore,
    };
    #[cfg(feature = "django")]
    pub use wayfarer_session::{DjangoCachedStore, DjangoFileOptions, DjangoFileStore};
    #[cfg(feature = "memcached")]
    pub use wayfarer_store_kv::{DjangoMemcachedStore, MemcachedOptions, MemcachedStore};
    #[cfg(feature = "redis")]
    pub use wayfarer_store_kv::{DjangoRedisStore, RedisIdentity, RedisOptions, RedisStore};
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub use wayfarer_store_sql::PoolOptions;
    #[cfg(feature = "mysql")]
    pub use wayfarer_store_sql::{DjangoMySqlStore, MySqlStore};
    #[cfg(feature = "postgres")]
    pub use wayfarer_store_sql::{DjangoPostgresStore, PostgresStore};
    #[cfg(feature = "sqlite")]
    pub use wayfarer_store_sql::{DjangoSqliteStore, Durability, SqliteOptions, SqliteStore};
}
