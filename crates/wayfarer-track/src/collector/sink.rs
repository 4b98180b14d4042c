//! Events over HTTP: `POST /api/v1/events` with a server token.

use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use serde::Serialize;
use wayfarer_event::{EventSink, RawEvent, Receipt, SinkError};

use super::{
    AddressError,
    client::{Answer, Api},
};

/// Hands events to a Wayfarer server over HTTP.
///
/// ```
/// use wayfarer_track::{AddressError, HttpSink};
///
/// let sink = HttpSink::new("http://127.0.0.1:8080", "the server token")?;
/// assert!(matches!(HttpSink::new("https://example.org", "…"), Err(AddressError::Https(_))));
/// # Ok::<(), AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpSink {
    api: Api,
}

impl HttpSink {
    /// Waits this long for an answer, unless told otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A sink at this address, such as `http://127.0.0.1:8080`, with a server token of the site. Does not connect yet.
    ///
    /// # Errors
    /// When the address is not one of an http server, or the token cannot stand in a header.
    pub fn new(base: &str, token: &str) -> Result<HttpSink, AddressError> {
        Ok(HttpSink { api: Api::new(base, token, HttpSink::TIMEOUT)? })
    }

    /// Waits at most this long for an answer.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> HttpSink {
        HttpSink { api: self.api.with_timeout(timeout) }
    }
}

#[derive(Serialize)]
struct Batch<'a> {
    events: &'a [RawEvent],
}

#[async_trait]
impl EventSink for HttpSink {
    async fn send(&self, events: Vec<RawEvent>) -> Result<Receipt, SinkError> {
        if events.is_empty() {
            return Ok(Receipt::default());
        }
        let json = serde_json::to_vec(&Batch { events: &events })
            .map_err(|error| SinkError::Refused(error.to_string()))?;
        let answer = self.api.post("/api/v1/events", json).await.map_err(SinkError::Unavailable)?;
        read_answer(&answer)
    }
}

/// 400 means that no event was acceptable: with a receipt that says why, it is an answer and not an error.
fn read_answer(answer: &Answer) -> Result<Receipt, SinkError> {
    match answer.status {
        status if status.is_success() => receipt(answer)
            .ok_or_else(|| SinkError::Unavailable("the answer is not a receipt".to_owned())),
        StatusCode::BAD_REQUEST => {
            receipt(answer).ok_or_else(|| SinkError::Refused(answer.summary()))
        }
        StatusCode::PAYLOAD_TOO_LARGE => Err(SinkError::TooLarge),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(SinkError::Busy { retry_after_s: answer.retry_after_s() })
        }
        status if status.is_server_error() => Err(SinkError::Unavailable(answer.summary())),
        _ => Err(SinkError::Refused(answer.summary())),
    }
}

fn receipt(answer: &Answer) -> Option<Receipt> {
    serde_json::from_slice(&answer.body).ok()
}
