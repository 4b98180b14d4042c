//! The names under which a session notes who is logged in. They are Django's.

/// The user's id, as text.
pub(crate) const USER_ID: &str = "_auth_user_id";
/// What is noted of the user's credentials.
pub(crate) const USER_HASH: &str = "_auth_user_hash";
/// The dotted path of the Django backend that logged the user in.
pub(crate) const USER_BACKEND: &str = "_auth_user_backend";
/// The secret of the CSRF tokens.
pub(crate) const CSRF: &str = "_csrftoken";
