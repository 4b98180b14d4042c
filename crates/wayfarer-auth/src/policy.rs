//! What an application decides about log-ins: how credentials are noted, what an anonymous session hands over, and how many
//! sessions a user may have at once.

use std::{fmt, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use wayfarer_session::{BoxError, Error, Raw, Session, Subject};

use crate::hash::Hashing;

/// What becomes of the data of an anonymous session when somebody logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnonymousData {
    /// They stay, and with them the subject. So does Django.
    #[default]
    Stays,
    /// The user begins with nothing, under a new subject. [`HandOver`] may bring over what it chooses.
    Goes,
}

/// What is done when a user who logs in has as many sessions as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLimit {
    /// The session that was used longest ago is ended.
    EndOldest,
    /// The log-in is refused, with [`AuthError::TooManySessions`](crate::AuthError::TooManySessions).
    Refuse,
}

/// How many sessions a user may have at once.
///
/// Two log-ins in the same instant may not see each other; the next one sets it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimit {
    /// So many.
    pub most: NonZeroU32,
    /// What is done when there would be more.
    pub at_limit: AtLimit,
}

/// The anonymous session that somebody had before logging in.
pub struct Anonymous {
    pub(crate) subject: Option<Subject>,
    pub(crate) values: Vec<(String, Raw)>,
}

impl Anonymous {
    /// Its subject: the visitor, as the events before the log-in know it.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }

    /// The value that it held under `key`.
    ///
    /// # Errors
    /// When it is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let found = self.values.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.read()).transpose()
    }

    /// The keys that it held, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| name.as_str())
    }
}

/// Shows how much there is, never what.
impl fmt::Debug for Anonymous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anonymous")
            .field("subject", &self.subject)
            .field("values", &self.values.len())
            .finish()
    }
}

/// Hands over what an anonymous visitor did to the user who logs in: the cart, for one.
///
/// It runs when the session is already the user's, under its new key and before it is saved; what it changes in `session` is
/// saved with the log-in. It is not asked where another user was logged in: nothing of one user goes to another.
#[async_trait]
pub trait HandOver<U>: Send + Sync + 'static {
    /// Merges `before` into `session`, or into what the application keeps of `user`.
    ///
    /// # Errors
    /// Whatever went wrong. The log-in then fails: whatever is answered, nobody is logged in, and the anonymous session is as
    /// it was. Only a session that was stored here, by `save` or `modify`, is ended instead, and with it
    /// [`AnonymousData::Stays`] loses what it held.
    async fn hand_over(
        &self,
        before: &Anonymous,
        session: &Session,
        user: &U,
    ) -> Result<(), BoxError>;
}

#[async_trait]
impl<U: Sync, H: HandOver<U> + ?Sized> HandOver<U> for Arc<H> {
    async fn hand_over(
        &self,
        before: &Anonymous,
        session: &Session,
        user: &U,
    ) -> Result<(), BoxError> {
        (**self).hand_over(before, session, user).await
    }
}

/// All that an application decided.
pub(crate) struct Policy<U> {
    pub(crate) hashing: Hashing,
    pub(crate) anonymous: AnonymousData,
    pub(crate) hand_over: Option<Arc<dyn HandOver<U>>>,
    pub(crate) limit: Option<SessionLimit>,
}

impl<U> Default for Policy<U> {
    fn default() -> Policy<U> {
        Policy {
            hashing: Hashing::Native,
            anonymous: AnonymousData::Stays,
            hand_over: None,
            limit: None,
        }
    }
}

impl<U> Clone for Policy<U> {
    fn clone(&self) -> Policy<U> {
        Policy {
            hashing: self.hashing.clone(),
            anonymous: self.anonymous,
            hand_over: self.hand_over.clone(),
            limit: self.limit,
        }
    }
}
