//! How a session is found in the store: under the key that the browser has, or where that key leads.
//!
//! A session that was given a new key with grace leaves [`Moved`] under the old one. A request that brings the old key is
//! led to the new one, until the new one has come in a request or the grace is over; a request that was at work before finds
//! its way at any time, so that its changes are not lost.

use jiff::Timestamp;

use super::{
    inner::Inner,
    save::contended,
    state::{Due, Row, Stored, user_of},
};
#[cfg(feature = "cookies")]
use crate::mode::Mode;
use crate::{
    data::Data,
    error::Error,
    journal::Brought,
    key::StoreKey,
    manager::counts,
    mode::Identity,
    native::{self, About, Moved, Payload},
    signal::{Signal, SignalKind},
    store::{Loaded, Met, Record},
};

/// A session is led on so many times: by more keys than one that is renewed every minute has in two months. A cookie is not
/// led that far, since of renewals hardly two fall into one grace; a handle may have been left alone for as long as it likes.
const STEPS: usize = 100_000;

/// Who looks for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looker {
    /// A request that has not seen its session yet: all that it has is what its cookie says.
    Cookie,
    /// A request that has seen its session, and looks for it again.
    AtWork,
}

/// What a look met at the end of its way.
struct Seen {
    identity: Identity,
    loaded: Loaded,
    about: About,
    data: Data,
}

impl Inner {
    /// Loads the session, the first time that this is asked.
    pub(super) async fn load(&self) -> Result<(), Error> {
        if self.note_access() {
            return Ok(());
        }
        // Boxed, as is whatever happens seldom: a handler's future is moved around, and holds all that it may wait for.
        Box::pin(self.load_at_the_gate()).await
    }

    async fn load_at_the_gate(&self) -> Result<(), Error> {
        let has_news = {
            let _gate = self.gate().await;
            if self.note_access() {
                return Ok(());
            }
            self.look(Looker::Cookie, "load a session").await?;
            self.note_refusal()
        };
        if has_news {
            self.tell().await;
        }
        Ok(())
    }

    /// Counts and signals a cookie that is not ours: many of them from one place are somebody who guesses. Says whether there
    /// is any signal to be told.
    fn note_refusal(&self) -> bool {
        let mut state = self.state();
        if state.journal.cookie == Brought::Refused {
            self.shared.counts.add(counts::REFUSED, 1);
            self.note_signal(&mut state, SignalKind::Refused);
        }
        !state.signals.is_empty()
    }

    /// Notes that the session is used, and says whether it is loaded already.
    fn note_access(&self) -> bool {
        let mut state = self.state();
        state.accessed = true;
        !matches!(state.stored, Stored::Unknown)
    }

    /// Looks into the store and notes what lies there. Says whether there is a session.
    pub(super) async fn look(&self, looker: Looker, doing: &'static str) -> Result<bool, Error> {
        let identity = {
            let mut state = self.state();
            state.open(&self.shared);
            state.identity.clone()
        };
        #[cfg(feature = "cookies")]
        if let Mode::Carried { carrier, .. } = &self.shared.mode {
            return self.look_inside(carrier, identity).await;
        }
        let seen = match &identity {
            Some(identity) => self.find(identity, looker, doing).await?,
            None => None,
        };
        let Some(seen) = seen else {
            self.state().absent(&self.shared);
            return Ok(false);
        };
        let moved = identity.is_some_and(|from| from.store_key() != seen.identity.store_key());
        // Whoever was led to a key says nothing of what the browser has, however often it looks there again.
        if !moved && looker == Looker::Cookie {
            self.settle(&seen.about).await;
        }
        self.note_seen(seen, moved);
        Ok(true)
    }

    fn note_seen(&self, seen: Seen, moved: bool) {
        let Seen { identity, loaded: Loaded { record, version }, about, data } = seen;
        let mut state = self.state();
        state.journal.bytes = Some(record.data.len());
        let row = Row { version, about, data, expires_at: record.expires_at };
        state.stored = Stored::Row(row);
        if moved {
            state.identity = Some(identity);
            // What was settled was the way to the key before.
            state.settled = false;
            if !state.head_sent {
                // The response that told of the new key may have been lost.
                state.due = Due::Cookie;
            }
        }
    }

    /// The session under the browser's key, or where that leads.
    async fn find(
        &self,
        start: &Identity,
        looker: Looker,
        doing: &'static str,
    ) -> Result<Option<Seen>, Error> {
        let mut identity = start.clone();
        for _ in 0..STEPS {
            let now = self.shared.now();
            let key = identity.store_key();
            let Some(loaded) = self.ask("load", doing, self.shared.store.load(key, now)).await?
            else {
                Box::pin(self.notice_expiry(&identity, doing)).await?;
                return Ok(None);
            };
            match self.read(&loaded)? {
                Some(Payload::Session(about, data)) => {
                    return Ok(Some(Seen { identity, loaded, about, data }));
                }
                Some(Payload::Moved(moved)) => match self.follow(&identity, &moved, looker) {
                    Some(next) => identity = next,
                    None => return Ok(None),
                },
                Some(Payload::Ended) | None => return Ok(None),
            }
        }
        // It lives on, further than we can follow: that must not look like a session that has ended.
        Err(contended(doing))
    }

    /// What a record holds. What Django would not read either is no session, and is left as it is under its key.
    pub(super) fn read(&self, loaded: &Loaded) -> Result<Option<Payload>, Error> {
        match self.shared.mode.decode(&loaded.record.data) {
            Err(error) if self.shared.mode.forgives() => {
                tracing::warn!(%error, "session data corrupted");
                Ok(None)
            }
            decoded => decoded.map(Some),
        }
    }

    /// Where an old key leads, if whoever has it is let in.
    fn follow(&self, from: &Identity, moved: &Moved, looker: Looker) -> Option<Identity> {
        let open = !moved.used && self.shared.life.in_grace(moved.until, self.shared.now());
        if looker == Looker::Cookie && !open {
            return None;
        }
        let mut renewed = self.shared.mode.renewed(from, &moved.nonce);
        renewed.find(|identity| *identity.store_key() == moved.to)
    }

    /// The browser has its new key: from here on the old one lets nobody in. Trouble is left to the next request.
    async fn settle(&self, about: &About) {
        let Some(prior) = &about.prior else { return };
        let grace = about.keyed().map(|keyed| self.shared.life.grace_of(keyed));
        let now = self.shared.now();
        if grace.is_some_and(|until| self.shared.life.in_grace(until, now))
            && let Err(error) = Box::pin(self.close_way(prior, now)).await
        {
            tracing::warn!(%error, "the old key of a session stays open until its grace is over");
            return;
        }
        self.state().settled = true;
    }

    async fn close_way(&self, prior: &StoreKey, now: Timestamp) -> Result<(), Error> {
        const DOING: &str = "end the old key of a session";
        let store = &self.shared.store;
        let Some(loaded) = self.ask("load", DOING, store.load(prior, now)).await? else {
            return Ok(());
        };
        let Some(Payload::Moved(moved)) = self.read(&loaded)? else { return Ok(()) };
        let Record { expires_at, .. } = loaded.record;
        let data = native::moved(Moved { used: true, ..moved });
        let record = Record { data, expires_at, subject: None, user: None };
        // A conflict means that another request has just done the same.
        self.ask("save", DOING, store.save(prior, &record, &loaded.version, now)).await.map(drop)
    }

    /// A genuine ticket met no session: if that is because it ran out, one request tells so.
    async fn notice_expiry(&self, identity: &Identity, doing: &'static str) -> Result<(), Error> {
        let genuine = self.state().journal.cookie == Brought::Genuine;
        let Some(subject) = identity.subject().filter(|_| genuine && self.shared.keeps_expired)
        else {
            return Ok(());
        };
        // The store is asked as of an instant at which every session that was not ended still lived.
        let (key, long_ago) = (identity.store_key(), Timestamp::UNIX_EPOCH);
        let store = &self.shared.store;
        let Some(loaded) = self.ask("load", doing, store.load(key, long_ago)).await? else {
            return Ok(());
        };
        let Ok(Some(Payload::Session(_, data))) = self.read(&loaded) else { return Ok(()) };
        if self.ask("delete", doing, store.delete(key, long_ago)).await? == Met::Gone {
            return Ok(());
        }
        let mut signal = Signal::new(SignalKind::Expired, self.shared.now()).with_subject(subject);
        signal.user = user_of(&data);
        signal.context = self.slot();
        self.state().signals.push(signal);
        Ok(())
    }

    /// The session as it was last seen, and what the store knows it as.
    pub(super) fn known(&self) -> (Option<Identity>, Option<Row>) {
        let state = self.state();
        (state.identity.clone(), state.row().cloned())
    }
}
