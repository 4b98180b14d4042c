//! The body of `POST /api/v1/events`: one event, `{"events":[…]}`, or one event a line (NDJSON).

use wayfarer_event::RawEvent;

use crate::Reject;

/// The most events that one body may hold.
pub const MAX_EVENTS: usize = 1000;

/// Why a body as a whole could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// There is nothing in it.
    #[error("the body holds no event")]
    Empty,
    /// It holds more than [`MAX_EVENTS`] events.
    #[error("the body holds more than {MAX_EVENTS} events, send them in parts")]
    TooMany,
    /// It is no JSON that can be divided into events.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// It is declared as something that is not read here.
    #[error(
        "the content type is not read here, send application/json, application/x-ndjson or text/plain"
    )]
    ContentType,
}

/// Divides a body into events. An event that cannot be read is a [`Reject`] at its place, not a failed batch.
///
/// Without a content type, as `application/json` or as `text/plain` (beacons) all three shapes are told apart by
/// themselves. The caller limits the size of `bytes`.
///
/// # Errors
/// When the body cannot be divided into events at all.
pub fn parse_body(
    bytes: &[u8],
    content_type: Option<&str>,
) -> Result<Vec<Result<RawEvent, Reject>>, BodyError> {
    let _ = (bytes, content_type);
    Err(BodyError::Empty)
}
