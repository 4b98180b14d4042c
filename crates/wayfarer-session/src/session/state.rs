//! The state behind a [`Session`](super::Session): what is known so far, and what the request has changed.
//!
//! Nothing here waits or calls the store; `load`, `save` and `flush` do.

use std::sync::Arc;

use jiff::Timestamp;
use smallvec::SmallVec;

use crate::{
    data::{Changes, Data},
    error::{Error, ErrorKind},
    expiry::{self, Kept},
    journal::{Brought, Notes},
    key::Subject,
    manager::Shared,
    mode::{Identity, SUBJECT_ENTRY},
    native::About,
    raw::Raw,
    signal::Signal,
    store::Version,
    ticket::Ticket,
};

/// What is known of the stored session.
#[derive(Clone, Debug)]
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
    pub(super) about: About,
    pub(super) data: Data,
    pub(super) expires_at: Timestamp,
}

/// A session whose end is to be moved, since it is in use.
#[derive(Debug)]
pub(super) struct Stale {
    pub(super) identity: Identity,
    /// Its end, as it was last seen.
    pub(super) from: Timestamp,
    /// Its end, now that it is used.
    pub(super) expires_at: Timestamp,
}

/// A new key that is to be given with the next save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewKey {
    /// The old one is dead at once.
    AtOnce,
    /// The old one leads to the new one for a while, for requests that do not know it yet.
    WithGrace,
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
    pub(super) changes: Changes,
    /// Changes that are on their way into the store.
    pub(super) saving: Option<Arc<Changes>>,
    pub(super) accessed: bool,
    pub(super) modified: bool,
    pub(super) new_key: Option<NewKey>,
    /// So often has this request stored its session.
    pub(super) stores: u32,
    /// The browser has its new key, so that the way from the old one may be forgotten with the next save.
    pub(super) settled: bool,
    pub(super) due: Due,
    /// The response head is out: no cookie can be sent any more.
    pub(super) head_sent: bool,
    pub(super) journal: Notes,
    /// What is to be told as soon as nothing is held that a receiver may need.
    pub(super) signals: Vec<Signal>,
}

/// The text of a cookie. That of a native session needs no allocation.
pub(super) struct Secret(SmallVec<[u8; Ticket::LENGTH]>);

impl Secret {
    pub(super) fn new(text: &str) -> Secret {
        Secret(SmallVec::from_slice(text.as_bytes()))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl State {
    pub(super) fn new(cookie: Option<Secret>, head_sent: bool) -> State {
        let brought = if cookie.is_some() { Brought::Unopened } else { Brought::Nothing };
        State {
            cookie,
            identity: None,
            fresh: false,
            stored: Stored::Unknown,
            changes: Changes::default(),
            saving: None,
            accessed: false,
            modified: false,
            new_key: None,
            stores: 0,
            settled: false,
            due: Due::Nothing,
            head_sent,
            journal: Notes::of(brought),
            signals: Vec::new(),
        }
    }

    /// Verifies the cookie, the first time that this is asked.
    pub(super) fn open(&mut self, shared: &Shared) {
        let Some(cookie) = self.cookie.take() else { return };
        self.identity = shared.mode.open(cookie.text());
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
        if let Some(subject) = self.held_subject() {
            return Ok(Some(subject));
        }
        if !wanted || !shared.subject_entry {
            return Ok(None);
        }
        let subject = Subject::random(&*shared.random)?;
        self.changes.set(SUBJECT_ENTRY, Raw::new(&subject)?);
        self.modified = true;
        Ok(Some(subject))
    }

    /// Before a save: a session of django mode that is about to hold something gets its subject.
    pub(super) fn complete(&mut self, shared: &Shared) -> Result<(), Error> {
        if shared.mode.is_django() && !self.view().is_empty() {
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

    pub(super) fn set(&mut self, key: &str, value: Raw) {
        self.journal.note_written(key);
        self.changes.set(key, value);
        self.modified = true;
    }

    pub(super) fn remove(&mut self, key: &str) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        self.journal.note_removed(key);
        self.changes.remove(key);
        self.modified = true;
        true
    }

    pub(super) fn clear(&mut self) {
        for name in self.view().names() {
            self.journal.note_removed(&name);
        }
        self.changes.clear();
        self.modified = true;
    }

    /// The session as it was last seen in the store.
    pub(super) fn row(&self) -> Option<&Row> {
        match &self.stored {
            Stored::Row(row) => Some(row),
            Stored::Unknown | Stored::Absent => None,
        }
    }

    /// The value under `key` as the handler sees it: what lies in the store, with every change.
    pub(super) fn get(&self, key: &str) -> Option<Raw> {
        let layers = [Some(&self.changes), self.saving.as_deref()];
        let changed = layers.into_iter().flatten().find_map(|changes| changes.get(key));
        match changed {
            Some(value) => value.cloned(),
            None => self.row().and_then(|row| row.data.get(key)),
        }
    }

    /// All that the handler sees.
    pub(super) fn view(&self) -> Data {
        let stored = self.row().map(|row| row.data.clone()).unwrap_or_default();
        let saving = self.saving.as_ref().map(|saving| saving.apply(&stored));
        self.changes.apply(&saving.unwrap_or(stored))
    }

    /// When the session runs out, as it was set.
    pub(super) fn kept(&self) -> Kept {
        Kept::of(self.get(expiry::ENTRY).as_ref())
    }

    /// Whether the session holds something, or may: a cookie came that nobody has looked at.
    pub(super) fn may_hold(&self) -> bool {
        self.cookie.is_some() || self.identity.is_some() || !self.view().is_empty()
    }

    /// Whether there is anything to save.
    pub(super) fn is_pending(&self) -> bool {
        self.new_key.is_some() || self.settled || !self.changes.is_empty()
    }

    /// Whether the session has had its key for so long that it gets another.
    pub(super) fn renewal_is_due(&self, shared: &Shared) -> bool {
        let row = self.row().filter(|_| shared.life.renew_after.is_some());
        row.is_some_and(|row| shared.life.renewal_is_due(row.about.keyed(), shared.now()))
    }

    /// The session, if its end lies an interval before where it would lie if it were used now.
    pub(super) fn stale(&self, shared: &Shared) -> Option<Stale> {
        if shared.mode.is_django() {
            return None;
        }
        let (row, kept) = (self.row()?, self.kept());
        if !matches!(kept, Kept::Unset | Kept::BrowserClose) {
            return None;
        }
        let expires_at = shared.life.end(kept, row.about.created, shared.now());
        let from = row.expires_at;
        if expires_at.duration_since(from) < shared.life.touch_interval {
            return None;
        }
        self.identity.clone().map(|identity| Stale { identity, from, expires_at })
    }

    /// Takes what is to be saved on its way.
    pub(super) fn start_saving(&mut self) -> Arc<Changes> {
        let saving = Arc::new(std::mem::take(&mut self.changes));
        self.saving = Some(Arc::clone(&saving));
        saving
    }

    /// What was on its way into the store has to be saved after all.
    pub(super) fn not_saved(&mut self, new_key: Option<NewKey>) {
        let newer = std::mem::take(&mut self.changes);
        let saving = self.saving.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        self.changes = saving.then(newer);
        self.new_key = self.new_key.or(new_key);
    }

    /// Takes over how far another handle has come with its session. Nothing of either is on its way.
    pub(super) fn take_over(&mut self, other: &State) {
        self.identity.clone_from(&other.identity);
        self.fresh = other.fresh;
        self.stored = other.stored.clone();
        self.changes = other.changes.clone();
        self.saving = None;
        self.modified = other.modified;
        self.new_key = other.new_key;
        self.settled = other.settled;
        self.due = other.due;
        self.journal.cookie = other.journal.cookie;
    }

    /// Forgets everything, as after a flush. The browser's cookie goes too.
    pub(super) fn forget(&mut self) {
        self.identity = None;
        self.fresh = false;
        self.stored = Stored::Absent;
        self.changes = Changes::default();
        self.saving = None;
        self.new_key = None;
        self.settled = false;
        self.modified = false;
        let brought_one = matches!(self.journal.cookie, Brought::Genuine | Brought::Refused);
        self.due = if brought_one { Due::Removal } else { Due::Nothing };
    }

    /// The account noted by a log-in, where the session has been loaded.
    pub(super) fn user(&self) -> Option<String> {
        self.get(USER_ENTRY).and_then(|raw| raw.read().ok())
    }

    /// The subject that a session of django mode holds.
    pub(super) fn held_subject(&self) -> Option<Subject> {
        self.get(SUBJECT_ENTRY).and_then(|raw| raw.read().ok())
    }
}

/// Where Django's log-in, and ours, note the account.
const USER_ENTRY: &str = "_auth_user_id";

/// The account that Django's log-in, and ours, note in a session.
pub(crate) fn user_of(data: &Data) -> Option<String> {
    data.get(USER_ENTRY).and_then(|raw| raw.read().ok())
}

/// The subject that a session of django mode holds.
pub(crate) fn subject_of(data: &Data) -> Option<Subject> {
    data.get(SUBJECT_ENTRY).and_then(|raw| raw.read().ok())
}
