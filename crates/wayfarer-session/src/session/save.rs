//! How a session gets into the store: save with merge, new keys, new sessions.
//!
//! A save starts from the state of the store that was last seen. If somebody else stored another state meanwhile, it loads
//! that one, applies the same changes to it and tries again, until the deadline. A session that is gone stays gone.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::{
    sync::MutexGuard,
    time::{Duration, Instant, sleep, timeout_at},
};

use super::{
    inner::Inner,
    load::Looker,
    state::{Due, NewKey, Row, Stored, subject_of, user_of},
};
#[cfg(feature = "cookies")]
use crate::mode::Mode;
use crate::{
    data::{Changes, Data},
    error::{Error, ErrorKind},
    expiry::{self, Kept},
    mode::Identity,
    native::{self, About, Moved},
    random::draw,
    signal::SignalKind,
    store::{Created, Record, Rotated, Rotation, Saved, Version},
};

const SAVING: &str = "save a session";

/// Computes a change from what lies in the store. May run several times.
pub(super) type Compute<'a> = dyn FnMut(&Data, &mut Changes) -> Result<(), Error> + Send + 'a;

/// What a round of saving came to.
pub(super) enum Round {
    Done,
    /// Somebody else stored another state: look again and try again.
    Conflict,
    /// The key was taken. What was to be done about that is done: try again.
    Taken,
}

/// A new state on its way into the store.
pub(super) struct Draft {
    pub(super) about: About,
    pub(super) data: Data,
    pub(super) record: Record,
    /// The session runs out at another time than before, or in another way.
    end_moved: bool,
}

/// What is on its way into the store. If it does not arrive, because the save fails or is given up (a timeout drops it), it
/// has to be saved after all.
struct Shipment<'i> {
    inner: &'i Inner,
    changes: Arc<Changes>,
    new_key: Option<NewKey>,
    arrived: bool,
}

impl Shipment<'_> {
    /// Takes along all that a session has to save.
    fn of(inner: &Inner) -> Result<Shipment<'_>, Error> {
        let mut state = inner.state();
        state.complete(&inner.shared)?;
        let (changes, new_key) = (state.start_saving(), state.new_key.take());
        Ok(Shipment { inner, changes, new_key, arrived: false })
    }

    fn arrived(mut self) {
        self.arrived = true;
        self.inner.state().saving = None;
    }
}

impl Drop for Shipment<'_> {
    fn drop(&mut self) {
        if !self.arrived {
            self.inner.state().not_saved(self.new_key);
        }
    }
}

impl Inner {
    /// Saves what was changed, and what `compute` changes on top of it.
    pub(super) async fn save(&self, compute: Option<&mut Compute<'_>>) -> Result<(), Error> {
        let saved = {
            let _gate = self.gate().await;
            self.save_at_the_gate(compute).await
        };
        self.tell().await;
        saved
    }

    async fn save_at_the_gate(&self, compute: Option<&mut Compute<'_>>) -> Result<(), Error> {
        let shipment = Shipment::of(self)?;
        let saved = self.save_until_deadline(&shipment.changes, shipment.new_key, compute).await;
        match &saved {
            Ok(()) => shipment.arrived(),
            Err(error) => {
                drop(shipment);
                if error.kind() == ErrorKind::Interrupted {
                    self.note_signal(&mut self.state(), SignalKind::Interrupted);
                }
            }
        }
        saved
    }

    async fn save_until_deadline(
        &self,
        pending: &Changes,
        new_key: Option<NewKey>,
        mut compute: Option<&mut Compute<'_>>,
    ) -> Result<(), Error> {
        let mut turn = None;
        // Most saves meet nobody, and need not look at the clock.
        let mut deadline = None;
        let from_now = || Instant::now() + self.shared.save_deadline;
        for round in 0.. {
            let (identity, row) = self.known();
            let mut data = match &row {
                Some(row) => pending.apply(&row.data),
                None => pending.apply(&Data::default()),
            };
            if let Some(compute) = &mut compute {
                let mut computed = Changes::default();
                compute(&data, &mut computed)?;
                data = computed.apply(&data);
            }
            match self.attempt(identity, row, data, new_key).await? {
                Round::Done => return Ok(()),
                Round::Taken => {}
                Round::Conflict => {
                    if turn.is_none() {
                        turn = Some(self.turn(*deadline.get_or_insert_with(from_now)).await?);
                    }
                    Box::pin(self.look_again()).await?;
                }
            }
            if Instant::now() >= *deadline.get_or_insert_with(from_now) {
                break;
            }
            self.back_off(round).await?;
        }
        Err(contended(SAVING))
    }

    /// Waits for this session's turn among the writers of this process, so that they do not keep meeting each other.
    /// Writers of other processes are met by compare-and-swap alone.
    async fn turn(&self, deadline: Instant) -> Result<MutexGuard<'_, ()>, Error> {
        let (identity, _) = self.known();
        let key = identity.as_ref().map_or("", |identity| identity.store_key().expose());
        let turn = self.shared.turns.of(key);
        timeout_at(deadline, turn.lock()).await.map_err(|_| contended(SAVING))
    }

    /// Waits a little, differently for everyone, so that writers do not meet again.
    async fn back_off(&self, round: u32) -> Result<(), Error> {
        if round < 2 {
            return Ok(());
        }
        let [jitter] = draw(&*self.shared.random)?;
        let most = 1_u64 << round.min(6);
        sleep(Duration::from_micros(most * 1000 * u64::from(jitter) / 256)).await;
        Ok(())
    }

    async fn look_again(&self) -> Result<(), Error> {
        if self.look(Looker::AtWork, "load a session again").await? {
            return Ok(());
        }
        Err(interrupted())
    }

    pub(super) async fn attempt(
        &self,
        identity: Option<Identity>,
        row: Option<Row>,
        data: Data,
        new_key: Option<NewKey>,
    ) -> Result<Round, Error> {
        #[cfg(feature = "cookies")]
        if let Mode::Carried { carrier, recent } = &self.shared.mode {
            self.still_carried(carrier, identity.as_ref(), row.as_ref()).await?;
            return self.carry((carrier, recent), (identity, row), data, new_key);
        }
        match (identity, row) {
            (Some(identity), Some(row)) => match self.still_wanted(new_key, &row) {
                Some(new_key) => Box::pin(self.rotate(&identity, &row, data, new_key)).await,
                None => self.update(&identity, &row, data).await,
            },
            // A session that never was and holds nothing is not worth a row.
            _ if data.is_empty() => Ok(Round::Done),
            (identity, _) => Box::pin(self.create(identity, data, new_key)).await,
        }
    }

    /// A renewal that another request has made meanwhile is not made again.
    fn still_wanted(&self, new_key: Option<NewKey>, row: &Row) -> Option<NewKey> {
        let due = || self.shared.life.renewal_is_due(row.about.keyed(), self.shared.now());
        new_key.filter(|new_key| *new_key == NewKey::AtOnce || due())
    }

    async fn update(&self, identity: &Identity, row: &Row, data: Data) -> Result<Round, Error> {
        let mut about = row.about.clone();
        if about.prior.is_some() && self.state().settled {
            about.prior = None;
        }
        let (store, now) = (&self.shared.store, self.shared.now());
        let draft = self.draft((about, data, now), identity, Some(row))?;
        let saving = store.save(identity.store_key(), &draft.record, &row.version, now);
        match self.ask("save", SAVING, saving).await? {
            Saved::Stored(version) => Ok(self.done(draft, version, None, None)),
            Saved::Conflict => Ok(Round::Conflict),
            Saved::Gone => Err(interrupted()),
        }
    }

    async fn rotate(
        &self,
        identity: &Identity,
        row: &Row,
        data: Data,
        new_key: NewKey,
    ) -> Result<Round, Error> {
        self.head_must_be_open()?;
        let (next, moved) = self.next_key(identity, new_key)?;
        let prior = moved.is_some().then(|| identity.store_key().clone());
        let (store, now) = (&self.shared.store, self.shared.now());
        let about = About { renewed: Some(now), prior, ..row.about.clone() };
        let draft = self.draft((about, data, now), &next, Some(row))?;
        let left = moved.map(native::moved);
        let expires_at = draft.record.expires_at;
        let left = left.map(|data| Record { data, expires_at, subject: None, user: None });
        let rotation = Rotation {
            from: identity.store_key(),
            to: next.store_key(),
            record: &draft.record,
            left: left.as_ref(),
            expected: &row.version,
        };
        let rotating = store.rotate(&rotation, now);
        match self.ask("rotate", "rotate a session's key", rotating).await? {
            Rotated::Stored(version) => {
                Ok(self.done(draft, version, Some(next), Some(SignalKind::Rotated)))
            }
            Rotated::Conflict => Ok(Round::Conflict),
            Rotated::Gone => Err(interrupted()),
            Rotated::Taken => Ok(Round::Taken),
        }
    }

    /// A new key of the same subject; with grace also what is left under the old one.
    fn next_key(
        &self,
        identity: &Identity,
        new_key: NewKey,
    ) -> Result<(Identity, Option<Moved>), Error> {
        let (mode, random) = (&self.shared.mode, &*self.shared.random);
        if new_key == NewKey::WithGrace {
            let nonce = draw(random)?;
            if let Some(next) = mode.renewed(identity, &nonce).next() {
                let until = self.shared.life.grace_of(self.shared.now());
                let to = next.store_key().clone();
                return Ok((next, Some(Moved { to, nonce, until, used: false })));
            }
        }
        Ok((mode.mint(Some(identity), random)?, None))
    }

    async fn create(
        &self,
        prior: Option<Identity>,
        data: Data,
        new_key: Option<NewKey>,
    ) -> Result<Round, Error> {
        let fresh = self.state().fresh;
        let (identity, ours) = match prior {
            Some(identity) if fresh => (identity, false),
            Some(identity) if self.shared.adopts && new_key.is_none() => (identity, true),
            // An unknown key is never taken on: not the stale one of a browser, and not one that ended.
            _ => (self.state().mint(&self.shared)?, false),
        };
        let (store, now) = (&self.shared.store, self.shared.now());
        let draft = self.draft((About::new(now), data, now), &identity, None)?;
        let creating = store.create(identity.store_key(), &draft.record, now);
        match self.ask("create", "create a session", creating).await? {
            Created::Stored(version) => {
                Ok(self.done(draft, version, Some(identity), Some(SignalKind::Created)))
            }
            Created::Taken if ours => self.meet_or_part().await,
            Created::Taken => self.state().mint(&self.shared).map(|_| Round::Taken),
        }
    }

    /// The browser's own key is taken: by a request beside this one, whose session is then shared, or by a session that
    /// has ended, whose key is then given up.
    async fn meet_or_part(&self) -> Result<Round, Error> {
        if !self.look(Looker::Cookie, "load a session").await? {
            let mut state = self.state();
            state.identity = None;
            state.mint(&self.shared)?;
        }
        Ok(Round::Taken)
    }

    pub(super) fn head_must_be_open(&self) -> Result<(), Error> {
        if self.state().head_sent {
            return Err(Error::new(ErrorKind::TooLate, "give a session its cookie"));
        }
        Ok(())
    }

    pub(super) fn draft(
        &self,
        (mut about, data, now): (About, Data, Timestamp),
        identity: &Identity,
        before: Option<&Row>,
    ) -> Result<Draft, Error> {
        // A clock that was ahead gives no session a longer life than it may have.
        about.created = about.created.map(|created| created.min(now));
        let bytes = self.shared.mode.encode(&about, &data, now)?;
        if bytes.len() > self.shared.max_bytes {
            let (has, most) = (bytes.len(), self.shared.max_bytes);
            return Err(Error::new(ErrorKind::TooLarge, SAVING)
                .because(format!("it has {has} bytes, {most} are allowed")));
        }
        let kept = Kept::of(data.get(expiry::ENTRY).as_ref());
        let end = self.shared.life.end(kept, about.created, now);
        let unmoved = before.and_then(|row| self.unmoved_end(row, kept, end));
        let record = Record {
            data: bytes,
            expires_at: unmoved.unwrap_or(end),
            subject: identity.subject().or_else(|| subject_of(&data)),
            user: user_of(&data).map(Arc::from),
        };
        Ok(Draft { about, data, record, end_moved: unmoved.is_none() })
    }

    /// The end that a session has, if it lies so near to where it would lie now that moving it is not worth a write to an
    /// index and another cookie. Django moves it with every save.
    fn unmoved_end(&self, row: &Row, kept: Kept, end: Timestamp) -> Option<Timestamp> {
        let same = kept == Kept::of(row.data.get(expiry::ENTRY).as_ref());
        if self.shared.mode.is_django() || !same {
            return None;
        }
        let off = end.duration_since(row.expires_at).abs();
        (off < self.shared.life.slack(kept) || off.is_zero()).then_some(row.expires_at)
    }

    /// Notes what was stored, under which new identity, and what is worth a signal.
    pub(super) fn done(
        &self,
        draft: Draft,
        version: Version,
        identity: Option<Identity>,
        signal: Option<SignalKind>,
    ) -> Round {
        let Draft { about, data, record, end_moved } = draft;
        let mut state = self.state();
        if !state.head_sent && (end_moved || identity.is_some()) {
            state.due = Due::Cookie;
        }
        if let Some(identity) = identity {
            state.identity = Some(identity);
        }
        state.fresh = false;
        state.settled = false;
        state.stores = state.stores.wrapping_add(1);
        state.journal.bytes = Some(record.data.len());
        state.journal.saved = true;
        state.saving = None;
        let row = Row { version, about, data, expires_at: record.expires_at };
        state.stored = Stored::Row(row);
        if let Some(kind) = signal {
            self.note_signal(&mut state, kind);
        }
        Round::Done
    }
}

pub(super) fn contended(doing: &'static str) -> Error {
    Error::new(ErrorKind::Contended, doing)
}

pub(super) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, SAVING)
}
