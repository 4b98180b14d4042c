//! [`Session`] as an extractor of axum: a handler asks for it by its type.

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::Session;

/// There is no session in the request: the session layer is missing.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this handler asks for a Session, but no SessionLayer is around it")]
pub struct MissingSession;

impl IntoResponse for MissingSession {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = MissingSession;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Session, MissingSession> {
        parts.extensions.get::<Session>().cloned().ok_or(MissingSession)
    }
}
