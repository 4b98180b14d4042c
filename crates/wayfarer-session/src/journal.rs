//! The journal: what a session did in one request, told so that a person can follow it.
//!
//! It names the keys of values and the calls to the store, and never holds a session key or a value.

use serde::Serialize;

/// What the request brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Brought {
    /// No session cookie.
    #[default]
    Nothing,
    /// A session cookie that nobody has looked at: the request did not touch its session.
    Unopened,
    /// A session cookie of ours.
    Genuine,
    /// A session cookie that is not ours, or damaged.
    Refused,
}

/// What the response sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// No `Set-Cookie`.
    #[default]
    Nothing,
    /// A `Set-Cookie` that gives or renews the session cookie.
    Cookie,
    /// A `Set-Cookie` that takes the session cookie away.
    Removal,
}

/// One call to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StoreCall {
    /// What was asked: `load`, `create`, `save`, `touch`, `rotate`, `delete`.
    pub call: &'static str,
    /// What came of it, such as `found`, `stored`, `conflict`, `gone`.
    pub outcome: &'static str,
}

/// What a session did in one request, so far. See [`Session::journal`](crate::Session::journal).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Journal {
    /// The cookie of the request.
    pub cookie: Brought,
    /// Calls to the store, in order. At most 64 are kept.
    pub calls: Vec<StoreCall>,
    /// Keys of values that were looked up, each once. At most 64 are kept.
    pub read: Vec<String>,
    /// Keys of values that were set, each once. At most 64 are kept.
    pub written: Vec<String>,
    /// Keys of values that were removed, each once. At most 64 are kept.
    pub removed: Vec<String>,
    /// The session as stored has this many bytes, where it was loaded or stored.
    pub bytes: Option<usize>,
    /// Changes were stored.
    pub saved: bool,
    /// The session cookie of the response.
    pub set_cookie: Sent,
}

/// More than this of anything is not worth a look, and would let one request grow memory.
const MOST: usize = 64;

impl Journal {
    pub(crate) fn called(&mut self, call: StoreCall) {
        if self.calls.len() < MOST {
            self.calls.push(call);
        }
    }

    pub(crate) fn note_read(&mut self, key: &str) {
        note(&mut self.read, key);
    }

    pub(crate) fn note_written(&mut self, key: &str) {
        note(&mut self.written, key);
    }

    pub(crate) fn note_removed(&mut self, key: &str) {
        note(&mut self.removed, key);
    }
}

fn note(keys: &mut Vec<String>, key: &str) {
    if keys.len() < MOST && !keys.iter().any(|known| known == key) {
        keys.push(key.to_owned());
    }
}
