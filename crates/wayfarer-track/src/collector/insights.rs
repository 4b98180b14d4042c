//! Insights over HTTP: `GET /api/v1/insights?session=…` with a server token.

use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use wayfarer_event::{InsightError, InsightSource, Insights, Who};

use super::{AddressError, client::Api};

/// Asks a Wayfarer server what the models say of a visitor.
#[derive(Clone, Debug)]
pub struct HttpInsights {
    api: Api,
}

impl HttpInsights {
    /// Waits this long for an answer, unless told otherwise: a page must not wait longer for a hint.
    pub const TIMEOUT: Duration = Duration::from_millis(500);

    /// A source at this address, such as `http://127.0.0.1:8080`, with a server token of the site. Does not connect yet.
    ///
    /// # Errors
    /// When the address is not one of an http server, or the token cannot stand in a header.
    pub fn new(base: &str, token: &str) -> Result<HttpInsights, AddressError> {
        Ok(HttpInsights { api: Api::new(base, token, HttpInsights::TIMEOUT)? })
    }

    /// Waits at most this long for an answer.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> HttpInsights {
        HttpInsights { api: self.api.with_timeout(timeout) }
    }
}

#[async_trait]
impl InsightSource for HttpInsights {
    async fn insights(&self, who: &Who) -> Result<Insights, InsightError> {
        let answer = self.api.get(&address(who)).await.map_err(InsightError::Unavailable)?;
        match answer.status {
            status if status.is_success() => serde_json::from_slice(&answer.body)
                .map_err(|error| InsightError::Unavailable(format!("unreadable answer: {error}"))),
            StatusCode::TOO_MANY_REQUESTS => Err(InsightError::Unavailable(answer.summary())),
            status if status.is_client_error() => Err(InsightError::Refused(answer.summary())),
            _ => Err(InsightError::Unavailable(answer.summary())),
        }
    }
}

fn address(who: &Who) -> String {
    let (name, id) = match who {
        Who::Session(subject) => ("session", subject),
        Who::Visitor(visitor) => ("visitor", visitor),
    };
    format!("/api/v1/insights?{name}={}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}
