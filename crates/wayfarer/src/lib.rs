//! Web sessions for axum that lose nothing, with behaviour tracking whose results flow back into the session.
//!
//! Start with [`SessionLayer`].

mod cookie;
#[cfg(feature = "track")]
mod insights;
mod layer;
mod service;

pub use cookie::SameSite;
#[cfg(feature = "track")]
pub use insights::SessionInsights;
pub use layer::{SessionLayer, SessionLayerBuilder};
pub use service::{SessionFuture, SessionService};
pub use wayfarer_session::{
    Clock, CookieKeys, Error, ErrorKind, Expiry, Handle, Journal, ManualClock, RequestContext,
    Session, Signal, SignalBus, SignalKind, SignalReceiver, Subject, SystemClock, Ticket,
};

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
    pub use wayfarer_session::{MemoryStore, SessionStore};
    #[cfg(feature = "sqlite")]
    pub use wayfarer_store_sql::{Durability, SqliteOptions, SqliteStore};
}
