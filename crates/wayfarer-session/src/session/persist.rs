//! How a session gets into the store and out of it: load, save with merge, rotate, flush.
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
    Inner,
    state::{Due, Row, Stored, subject_of, user_of},
};
use crate::{
    data::{Changes, Data},
    error::{Error, ErrorKind},
    expiry::Kept,
    mode::{Identity, Payload},
    random::draw,
    signal::SignalKind,
    store::{Created, Loaded, Met, Record, Rotated, Rotation, Saved, StoreError, Version},
};

/// Computes a change from what lies in the store. May run several times.
pub(super) type Compute<'a> = dyn FnMut(&Data, &mut Changes) -> Result<(), Error> + Send + 'a;

/// What a round of saving came to.
enum Round {
    /// It is stored, and this is worth a signal.
    Done(Option<SignalKind>),
    /// Somebody else stored another state: look again and try again.
    Conflict,
    /// The key was taken. What was to be done about that is done: try again.
    Taken,
}

/// A new state on its way into the store.
struct Draft {
    created: Option<Timestamp>,
    data: Data,
    record: Record,
}

impl Inner {
    /// Loads the session, the first time that this is asked.
    pub(super) async fn load(&self) -> Result<(), Error> {
        if self.note_access() {
            return Ok(());
        }
        let _gate = self.gate.lock().await;
        if self.note_access() {
            return Ok(());
        }
        self.look("load a session").await.map(drop)
    }

    /// Notes that the session is used, and says whether it is loaded already.
    fn note_access(&self) -> bool {
        let mut state = self.state();
        state.accessed = true;
        !matches!(state.stored, Stored::Unknown)
    }

    /// Looks into the store and notes what lies there. Says whether there is a session.
    async fn look(&self, doing: &'static str) -> Result<bool, Error> {
        let identity = {
            let mut state = self.state();
            state.open(&self.shared);
            state.identity.clone()
        };
        let Some(identity) = identity else {
            self.state().absent(&self.shared);
            return Ok(false);
        };
        let now = self.shared.now();
        let loaded = self.shared.store.load(&identity.store_key(), now).await;
        let loaded = self.told("load", loaded, doing, |found| match found {
            Some(_) => "found",
            None => "absent",
        })?;
        match loaded {
            Some(loaded) => self.found(loaded),
            None => {
                self.state().absent(&self.shared);
                Ok(false)
            }
        }
    }

    /// Notes what was found, and says whether it is a session. What Django would not read either is none, and is left as it
    /// is under its key.
    fn found(&self, loaded: Loaded) -> Result<bool, Error> {
        let decoded = self.shared.mode.decode(&loaded.record.data);
        let mut state = self.state();
        let Payload { created, data } = match decoded {
            Err(error) if self.shared.mode.forgives() => {
                tracing::warn!(%error, "session data corrupted");
                state.absent(&self.shared);
                return Ok(false);
            }
            decoded => decoded?,
        };
        state.journal.bytes = Some(loaded.record.data.len());
        let expires_at = loaded.record.expires_at;
        state.stored(Row { version: loaded.version, data, created, expires_at });
        Ok(true)
    }

    /// Saves what was changed, and what `compute` changes on top of it.
    pub(super) async fn save(&self, compute: Option<&mut Compute<'_>>) -> Result<(), Error> {
        let signal = {
            let _gate = self.gate.lock().await;
            let (pending, rotate) = {
                let mut state = self.state();
                state.complete(&self.shared)?;
                state.saving = std::mem::take(&mut state.changes);
                (state.saving.clone(), std::mem::take(&mut state.rotate))
            };
            let saved = self.save_until_deadline(&pending, rotate, compute).await;
            let mut state = self.state();
            match saved {
                Ok(signal) => {
                    state.saving = Changes::default();
                    signal
                }
                Err(error) => {
                    state.not_saved(rotate);
                    return Err(error);
                }
            }
        };
        // Only now: a receiver may use the session.
        self.send(signal).await;
        Ok(())
    }

    async fn save_until_deadline(
        &self,
        pending: &Changes,
        rotate: bool,
        mut compute: Option<&mut Compute<'_>>,
    ) -> Result<Option<SignalKind>, Error> {
        let deadline = Instant::now() + self.shared.save_deadline;
        let mut turn = None;
        for round in 0.. {
            let mut changes = pending.clone();
            let before = self.before();
            if let Some(compute) = &mut compute {
                compute(&pending.apply(&before), &mut changes)?;
            }
            match self.attempt(changes.apply(&before), rotate).await? {
                Round::Done(signal) => return Ok(signal),
                Round::Taken => {}
                Round::Conflict => {
                    if turn.is_none() {
                        turn = Some(self.turn(deadline).await?);
                    }
                    self.look_again().await?;
                }
            }
            if Instant::now() >= deadline {
                break;
            }
            self.back_off(round).await?;
        }
        Err(contended())
    }

    /// Waits for this session's turn among the writers of this process, so that they do not keep meeting each other.
    /// Writers of other processes are met by compare-and-swap alone.
    async fn turn(&self, deadline: Instant) -> Result<MutexGuard<'_, ()>, Error> {
        let identity = self.state().identity.clone();
        let key = identity.map(|identity| identity.store_key());
        let turn = self.shared.turns.of(key.as_ref().map_or("", |key| key.expose()));
        timeout_at(deadline, turn.lock()).await.map_err(|_| contended())
    }

    /// What the store was last seen to hold.
    fn before(&self) -> Data {
        match &self.state().stored {
            Stored::Row(row) => row.data.clone(),
            Stored::Unknown | Stored::Absent => Data::default(),
        }
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

    async fn attempt(&self, data: Data, rotate: bool) -> Result<Round, Error> {
        let (identity, row) = {
            let state = self.state();
            let row = match &state.stored {
                Stored::Row(row) => Some(row.clone()),
                Stored::Unknown | Stored::Absent => None,
            };
            (state.identity.clone(), row)
        };
        match (identity, row) {
            (Some(identity), Some(row)) if rotate => self.rotate(&identity, &row, data).await,
            (Some(identity), Some(row)) => self.update(&identity, &row, data).await,
            // A session that never was and holds nothing is not worth a row.
            _ if data.is_empty() => Ok(Round::Done(None)),
            (identity, _) => self.create(identity, data, rotate).await,
        }
    }

    async fn update(&self, identity: &Identity, row: &Row, data: Data) -> Result<Round, Error> {
        let draft = self.draft(data, row.created, identity)?;
        let now = self.shared.now();
        let saved =
            self.shared.store.save(&identity.store_key(), &draft.record, &row.version, now).await;
        let saved = self.told("save", saved, "save a session", |saved| match saved {
            Saved::Stored(_) => "stored",
            Saved::Conflict => "conflict",
            Saved::Gone => "gone",
        })?;
        match saved {
            Saved::Stored(version) => {
                self.done(draft, version, None);
                Ok(Round::Done(None))
            }
            Saved::Conflict => Ok(Round::Conflict),
            Saved::Gone => Err(interrupted()),
        }
    }

    async fn rotate(&self, identity: &Identity, row: &Row, data: Data) -> Result<Round, Error> {
        self.head_must_be_open()?;
        let next = self.shared.mode.mint(Some(identity), &*self.shared.random)?;
        let draft = self.draft(data, row.created, &next)?;
        let (from, to) = (identity.store_key(), next.store_key());
        let now = self.shared.now();
        let rotation = Rotation {
            from: &from,
            to: &to,
            record: &draft.record,
            left: None,
            expected: &row.version,
        };
        let rotated = self.shared.store.rotate(&rotation, now).await;
        let rotated =
            self.told("rotate", rotated, "rotate a session's key", |rotated| match rotated {
                Rotated::Stored(_) => "stored",
                Rotated::Conflict => "conflict",
                Rotated::Gone => "gone",
                Rotated::Taken => "taken",
            })?;
        match rotated {
            Rotated::Stored(version) => {
                self.done(draft, version, Some(next));
                Ok(Round::Done(Some(SignalKind::Rotated)))
            }
            Rotated::Conflict => Ok(Round::Conflict),
            Rotated::Gone => Err(interrupted()),
            Rotated::Taken => Ok(Round::Taken),
        }
    }

    async fn create(
        &self,
        prior: Option<Identity>,
        data: Data,
        rotate: bool,
    ) -> Result<Round, Error> {
        let fresh = self.state().fresh;
        let (identity, ours) = match prior {
            Some(identity) if fresh => (identity, false),
            Some(identity) if self.shared.adopts && !rotate => (identity, true),
            // An unknown key is never taken on: not the stale one of a browser, and not one that ended.
            _ => (self.state().mint(&self.shared)?, false),
        };
        let now = self.shared.now();
        let draft = self.draft(data, Some(now), &identity)?;
        let created = self.shared.store.create(&identity.store_key(), &draft.record, now).await;
        let created =
            self.told("create", created, "create a session", |created| match created {
                Created::Stored(_) => "stored",
                Created::Taken => "taken",
            })?;
        match created {
            Created::Stored(version) => {
                self.done(draft, version, Some(identity));
                Ok(Round::Done(Some(SignalKind::Created)))
            }
            Created::Taken if ours => self.meet_or_part().await,
            Created::Taken => self.state().mint(&self.shared).map(|_| Round::Taken),
        }
    }

    /// The browser's own key is taken: by a request beside this one, whose session is then shared, or by a session that
    /// has ended, whose key is then given up.
    async fn meet_or_part(&self) -> Result<Round, Error> {
        if !self.look("load a session").await? {
            let mut state = self.state();
            state.identity = None;
            state.mint(&self.shared)?;
        }
        Ok(Round::Taken)
    }

    async fn look_again(&self) -> Result<(), Error> {
        if self.look("load a session again").await? { Ok(()) } else { Err(interrupted()) }
    }

    fn head_must_be_open(&self) -> Result<(), Error> {
        if self.state().head_sent {
            return Err(Error::new(ErrorKind::TooLate, "give a session its cookie"));
        }
        Ok(())
    }

    fn draft(
        &self,
        data: Data,
        created: Option<Timestamp>,
        identity: &Identity,
    ) -> Result<Draft, Error> {
        let now = self.shared.now();
        let payload = Payload { created, data };
        let bytes = self.shared.mode.encode(&payload, now)?;
        if bytes.len() > self.shared.max_bytes {
            let (has, most) = (bytes.len(), self.shared.max_bytes);
            return Err(Error::new(ErrorKind::TooLarge, "save a session")
                .because(format!("it has {has} bytes, {most} are allowed")));
        }
        let life = &self.shared.life;
        let date = Kept::of(&payload.data).date(life.idle, now);
        let record = Record {
            data: bytes,
            expires_at: date.min(life.end(created)),
            subject: identity.subject().or_else(|| subject_of(&payload.data)),
            user: user_of(&payload.data).map(Arc::from),
        };
        Ok(Draft { created, data: payload.data, record })
    }

    /// Notes what was stored, and under which new identity.
    fn done(&self, draft: Draft, version: Version, identity: Option<Identity>) {
        let Draft { created, data, record } = draft;
        let mut state = self.state();
        if let Some(identity) = identity {
            state.identity = Some(identity);
        }
        state.fresh = false;
        state.journal.bytes = Some(record.data.len());
        state.journal.saved = true;
        if !state.head_sent {
            state.due = Due::Cookie;
        }
        state.saving = Changes::default();
        state.stored(Row { version, data, created, expires_at: record.expires_at });
    }

    /// Notes that a session that was only read is in use, at most once in an interval.
    pub(super) async fn touch(&self) -> Result<(), Error> {
        let _gate = self.gate.lock().await;
        let Some((identity, expires_at)) = self.stale() else { return Ok(()) };
        let now = self.shared.now();
        let met = self.shared.store.touch(&identity.store_key(), expires_at, now).await;
        let met = self.told("touch", met, "touch a session", told_met)?;
        if met == Met::Live {
            let mut state = self.state();
            state.due = Due::Cookie;
            if let Stored::Row(row) = &mut state.stored {
                row.expires_at = expires_at;
            }
        }
        Ok(())
    }

    /// The session, if its end lies an interval before where it would lie if it were used now; and that new end.
    pub(super) fn stale(&self) -> Option<(Identity, Timestamp)> {
        let state = self.state();
        let Stored::Row(row) = &state.stored else { return None };
        let life = &self.shared.life;
        if self.shared.mode.is_django() {
            return None;
        }
        if !matches!(Kept::of(&state.current), Kept::Unset | Kept::BrowserClose) {
            return None;
        }
        let end = crate::expiry::later(self.shared.now(), life.idle).min(life.end(row.created));
        let due = end.duration_since(row.expires_at) >= life.touch_interval;
        due.then(|| state.identity.clone().map(|identity| (identity, end))).flatten()
    }

    /// Ends the session in the store and forgets it.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        let signal = {
            let _gate = self.gate.lock().await;
            let (identity, signal) = {
                let mut state = self.state();
                state.accessed = true;
                state.open(&self.shared);
                (state.identity.clone(), self.signal_of(&mut state, SignalKind::Flushed))
            };
            let mut met = Met::Gone;
            if let Some(identity) = identity {
                let now = self.shared.now();
                let deleted = self.shared.store.delete(&identity.store_key(), now).await;
                met = self.told("delete", deleted, "delete a session", told_met)?;
            }
            self.state().forget();
            (met == Met::Live).then_some(signal)
        };
        if let Some(signal) = signal {
            self.shared.signals.send(signal).await;
        }
        Ok(())
    }

    async fn send(&self, kind: Option<SignalKind>) {
        let Some(kind) = kind else { return };
        let signal = self.signal_of(&mut self.state(), kind);
        self.shared.signals.send(signal).await;
    }

    /// Enters a call of the store into the journal, and makes its trouble ours.
    fn told<T>(
        &self,
        call: &'static str,
        outcome: Result<T, StoreError>,
        doing: &'static str,
        name: impl Fn(&T) -> &'static str,
    ) -> Result<T, Error> {
        let told = outcome.as_ref().map_or("failed", name);
        self.state().journal.called(call, told);
        outcome.map_err(|error| Error::from_store(doing, error))
    }
}

fn told_met(met: &Met) -> &'static str {
    match met {
        Met::Live => "live",
        Met::Gone => "gone",
    }
}

fn contended() -> Error {
    Error::new(ErrorKind::Contended, "save a session")
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "save a session")
}
