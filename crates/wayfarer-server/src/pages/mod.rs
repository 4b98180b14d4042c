//! Pages for people: server-rendered HTML that works without a script.

mod ask;
pub(crate) mod assets;
pub(crate) mod dashboard;
mod figures;
mod numbers;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::errors::ApiError;

/// An address that is not in the list.
pub(crate) async fn not_found() -> Response {
    ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this address").into_response()
}
