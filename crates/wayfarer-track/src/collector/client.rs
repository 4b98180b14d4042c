//! One client of Wayfarer's HTTP API: address and token in, status and bounded body out.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Why an address or a token cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The address is not one of a server.
    #[error("`{0}` is not the address of a collector, such as http://127.0.0.1:8080")]
    Malformed(String),
    /// The address asks for TLS.
    #[error(
        "`{0}` asks for https, which this version does not speak: use http to a collector on the \
         same machine or private network, or a local proxy that adds TLS"
    )]
    Https(String),
    /// The token cannot stand in a header.
    #[error("the token holds characters that a header cannot carry")]
    Token,
}

/// Speaks with one collector.
#[derive(Clone)]
pub(super) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
    timeout: Duration,
}

/// Shows the address, never the token.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("base", &self.base).finish_non_exhaustive()
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Api {
    pub(super) fn new(base: &str, token: &str, timeout: Duration) -> Result<Api, AddressError> {
        let base = checked_base(base)?;
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| AddressError::Token)?;
        authorization.set_sensitive(true);
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Api { client, base, authorization, timeout })
    }

    pub(super) fn with_timeout(self, timeout: Duration) -> Api {
        Api { timeout, ..self }
    }

    /// Posts a JSON body.
    ///
    /// # Errors
    /// A sentence that says what failed.
    pub(super) async fn post(&self, path: &str, json: Vec<u8>) -> Result<Answer, String> {
        self.ask(Method::POST, path, json.into()).await
    }

    /// Gets an answer.
    ///
    /// # Errors
    /// A sentence that says what failed.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, String> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, String> {
        let limit = self.timeout;
        match tokio::time::timeout(limit, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("{} did not answer within {} ms", self.base, limit.as_millis())),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| self.describe(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT)
            .collect()
            .await
            .map_err(|error| format!("the answer of {} broke off: {error}", self.base))?
            .to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// The innermost cause says most: `connection refused` rather than `client error`.
    fn describe(&self, error: &dyn std::error::Error) -> String {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        format!("{}: {cause}", self.base)
    }
}

impl Answer {
    /// Seconds of `Retry-After`; 1 where there is none.
    pub(super) fn retry_after_s(&self) -> u64 {
        self.headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(1)
    }

    /// The status, and the first line of what the body says.
    pub(super) fn summary(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
        format!("status {} {line}", self.status.as_u16()).trim_end().to_owned()
    }
}

/// Scheme and authority of the address, with its path as a prefix, without a slash at the end.
fn checked_base(base: &str) -> Result<String, AddressError> {
    let malformed = || AddressError::Malformed(base.to_owned());
    let uri: Uri = base.parse().map_err(|_| malformed())?;
    match uri.scheme_str() {
        Some("http") if uri.query().is_none() => Ok(base.trim_end_matches('/').to_owned()),
        Some("https") => Err(AddressError::Https(base.to_owned())),
        _ => Err(malformed()),
    }
}
