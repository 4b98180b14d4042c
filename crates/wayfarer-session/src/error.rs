//! The one error of sessions: a stable kind, what was being done, and the source.

use std::{error::Error as StdError, fmt};

use crate::store::{StoreError, StoreErrorKind};

/// A boxed error that may cross threads.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What kind of thing went wrong. Decide by this, never by text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot be reached, or refused the call. Trying again later may help.
    Unavailable,
    /// The session was deleted or ran out while this request worked on it. Its changes are not saved.
    Interrupted,
    /// Other requests kept changing the session until the deadline. This request's changes are not saved.
    Contended,
    /// What lies in the store cannot be read: damaged, or written by something newer. It is left as it is.
    Unreadable,
    /// A value in the session is not of the type asked for.
    WrongType,
    /// A value cannot be written as JSON.
    Unwritable,
    /// The session is larger than it may be.
    TooLarge,
    /// The response head is out already, so a cookie can no longer be sent.
    TooLate,
    /// The store does not promise what this needs.
    Unsupported,
    /// No randomness was to be had.
    Random,
    /// The set-up is wrong. The text says what to change.
    Config,
}

/// An error of the session layer: what was being done, what kind of error, and why.
///
/// Neither its text nor its `Debug` ever holds a session key.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    doing: &'static str,
    source: Option<BoxError>,
}

impl Error {
    /// An error of `kind` that happened while `doing` something: a verb phrase such as `"load a session"`.
    #[must_use]
    pub fn new(kind: ErrorKind, doing: &'static str) -> Error {
        Error { kind, doing, source: None }
    }

    /// The same error, with its source.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// A store's trouble while `doing` something.
    pub(crate) fn from_store(doing: &'static str, error: StoreError) -> Error {
        let kind = match error.kind() {
            StoreErrorKind::Unavailable => ErrorKind::Unavailable,
            StoreErrorKind::Unreadable => ErrorKind::Unreadable,
            StoreErrorKind::TooLarge => ErrorKind::TooLarge,
        };
        Error::new(kind, doing).because(error)
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.kind {
            ErrorKind::Unavailable => "the session store is not available",
            ErrorKind::Interrupted => "the session ended while the request worked on it",
            ErrorKind::Contended => "other requests kept changing the session",
            ErrorKind::Unreadable => "the stored session cannot be read",
            ErrorKind::WrongType => "a session value is not of the type asked for",
            ErrorKind::Unwritable => "a session value cannot be written as JSON",
            ErrorKind::TooLarge => "the session is larger than it may be",
            ErrorKind::TooLate => "the response has already begun, no cookie can be sent",
            ErrorKind::Unsupported => "the session store does not promise what this needs",
            ErrorKind::Random => "no randomness is to be had",
            ErrorKind::Config => "the session set-up is wrong",
        };
        write!(f, "cannot {}: {problem}", self.doing)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
