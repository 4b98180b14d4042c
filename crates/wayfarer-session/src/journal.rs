//! The journal: what a session did in one request, told so that a person can follow it.
//!
//! It names the keys of values and the calls to the store, and never holds a session key or a value.

use std::mem;

use serde::Serialize;
use smallvec::SmallVec;

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

/// The journal of a request that is at work. Most have few lines, which lie together.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) cookie: Brought,
    pub(crate) bytes: Option<usize>,
    pub(crate) saved: bool,
    pub(crate) set_cookie: Sent,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Called(StoreCall),
    Read(Name),
    Written(Name),
    Removed(Name),
}

/// The key of a value, which is seldom longer than this.
type Name = SmallVec<[u8; 24]>;

impl Notes {
    /// The beginning of a journal.
    pub(crate) fn of(cookie: Brought) -> Notes {
        Notes { cookie, ..Notes::default() }
    }

    pub(crate) fn called(&mut self, call: StoreCall) {
        if self.count(&Line::Called(call)) < MOST {
            self.lines.push(Line::Called(call));
        }
    }

    pub(crate) fn note_read(&mut self, key: &str) {
        self.once(Line::Read(Name::from_slice(key.as_bytes())));
    }

    pub(crate) fn note_written(&mut self, key: &str) {
        self.once(Line::Written(Name::from_slice(key.as_bytes())));
    }

    pub(crate) fn note_removed(&mut self, key: &str) {
        self.once(Line::Removed(Name::from_slice(key.as_bytes())));
    }

    fn once(&mut self, line: Line) {
        if !self.lines.contains(&line) && self.count(&line) < MOST {
            self.lines.push(line);
        }
    }

    /// How many lines there are of the same kind.
    fn count(&self, line: &Line) -> usize {
        let kind = mem::discriminant(line);
        self.lines.iter().filter(|known| mem::discriminant(*known) == kind).count()
    }

    /// The journal so far.
    pub(crate) fn journal(&self) -> Journal {
        let Notes { cookie, bytes, saved, set_cookie, ref lines } = *self;
        let mut journal = Journal { cookie, bytes, saved, set_cookie, ..Journal::default() };
        let text = |name: &Name| String::from_utf8_lossy(name).into_owned();
        for line in lines {
            match line {
                Line::Called(call) => journal.calls.push(*call),
                Line::Read(key) => journal.read.push(text(key)),
                Line::Written(key) => journal.written.push(text(key)),
                Line::Removed(key) => journal.removed.push(text(key)),
            }
        }
        journal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_has_its_own_bound() {
        let mut notes = Notes::default();
        for n in 0..100 {
            notes.called(StoreCall { call: "load", outcome: "found" });
            notes.note_read(&n.to_string());
            notes.note_read("0");
            notes.note_written("a name that is longer than what lies in place");
        }
        let journal = notes.journal();
        assert_eq!((journal.calls.len(), journal.read.len(), journal.removed.len()), (64, 64, 0));
        assert_eq!(journal.read[63], "63");
        assert_eq!(journal.written, ["a name that is longer than what lies in place"]);
    }
}
