//! The session of a request: [`Session`], what a handler works with.
//!
//! Nothing is verified or loaded until the session is used (`load`). Changes are kept per key, shown at once, and merged into
//! whatever lies in the store when they are saved (`save`). [`Session::finish`] is the end of a request (`finish`).

mod ask;
mod attempt;
#[cfg(feature = "cookies")]
mod carry;
mod finish;
mod flush;
mod inner;
mod load;
mod save;
mod state;
mod test_cookie;

use std::{any::Any, fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

pub use self::attempt::Attempt;
pub use self::finish::{CookieChange, Finished, Outcome};
pub(crate) use self::state::{subject_of, user_of};
use self::{
    inner::Inner,
    state::{NewKey, Stored},
};
use crate::{
    device,
    error::Error,
    expiry::{self, Expiry, Kept},
    journal::Journal,
    key::{Handle, Subject},
    manager::{SessionManager, Shared},
    raw::Raw,
    signal::{Signal, SignalBus, SignalKind},
};

/// A session. A cheap handle: all clones of it share one state.
///
/// It behaves as a map from text to JSON values. The first use loads it; the session layer saves it, once, after the
/// handler and before the response head goes out, unless the response is a 5xx.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, cookie: Option<&str>) -> Session {
        Session(Arc::new(Inner::new(shared, cookie)))
    }

    /// The value under `key`, or `None`.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the value is not a `T`.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.get_raw(key).await?.map(|raw| raw.read()).transpose()
    }

    /// The value under `key` as its JSON text, or `None`.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn get_raw(&self, key: &str) -> Result<Option<Raw>, Error> {
        self.0.load().await?;
        let mut state = self.0.state();
        state.journal.note_read(key);
        Ok(state.get(key))
    }

    /// Sets the value under `key`.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the value cannot be written as JSON.
    pub async fn insert<T: Serialize>(&self, key: &str, value: T) -> Result<(), Error> {
        let raw = Raw::new(&value)?;
        self.insert_raw(key, raw).await
    }

    /// Sets the value under `key` to this JSON text.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn insert_raw(&self, key: &str, value: Raw) -> Result<(), Error> {
        self.0.load().await?;
        self.0.state().set(key, value);
        Ok(())
    }

    /// The value under `key`; if there is none, `value` is set and given.
    ///
    /// # Errors
    /// When the session cannot be loaded, the value is not a `T`, or it cannot be written as JSON.
    pub async fn set_default<T>(&self, key: &str, value: T) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
    {
        if let Some(known) = self.get(key).await? {
            return Ok(known);
        }
        self.insert(key, &value).await?;
        Ok(value)
    }

    /// Sets all of these values.
    ///
    /// # Errors
    /// When the session cannot be loaded, or a value cannot be written as JSON; nothing is then set.
    pub async fn update<K, T>(&self, values: impl IntoIterator<Item = (K, T)>) -> Result<(), Error>
    where
        K: AsRef<str>,
        T: Serialize,
    {
        let raws = values.into_iter().map(|(key, value)| Ok((key, Raw::new(&value)?)));
        let raws = raws.collect::<Result<Vec<_>, Error>>()?;
        self.0.load().await?;
        let mut state = self.0.state();
        for (key, raw) in raws {
            state.set(key.as_ref(), raw);
        }
        Ok(())
    }

    /// Removes the value under `key`, and says whether there was one.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn remove(&self, key: &str) -> Result<bool, Error> {
        self.0.load().await?;
        Ok(self.0.state().remove(key))
    }

    /// Removes and gives the value under `key`.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the value is not a `T`; it then stays.
    pub async fn pop<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let value = self.get(key).await?;
        self.0.state().remove(key);
        Ok(value)
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn contains(&self, key: &str) -> Result<bool, Error> {
        Ok(self.get_raw(key).await?.is_some())
    }

    /// The keys that have a value, in order.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn keys(&self) -> Result<Vec<String>, Error> {
        self.0.load().await?;
        Ok(self.0.state().view().names())
    }

    /// The keys with their values as JSON text, in order.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn items(&self) -> Result<Vec<(String, Raw)>, Error> {
        self.0.load().await?;
        Ok(self.0.state().view().items())
    }

    /// The values as JSON text, in the order of their keys.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn values(&self) -> Result<Vec<Raw>, Error> {
        Ok(self.items().await?.into_iter().map(|(_, value)| value).collect())
    }

    /// Whether there is neither a stored session nor a value.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        self.0.load().await?;
        let state = self.0.state();
        Ok(state.row().is_none() && state.view().is_empty())
    }

    /// Removes every value. The session itself stays.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn clear(&self) -> Result<(), Error> {
        self.0.load().await?;
        self.0.state().clear();
        Ok(())
    }

    /// Ends the session: data, key and subject. Takes effect at once, whatever the response will be. What is set afterwards
    /// goes into a new session.
    ///
    /// # Errors
    /// When the store cannot be reached. The session is then still there.
    pub async fn flush(&self) -> Result<(), Error> {
        self.0.flush().await
    }

    /// Gives the session a new key when it is saved; data and subject stay. The old key is then dead, without grace.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn cycle_key(&self) -> Result<(), Error> {
        self.0.load().await?;
        let mut state = self.0.state();
        state.new_key = Some(NewKey::AtOnce);
        state.modified = true;
        Ok(())
    }

    /// Sets when this session runs out.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn set_expiry(&self, expiry: Expiry) -> Result<(), Error> {
        let raw = expiry.to_raw()?;
        self.0.load().await?;
        let mut state = self.0.state();
        match raw {
            Some(raw) => state.set(expiry::ENTRY, raw),
            None => drop(state.remove(expiry::ENTRY)),
        }
        Ok(())
    }

    /// When this session runs out, as it was set.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn expiry(&self) -> Result<Expiry, Error> {
        self.kept().await.map(Expiry::from_kept)
    }

    /// How long this session lives if it is saved now.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn expiry_age(&self) -> Result<SignedDuration, Error> {
        let shared = &self.0.shared;
        Ok(self.kept().await?.age(shared.life.idle, shared.now()))
    }

    /// When this session runs out if it is saved now.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn expiry_date(&self) -> Result<Timestamp, Error> {
        let shared = &self.0.shared;
        Ok(self.kept().await?.date(shared.life.idle, shared.now()))
    }

    /// Whether the browser forgets this session when it is closed.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn expires_at_browser_close(&self) -> Result<bool, Error> {
        self.kept().await.map(Kept::browser_close)
    }

    async fn kept(&self) -> Result<Kept, Error> {
        self.0.load().await?;
        Ok(self.0.state().kept())
    }

    /// Changes the value under `key`, atomically against other requests, and gives the new one.
    ///
    /// A session that lies in its cookie has nobody to compare with: there the later response wins.
    ///
    /// `f` sees the value as it is in the store with this request's changes, and may run several times. What this request
    /// changed so far is stored along with it when this returns, whatever the response will be.
    ///
    /// # Errors
    /// When the store cannot be reached, the value is not a `T`, the session is gone, or others keep changing it.
    pub async fn modify<T, F>(&self, key: &str, mut f: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnMut(Option<T>) -> T + Send,
    {
        self.0.load().await?;
        let mut latest = None;
        let mut compute = |before: &crate::data::Data, changes: &mut crate::data::Changes| {
            let value = f(before.get(key).as_ref().map(Raw::read).transpose()?);
            changes.set(key, Raw::new(&value)?);
            latest = Some(value);
            Ok(())
        };
        self.0.save(Some(&mut compute)).await?;
        let mut state = self.0.state();
        state.journal.note_written(key);
        state.modified = true;
        latest.ok_or_else(|| Error::new(crate::ErrorKind::Contended, "modify a session value"))
    }

    /// Saves now instead of at the end of the request. For responses that go on after their head is out.
    ///
    /// # Errors
    /// When the store cannot be reached, the session is gone, others keep changing it, or it would need a cookie after the
    /// response head is out.
    pub async fn save(&self) -> Result<(), Error> {
        self.0.load().await?;
        self.0.save(None).await
    }

    /// The session's internal id, from its verified cookie or an early ticket. Never calls the store.
    ///
    /// A visitor who has none gets one here if there are early subjects, or if something was set, which needs one anyway.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.0.state().subject(&self.0.shared).unwrap_or_else(|error| {
            tracing::error!(%error, "a visitor gets no subject");
            None
        })
    }

    /// The session's public name. Never calls the store.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        self.subject().as_ref().map(Handle::of)
    }

    /// The account noted by a log-in, if the session has been loaded. Never calls the store.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.0.state().user()
    }

    /// Whether the session has been used in this request.
    #[must_use]
    pub fn accessed(&self) -> bool {
        self.0.state().accessed
    }

    /// Whether the session has been changed in this request.
    #[must_use]
    pub fn modified(&self) -> bool {
        self.0.state().modified
    }

    /// Puts something into the session's slot for its type, for this request only.
    pub fn put_extension<T: Any + Clone + Send + Sync>(&self, value: T) {
        self.0.put(value);
    }

    /// What lies in the slot for this type.
    #[must_use]
    pub fn extension<T: Any + Clone + Send + Sync>(&self) -> Option<T> {
        self.0.slot()
    }

    /// What the session did in this request, so far. After the response the same handle tells the rest.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.0.state().journal.journal()
    }

    /// Notes the device of this `User-Agent`, by which a person recognises the session in a list: the families of browser and
    /// system, and nothing else of it. A `User-Agent` that is not known changes nothing.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn note_device(&self, user_agent: &str) -> Result<(), Error> {
        match device::device(user_agent) {
            Some(device) => self.insert(device::ENTRY, device).await,
            None => Ok(()),
        }
    }

    /// What opened this session: for the other sessions of its user.
    #[must_use]
    pub fn manager(&self) -> SessionManager {
        SessionManager(Arc::clone(&self.0.shared))
    }

    /// The bus that this session's signals go to.
    #[must_use]
    pub fn signals(&self) -> &SignalBus {
        &self.0.shared.signals
    }

    /// A signal of this session: with its subject, its handle, its user, the time and the request's context.
    #[must_use]
    pub fn signal(&self, kind: SignalKind) -> Signal {
        // A session that is about to be stored has its subject from here on.
        let _ = self.subject();
        self.0.signal_of(&mut self.0.state(), kind)
    }
}

/// Shows how far the session has got, and nothing of what it holds.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("Session")
            .field("accessed", &state.accessed)
            .field("modified", &state.modified)
            .field("stored", &matches!(state.stored, Stored::Row(_)))
            .finish_non_exhaustive()
    }
}
