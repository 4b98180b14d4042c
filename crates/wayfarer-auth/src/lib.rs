//! Log-in and log-out on Wayfarer sessions.
//!
//! Implement [`UsersBackend`], put an [`AuthLayer`] inside the session layer, and ask for [`Auth`] in a handler. The session
//! notes the user under the names that Django uses, `_auth_user_id` and `_auth_user_hash`.
//!
//! - A log-in gives the session a new key, without grace, also when the same user logs in again. If somebody else was logged
//!   in, their session is flushed first, so that nothing of theirs is left. What an anonymous visitor had stays, or goes; a
//!   [`HandOver`] merges it into what the user has.
//! - A log-out flushes the session.
//! - A user whose credentials change is logged out of every session at its next use.
//! - [`CurrentUser`] is the user as an extractor; a [`Guard`] keeps those out who are not logged in, or may not, and sends them
//!   to log in with a [`Next`] that cannot lead away from the site.
//! - [`Auth::sessions`] lists a user's sessions, with device and last use; [`Auth::revoke`] and its kin end them; a
//!   [`SessionLimit`] bounds them.
//! - [`csrf`] keeps other sites from acting in a user's name.

mod auth;
mod clear;
pub mod csrf;
mod current;
mod entries;
mod error;
mod guard;
mod hash;
mod layer;
mod next;
mod permission;
mod policy;
mod sessions;
mod user;

pub use auth::Auth;
pub use clear::ClearSiteData;
pub use csrf::{Csrf, CsrfLayer};
pub use current::{CurrentUser, NoUser};
pub use error::AuthError;
pub use guard::{Guard, Guarded};
#[cfg(feature = "django")]
pub use hash::DjangoUsers;
pub use layer::{AuthLayer, AuthService, MissingAuth};
pub use next::Next;
pub use permission::PermissionsBackend;
pub use policy::{Anonymous, AnonymousData, AtLimit, HandOver, SessionLimit};
pub use sessions::UserSession;
pub use user::{AuthUser, UsersBackend};
