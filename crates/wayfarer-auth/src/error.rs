//! Why something about log-ins could not be done, and what a client is told of it.

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use wayfarer_session::{BoxError, Error};

/// Why a log-in, a log-out or a question about users could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The session failed.
    #[error(transparent)]
    Session(#[from] Error),
    /// The users backend failed.
    #[error("the users backend failed: {0}")]
    Backend(#[source] BoxError),
    /// What an anonymous visitor had could not be handed over.
    #[error("the hand-over to the user failed: {0}")]
    HandOver(#[source] BoxError),
    /// The user has as many sessions as are allowed.
    #[error("the user has {0} sessions already, and no more are allowed")]
    TooManySessions(u32),
}

/// Too many sessions are the client's matter: 409. Everything else is the server's: 500, with nothing of it in the answer.
impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        if let AuthError::TooManySessions(_) = self {
            return (StatusCode::CONFLICT, "You are logged in on too many devices.\n")
                .into_response();
        }
        tracing::error!(error = %self, "log-in or log-out failed");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
