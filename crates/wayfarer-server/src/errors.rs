//! Errors of the HTTP side: which status, what the caller is told, what the log is told.
//!
//! The crates below know kinds, not statuses; the one `match` here maps them. What a caller is told never holds more than
//! what was asked wrongly; the rest goes to the log, once.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use wayfarer_embedded::{Error, ErrorKind};

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// For the caller.
    external: String,
    /// For the log.
    internal: Option<String>,
    retry_after_s: Option<u64>,
}

/// The JSON of an answer that says no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// Why, in a sentence.
    pub(crate) error: String,
    /// Whether the same would fail again.
    #[serde(default)]
    pub(crate) wrong_usage: bool,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, external: impl Into<String>) -> ApiError {
        ApiError { status, external: external.into(), internal: None, retry_after_s: None }
    }

    pub(crate) fn bad_request(external: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, external)
    }

    pub(crate) fn unauthorized(external: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, external)
    }

    pub(crate) fn forbidden(external: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, external)
    }

    pub(crate) fn too_large(most: usize) -> ApiError {
        let text = format!("the body is larger than {most} bytes, send it in parts");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// The same, to be tried again after some seconds.
    pub(crate) fn retry(self, after_s: u64) -> ApiError {
        ApiError { retry_after_s: Some(after_s), ..self }
    }

    /// A fault of this program.
    pub(crate) fn broken(error: &dyn std::error::Error) -> ApiError {
        let text = "something is wrong here, the log of the server says what";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).internal(chain(error))
    }

    fn internal(self, internal: impl Into<String>) -> ApiError {
        ApiError { internal: Some(internal.into()), ..self }
    }

    /// The same for the owner of the folder, who may know all that the log is told.
    pub(crate) fn in_full(self) -> ApiError {
        let external = self.internal.clone().unwrap_or(self.external);
        ApiError { external, ..self }
    }

    #[cfg(test)]
    pub(crate) fn external(&self) -> &str {
        &self.external
    }

    /// The JSON, after the log was told.
    pub(crate) fn body(&self) -> ErrorBody {
        if let Some(internal) = &self.internal {
            tracing::error!(status = self.status.as_u16(), error = %internal, "a request failed");
        }
        ErrorBody {
            error: self.external.clone(),
            wrong_usage: self.status.is_client_error()
                && self.status != StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> ApiError {
        let internal = chain(&error);
        let unavailable = |text: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text);
        match error.kind() {
            ErrorKind::UnknownSite => ApiError::new(StatusCode::NOT_FOUND, error.to_string()),
            ErrorKind::Invalid => ApiError::bad_request(error.to_string()),
            ErrorKind::Input => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            ErrorKind::Busy => unavailable("there is too much to do, try again").retry(1),
            ErrorKind::StorageFull => unavailable("the disk is full").retry(30).internal(internal),
            ErrorKind::Closed => unavailable("the server is stopping").retry(5),
            ErrorKind::Cancelled => unavailable("the request was cancelled").retry(1),
            ErrorKind::Unavailable => {
                unavailable("the data folder cannot be used now").retry(5).internal(internal)
            }
            _ => ApiError::broken(&error),
        }
    }
}

/// An error with its causes, as one sentence.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
