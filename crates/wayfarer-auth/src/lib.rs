//! Log-in and log-out on Wayfarer sessions.
//!
//! Implement [`UsersBackend`], put an [`AuthLayer`] inside the session layer, and ask for [`Auth`] in a handler. The session
//! notes the user under the names that Django uses, `_auth_user_id` and `_auth_user_hash`.
//!
//! - A log-in gives the session a new key, without grace, also when the same user logs in again. If somebody else was logged
//!   in, their session is flushed first, so that nothing of theirs is left.
//! - A log-out flushes the session.
//! - A user whose credentials change is logged out of every session at its next use.

mod auth;
mod hash;
mod layer;
mod user;

pub use auth::{Auth, AuthError};
#[cfg(feature = "django")]
pub use hash::DjangoUsers;
pub use layer::{AuthLayer, AuthService, MissingAuth};
pub use user::{AuthUser, UsersBackend};
