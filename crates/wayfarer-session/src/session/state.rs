//! The state behind a [`Session`](super::Session): what is known so far, and what the request has changed.
//!
//! Nothing here waits or calls the store; `persist` does.

use jiff::Timestamp;

use crate::{
    data::{Changes, Data},
    error::{Error, ErrorKind},
    journal::{Brought, Journal},
    key::Subject,
    manager::Shared,
    mode::{Identity, SUBJECT_ENTRY},
    raw::Raw,
    store::Version,
};

/// What is known of the stored session.
#[derive(Debug)]
pub(super) enum Stored {
    /// Nobody has looked.
    Unknown,
    /// There is none.
    Absent,
    /// There is this.
    Row(Row),
}

/// A stored session, as it was last seen.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) version: Version,
    pub(super) data: Data,
    pub(super) created: Option<Timestamp>,
    pub(super) expires_at: Timestamp,
}

/// What the response is to do about the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Cookie,
    Removal,
}

#[derive(Debug)]
pub(super) struct State {
    /// The cookie of the request. A secret, so it is taken out as soon as it is opened.
    cookie: Option<Secret>,
    pub(super) identity: Option<Identity>,
    /// The identity was drawn in this request: no browser knows it yet, and no session lies under it.
    pub(super) fresh: bool,
    pub(super) stored: Stored,
    /// What lies in the store, with the changes: what the handler sees.
    pub(super) current: Data,
    pub(super) changes: Changes,
    /// Changes that are on their way into the store.
    pub(super) saving: Changes,
    pub(super) accessed: bool,
    pub(super) modified: bool,
    /// A new key is to be given with the next save.
    pub(super) rotate: bool,
    pub(super) due: Due,
    /// The response head is out: no cookie can be sent any more.
    pub(super) head_sent: bool,
    pub(super) journal: Journal,
}

struct Secret(Box<str>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl State {
    pub(super) fn new(cookie: Option<&str>) -> State {
        let brought = if cookie.is_some() { Brought::Unopened } else { Brought::Nothing };
        State {
            cookie: cookie.map(|cookie| Secret(cookie.into())),
            identity: None,
            fresh: false,
            stored: Stored::Unknown,
            current: Data::default(),
            changes: Changes::default(),
            saving: Changes::default(),
            accessed: false,
            modified: false,
            rotate: false,
            due: Due::Nothing,
            head_sent: false,
            journal: Journal { cookie: brought, ..Journal::default() },
        }
    }

    /// Verifies the cookie, the first time that this is asked.
    pub(super) fn open(&mut self, shared: &Shared) {
        let Some(Secret(cookie)) = self.cookie.take() else { return };
        self.identity = shared.mode.open(&cookie);
        if self.identity.is_some() {
            self.journal.cookie = Brought::Genuine;
        } else {
            self.journal.cookie = Brought::Refused;
            self.due = Due::Removal;
        }
    }

    /// The session's internal id. A visitor without one gets one here if there are early subjects, or if there is something
    /// to save, which needs one anyway.
    pub(super) fn subject(&mut self, shared: &Shared) -> Result<Option<Subject>, Error> {
        self.open(shared);
        let wanted = shared.early || self.is_pending();
        if shared.mode.is_django() {
            return self.subject_entry(shared, wanted);
        }
        if self.identity.is_none() && wanted && !self.head_sent {
            self.mint(shared)?;
        }
        Ok(self.identity.as_ref().and_then(Identity::subject))
    }

    /// The subject that a session of django mode holds. With `wanted` it gets one.
    fn subject_entry(&mut self, shared: &Shared, wanted: bool) -> Result<Option<Subject>, Error> {
        if let Some(subject) = subject_of(&self.current) {
            return Ok(Some(subject));
        }
        if !wanted || !shared.subject_entry {
            return Ok(None);
        }
        let subject = Subject::random(&*shared.random)?;
        let raw = Raw::new(&subject)?;
        self.change(|changes| changes.set(SUBJECT_ENTRY, raw.clone()));
        Ok(Some(subject))
    }

    /// Before a save: a session of django mode that is about to hold something gets its subject.
    pub(super) fn complete(&mut self, shared: &Shared) -> Result<(), Error> {
        if shared.mode.is_django() && !self.current.is_empty() {
            self.subject_entry(shared, true)?;
        }
        Ok(())
    }

    /// Takes on a new identity, of the same subject if there is one, and notes that the browser must be told.
    pub(super) fn mint(&mut self, shared: &Shared) -> Result<Identity, Error> {
        if self.head_sent {
            return Err(Error::new(ErrorKind::TooLate, "give a session its cookie"));
        }
        let identity = shared.mode.mint(self.identity.as_ref(), &*shared.random)?;
        self.identity = Some(identity.clone());
        self.fresh = true;
        self.due = Due::Cookie;
        Ok(identity)
    }

    /// The store has no session for the browser's identity. A subject that was given early outlives that.
    pub(super) fn absent(&mut self, shared: &Shared) {
        self.stored = Stored::Absent;
        if !shared.early && !self.fresh {
            self.identity = None;
        }
        // Native mode leaves the cookie: beside this request another may have been given a new one.
        if shared.mode.is_django() && self.journal.cookie == Brought::Genuine {
            self.due = Due::Removal;
        }
    }

    pub(super) fn set(&mut self, key: &str, value: &Raw) {
        self.journal.note_written(key);
        self.change(|changes| changes.set(key, value.clone()));
    }

    pub(super) fn remove(&mut self, key: &str) -> bool {
        if self.current.get(key).is_none() {
            return false;
        }
        self.journal.note_removed(key);
        self.change(|changes| changes.remove(key));
        true
    }

    pub(super) fn clear(&mut self) {
        for name in self.current.names() {
            self.journal.note_removed(&name);
        }
        self.change(Changes::clear);
    }

    /// Makes a change, for the handler to see at once and for the next save to merge.
    fn change(&mut self, change: impl Fn(&mut Changes)) {
        let mut only = Changes::default();
        change(&mut only);
        self.current = only.apply(&self.current);
        change(&mut self.changes);
        self.modified = true;
    }

    /// Whether the session holds something, or may: a cookie came that nobody has looked at.
    pub(super) fn may_hold(&self) -> bool {
        self.cookie.is_some() || self.identity.is_some() || !self.current.is_empty()
    }

    /// Whether there is anything to save.
    pub(super) fn is_pending(&self) -> bool {
        self.rotate || !self.changes.is_empty()
    }

    /// Notes what lies in the store now, and shows it with the changes that are still to be saved.
    pub(super) fn stored(&mut self, row: Row) {
        self.current = self.changes.apply(&self.saving.apply(&row.data));
        self.stored = Stored::Row(row);
    }

    /// What is on its way into the store has to be saved after all.
    pub(super) fn not_saved(&mut self, rotate: bool) {
        let newer = std::mem::take(&mut self.changes);
        self.changes = std::mem::take(&mut self.saving).then(newer);
        self.rotate |= rotate;
    }

    /// Forgets everything, as after a flush. The browser's cookie goes too.
    pub(super) fn forget(&mut self) {
        self.identity = None;
        self.fresh = false;
        self.stored = Stored::Absent;
        self.current = Data::default();
        self.changes = Changes::default();
        self.saving = Changes::default();
        self.rotate = false;
        self.modified = false;
        let brought_one = matches!(self.journal.cookie, Brought::Genuine | Brought::Refused);
        self.due = if brought_one { Due::Removal } else { Due::Nothing };
    }

    /// The account noted by a log-in, where the session has been loaded.
    pub(super) fn user(&self) -> Option<String> {
        user_of(&self.current)
    }
}

/// The account that Django's log-in, and ours, note in a session.
pub(super) fn user_of(data: &Data) -> Option<String> {
    data.get("_auth_user_id").and_then(|raw| raw.read().ok())
}

/// The subject that a session of django mode holds.
pub(super) fn subject_of(data: &Data) -> Option<Subject> {
    data.get(SUBJECT_ENTRY).and_then(|raw| raw.read().ok())
}
