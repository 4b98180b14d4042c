//! From tower-sessions and axum-login to Wayfarer, in two steps that each stand alone.
//!
//! 1. [`TowerStore`] is tower-sessions' `SessionStore` over any of Wayfarer's stores. The application stays as it is and gets
//!    what comes through that trait; what does not is listed there.
//! 2. [`TakeOver`] is a hook of Wayfarer's session layer. A browser that still brings the cookie of tower-sessions finds its
//!    session, and its log-in by axum-login, in a session of Wayfarer; nobody is logged out. [`OldSessions`] says where the old
//!    sessions lie: in a store of tower-sessions, or in the tables of tower-sessions-sqlx-store, which the features `sqlite`
//!    and `postgres` read.
//!
//! The page `docs/from-tower-sessions.md` goes through the move.

mod cookie;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod old;
#[cfg(any(feature = "fuzzing", feature = "postgres", feature = "sqlite"))]
mod record;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
mod store;
mod take_over;

pub use cookie::OldCookie;
pub use old::{OldSessions, OldStore};
#[cfg(feature = "postgres")]
pub use rows::PostgresRows;
#[cfg(feature = "sqlite")]
pub use rows::SqliteRows;
pub use store::TowerStore;
pub use take_over::TakeOver;
