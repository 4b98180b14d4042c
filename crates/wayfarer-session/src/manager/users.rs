//! The sessions of a user: listed, and ended from outside.
//!
//! Sessions that lie in their cookies nobody can list. They are ended by an instant, which [`Epochs`](crate::Epochs) keep.
//!
//! A session that rotates its key while it is being ended is met again under its new one: the list is asked until nothing of
//! what is to be ended is left, twice in a row, since a store that reads first the keys and then what lies under them does
//! not show a session that rotates in between. A session that begins after the call is not touched.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::SessionManager;
#[cfg(feature = "cookies")]
use crate::history::Whose;
use crate::{
    data::Data,
    device,
    error::{Error, ErrorKind},
    expiry::{self, Kept},
    key::{Handle, Subject},
    native::{About, Payload},
    signal::{Signal, SignalKind},
    store::{Listed, Met},
};

/// More live sessions of one user than this are not listed; all of them are ended all the same.
const MOST: u32 = 1000;

/// So often a session may slip away under a new key before we give up and say so.
const ROUNDS: u32 = 32;

/// Why a session was ended, as signals and history tell it.
const ONE: &str = "it was ended by its name";
const OTHERS: &str = "all other sessions of the user were ended";
const ALL: &str = "all sessions of the user were ended";
const BEFORE: &str = "all sessions of the user from before an instant were ended";

/// A live session of a user, as it may be shown to that user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its public name, by which it can be ended.
    pub handle: Handle,
    /// Its internal id.
    pub subject: Subject,
    /// Browser and system, where [`Session::note_device`](crate::Session::note_device) noted them.
    pub device: Option<String>,
    /// When it began.
    pub created: Option<Timestamp>,
    /// When it was last saved or touched, to the touch interval; `None` where its end does not tell.
    pub last_used: Option<Timestamp>,
    /// When it runs out if it is not used.
    pub expires_at: Timestamp,
}

impl SessionManager {
    /// The live sessions of a user, those that run out last first; at most 1000.
    ///
    /// # Errors
    /// When the store cannot list sessions ([`ErrorKind::Unsupported`]) or is in trouble.
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<SessionInfo>, Error> {
        let listed = self.list(user).await?;
        Ok(listed.iter().filter_map(|listed| self.info(listed)).collect())
    }

    /// Ends the session of this user that has this name, and says whether there was one.
    ///
    /// # Errors
    /// When the store cannot list sessions, or is in trouble. The session may then still be live.
    pub async fn revoke(&self, user: &str, handle: &Handle) -> Result<bool, Error> {
        self.revoke_because(user, handle, ONE).await
    }

    /// As [`revoke`](Self::revoke), with a reason: it stands in the signal, and so in the history.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_because(
        &self,
        user: &str,
        handle: &Handle,
        reason: &str,
    ) -> Result<bool, Error> {
        let wanted = |_: &Listed, subject: &Subject| Handle::of(subject) == *handle;
        Ok(self.revoke_where(user, reason, wanted).await? > 0)
    }

    /// Ends every session of this user, save the one of `keep`: "log me out everywhere else".
    ///
    /// # Errors
    /// When the store cannot list sessions, or is in trouble. Some sessions may then still be live.
    pub async fn revoke_all(&self, user: &str, keep: Option<Subject>) -> Result<u64, Error> {
        let reason = if keep.is_some() { OTHERS } else { ALL };
        self.revoke_where(user, reason, |_, subject| Some(*subject) != keep).await
    }

    /// Ends every session of this user that began before `instant`, and those that do not tell when they began, and says how
    /// many.
    ///
    /// Of sessions in cookies, those end that got their key before `instant`; nobody can count them, which is `None`.
    /// What begins after the call is not touched, also where `instant` lies in the future.
    ///
    /// # Errors
    /// When the store cannot list sessions, when there are no [`Epochs`](crate::Epochs) for those in cookies, or when store or
    /// epochs are in trouble. Some sessions may then still be live.
    pub async fn revoke_before(
        &self,
        user: &str,
        instant: Timestamp,
    ) -> Result<Option<u64>, Error> {
        #[cfg(feature = "cookies")]
        if self.is_in_cookies() {
            return self.note_epoch(user, instant).await.map(|()| None);
        }
        let before = |listed: &Listed| self.created(listed).is_none_or(|created| created < instant);
        self.revoke_where(user, BEFORE, |listed, _| before(listed)).await.map(Some)
    }

    #[cfg(feature = "cookies")]
    async fn note_epoch(&self, user: &str, instant: Timestamp) -> Result<(), Error> {
        const DOING: &str = "end the sessions of a user";
        let Some(epochs) = self.0.mode.epochs() else {
            let why = "sessions in cookies end by epochs alone: call with_epochs";
            return Err(Error::new(ErrorKind::Unsupported, DOING).because(why));
        };
        let (whose, instant) = (Whose::User(user.to_owned()), instant.min(self.0.now()));
        let noted = epochs.end_before(&whose, instant, self.0.forget_at()).await;
        noted.map_err(|why| Error::new(ErrorKind::Unavailable, DOING).because(why))?;
        let signal = Signal::new(SignalKind::Revoked, self.0.now()).with_user(user);
        self.tell_revoked(signal.with_detail("reason", BEFORE), None).await;
        Ok(())
    }

    async fn revoke_where(
        &self,
        user: &str,
        reason: &str,
        wanted: impl Fn(&Listed, &Subject) -> bool,
    ) -> Result<u64, Error> {
        let start = self.0.now();
        let mut ended = BTreeSet::new();
        let mut was_empty = false;
        for _ in 0..ROUNDS {
            let mut left = self.list(user).await?;
            left.retain(|listed| {
                let began_later = self.created(listed).is_some_and(|created| created > start);
                let subject = listed.loaded.record.subject.as_ref();
                !began_later && subject.is_some_and(|subject| wanted(listed, subject))
            });
            let is_empty = left.is_empty();
            if is_empty && was_empty {
                return Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX));
            }
            was_empty = is_empty;
            for listed in left {
                let subject = listed.loaded.record.subject;
                // One that was given a new key meanwhile is met again under it, and told of once.
                if self.end(&listed).await? && ended.insert(subject) {
                    let signal = Signal::new(SignalKind::Revoked, self.0.now()).with_user(user);
                    self.tell_revoked(signal.with_detail("reason", reason), subject).await;
                }
            }
        }
        Err(Error::new(ErrorKind::Contended, "end the sessions of a user"))
    }

    pub(super) async fn end(&self, listed: &Listed) -> Result<bool, Error> {
        let met = self.0.store.delete(&listed.key, self.0.now()).await;
        let met = met.map_err(|error| Error::from_store("end a session", error))?;
        Ok(met == Met::Live)
    }

    /// Sends the signal of a session that was ended, with its subject if it has one.
    pub(super) async fn tell_revoked(&self, signal: Signal, subject: Option<Subject>) {
        let signal = match subject {
            Some(subject) => signal.with_subject(subject),
            None => signal,
        };
        self.0.signals.send(signal).await;
    }

    async fn list(&self, user: &str) -> Result<Vec<Listed>, Error> {
        const DOING: &str = "list the sessions of a user";
        if !self.0.store.capabilities().enumerate {
            return Err(Error::new(ErrorKind::Unsupported, DOING));
        }
        let listed = self.0.store.list(user, MOST, self.0.now()).await;
        listed.map_err(|error| Error::from_store(DOING, error))
    }

    fn created(&self, listed: &Listed) -> Option<Timestamp> {
        self.read(listed)?.0.created
    }

    /// `None` for what is no session: the trace of a rotation, or what cannot be read.
    pub(super) fn read(&self, listed: &Listed) -> Option<(About, Data)> {
        match self.0.mode.decode(&listed.loaded.record.data) {
            Ok(Payload::Session(about, data)) => Some((about, data)),
            Ok(Payload::Moved(_) | Payload::Ended) | Err(_) => None,
        }
    }

    /// `None` for a session without a subject, which no list can name.
    fn info(&self, listed: &Listed) -> Option<SessionInfo> {
        let record = &listed.loaded.record;
        let subject = record.subject?;
        let (about, data) = self.read(listed).unzip();
        let entry = |name: &str| data.as_ref().and_then(|data| data.get(name));
        let kept = data.as_ref().map(|_| Kept::of(entry(expiry::ENTRY).as_ref()));
        let slides = matches!(kept, Some(Kept::Unset | Kept::BrowserClose));
        let last_used = expiry::later(record.expires_at, -self.0.life.idle);
        Some(SessionInfo {
            handle: Handle::of(&subject),
            subject,
            device: entry(device::ENTRY).and_then(|raw| raw.read().ok()),
            created: about.and_then(|about| about.created),
            last_used: slides.then_some(last_used),
            expires_at: record.expires_at,
        })
    }
}
