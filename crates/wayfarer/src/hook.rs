//! Hooks: an application's own say in what the session layer does to a request, in front of the handler and behind it.
//!
//! Start with [`SessionHook`]. When each of its methods is called stands in `hooked`.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode, request, response};
use wayfarer_session::{CookieChange, Error, Outcome, Session};

use crate::transport::KeyTransport;

/// An answer that a hook gives in place of the handler's.
pub type Answer = Response<Bytes>;

/// Takes part in what the session layer does to a request.
///
/// It can do all that a subclass of Django's `SessionMiddleware` can by overriding `process_request` and `process_response`:
/// choose how the key travels, answer without the handler, force or forbid the save, alter what the client is told, and
/// change the response. Every method does nothing unless it is written. Hooks see a request in the order in which they were
/// added, and its response in the reverse order.
///
/// A hook that uses the session in every request makes a store call in every request.
#[async_trait]
pub trait SessionHook: fmt::Debug + Send + Sync + 'static {
    /// How the key travels in this request: another cookie for another host, a header below `/api/`. The first hook that
    /// names one decides; otherwise it is as the layer was set up.
    fn transport(&self, request: &request::Parts) -> Option<Arc<dyn KeyTransport>> {
        let _ = request;
        None
    }

    /// Before the handler. What it changes in the head is what the handler sees. An answer goes out in place of the
    /// handler's: no later hook is asked, and the response is then ended like any other.
    async fn on_request(&self, request: &mut request::Parts, session: &Session) -> Option<Answer> {
        let _ = (request, session);
        None
    }

    /// After the handler and before the save. The session may still be changed, and `save` says what becomes of it.
    async fn before_save(&self, exchange: &mut Exchange<'_>, save: &mut Save) {
        let _ = (exchange, save);
    }

    /// After the save and before the response head goes out. `key` is what the client will be told; changes of the session
    /// come too late. After a save that failed it is asked only if the client has to hear of a key that was stored before.
    async fn before_head(&self, exchange: &mut Exchange<'_>, key: &mut CookieChange) {
        let _ = (exchange, key);
    }

    /// The save failed, so that what the handler said is not true. The response is the refusal that will go out: 400 where
    /// the session ended meanwhile ([`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted)), 500 otherwise.
    async fn on_failure(&self, exchange: &mut Exchange<'_>, error: &Error) {
        let _ = (exchange, error);
    }
}

/// What becomes of a session when its request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Save {
    /// It is saved if it was changed.
    IfChanged,
    /// It is saved if it holds anything, changed or not, and whatever the response's status.
    Always,
    /// Nothing is saved, and the client is told of no new key. So it is after a 5xx.
    Never,
}

impl Save {
    /// What becomes of a session after a response of this status.
    pub(crate) fn after(status: StatusCode) -> Save {
        if status.is_server_error() { Save::Never } else { Save::IfChanged }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Save::IfChanged => Outcome::Keep,
            Save::Always => Outcome::Always,
            Save::Never => Outcome::Discard,
        }
    }
}

/// A request that has been answered, as hooks see it.
pub struct Exchange<'x> {
    /// The head of the request, as the handler saw it.
    pub request: &'x request::Parts,
    /// The session.
    pub session: &'x Session,
    /// The head of the response.
    pub response: response::Parts,
    /// A body in place of the response's own.
    pub(crate) body: Option<Bytes>,
}

/// Shows no header and no query: a key may stand there.
impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", &self.request.method)
            .field("path", &self.request.uri.path())
            .field("status", &self.response.status)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl Exchange<'_> {
    /// Puts `answer` in the place of the response. The save is not affected.
    pub fn answer(&mut self, answer: Answer) {
        let (head, body) = answer.into_parts();
        self.response = head;
        self.body = Some(body);
    }
}
