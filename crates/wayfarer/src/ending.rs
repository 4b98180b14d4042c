//! The end of a response: what its head says of the session, and the refusal where the session could not be saved.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use wayfarer_session::{Clock, CookieChange, Error, ErrorKind, Finished, Outcome, Session};

use crate::transport::{KeyTransport, Route};

/// What is needed to end a response.
#[derive(Clone, Copy)]
pub(crate) struct Ending<'e> {
    pub(crate) route: Route,
    pub(crate) transport: &'e dyn KeyTransport,
    pub(crate) clock: &'e dyn Clock,
}

impl Ending<'_> {
    pub(crate) fn end<B: From<Bytes>>(
        self,
        mut response: Response<B>,
        finished: Result<Finished, Error>,
        session: &Session,
    ) -> Response<B> {
        match finished {
            Ok(finished) => {
                self.write_head(&finished, response.headers_mut());
                response
            }
            Err(error) => {
                let mut refused = refusal(&error, &self.transport.varies_by()).map(B::from);
                if let Some(told) = told_all_the_same(&error, session) {
                    self.write_head(&told, refused.headers_mut());
                }
                refused
            }
        }
    }

    pub(crate) fn write_head(self, finished: &Finished, headers: &mut HeaderMap) {
        let told = finished.cookie != CookieChange::Keep;
        if finished.accessed || told {
            vary(headers, &self.transport.varies_by());
        }
        if told {
            self.transport.write(&finished.cookie, self.route, self.clock.now(), headers);
            // A cache that kept this response would hand one visitor's session to another.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// What the client is told of its key although the last save failed: one that was stored before is all that opens the session.
pub(crate) fn told_all_the_same(error: &Error, session: &Session) -> Option<Finished> {
    if error.kind() == ErrorKind::Interrupted {
        // No key opens it.
        return None;
    }
    let told = session.finish_now(Outcome::Discard).ok().flatten();
    told.filter(|told| told.cookie != CookieChange::Keep)
}

fn vary(headers: &mut HeaderMap, by: &HeaderValue) {
    let values = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let mut names = values.flat_map(|value| value.split(',')).map(|name| name.trim().as_bytes());
    if !names.any(|name| name == b"*" || name.eq_ignore_ascii_case(by.as_bytes())) {
        headers.append(header::VARY, by.clone());
    }
}

/// The answer where the session could not be saved: what the handler said is not true then.
pub(crate) fn refusal(error: &Error, varies_by: &HeaderValue) -> Response<Bytes> {
    let (status, text) = match error.kind() {
        ErrorKind::Interrupted => {
            tracing::info!(%error, "a session was interrupted");
            (StatusCode::BAD_REQUEST, "Your session ended while the request was being worked on.\n")
        }
        _ => {
            tracing::error!(%error, "a session was not saved");
            (StatusCode::INTERNAL_SERVER_ERROR, "The session could not be saved.\n")
        }
    };
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    vary(headers, varies_by);
    response
}
