//! Why a command ends without success: one sentence from the catalogue of messages, and the exit status.
//!
//! Lower crates say what happened by kind; here is the one place that turns a kind into words for people. What only a
//! lower crate can know (which byte, which column) stands in the sentence as `{ $reason }`, in English.

use std::{error::Error as StdError, io, net::SocketAddr, path::Path};

use wayfarer_embedded::{ErrorKind, OpenError};
use wayfarer_server::{
    ServeError,
    config::ConfigError,
    local::FolderError,
    messages::{Catalogue, Variable},
};

/// A command that failed (status 1) or was asked wrongly (status 2).
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    key: &'static str,
    variables: Vec<(&'static str, Variable)>,
}

impl Failure {
    /// A failure that the message `key` explains.
    pub(crate) fn new(key: &'static str) -> Failure {
        Failure { status: 1, key, variables: Vec::new() }
    }

    /// The same, with a variable of the message.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Variable>) -> Failure {
        self.variables.push((name, value.into()));
        self
    }

    /// The same, with a path.
    pub(crate) fn path(self, path: &Path) -> Failure {
        self.with("path", path.display().to_string())
    }

    /// The same, with an error and all its causes as the reason.
    pub(crate) fn because(self, error: &dyn StdError) -> Failure {
        self.with("reason", chain(error))
    }

    /// The same, as wrong usage.
    pub(crate) fn usage(self) -> Failure {
        Failure { status: 2, ..self }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        self.status
    }

    /// The sentence.
    pub(crate) fn say(&self, words: &Catalogue) -> String {
        words.with(self.key, &self.variables)
    }
}

/// An error with its causes, as one sentence. A cause whose words stand in it already is not said twice.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Failure {
        let wrong_usage = error.is_wrong_usage();
        let failure = match error {
            FolderError::Open(error) => error.into(),
            FolderError::Here(error) => error.into(),
            FolderError::There { message, .. } => {
                Failure::new("cli-failed").with("reason", message)
            }
            FolderError::Unreachable { folder, source } => {
                Failure::new("cli-folder-unreachable").with("path", folder).because(&source)
            }
            FolderError::Missing { folder } => {
                Failure::new("cli-folder-missing").with("path", folder)
            }
            other => Failure::new("cli-failed").because(&other),
        };
        if wrong_usage { failure.usage() } else { failure }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        match error {
            OpenError::Held { folder, process } => Failure::new("cli-folder-held")
                .path(&folder)
                .with("process", process.map_or("?".to_owned(), |id| id.to_string())),
            OpenError::NotOurs { folder } => Failure::new("cli-folder-not-ours").path(&folder),
            OpenError::Io { path, source, .. } if is_full(&source) => {
                Failure::new("cli-disk-full").path(&path)
            }
            OpenError::Io { path, source, .. } => {
                Failure::new("cli-folder-unusable").path(&path).because(&source)
            }
            OpenError::Newer { path, found, known, .. } => Failure::new("cli-folder-newer")
                .path(&path)
                .with("found", found.to_string())
                .with("known", known.to_string()),
            OpenError::Lake(error) => lake(&error),
            other => Failure::new("cli-failed").because(&other),
        }
    }
}

fn lake(error: &wayfarer_lake::Error) -> Failure {
    let key = match error.kind() {
        wayfarer_lake::ErrorKind::StorageFull => "cli-storage-full",
        wayfarer_lake::ErrorKind::NewerVersion => "cli-newer",
        wayfarer_lake::ErrorKind::Corrupt => "cli-corrupt",
        _ => "cli-failed",
    };
    Failure::new(key).because(error)
}

impl From<wayfarer_embedded::Error> for Failure {
    fn from(error: wayfarer_embedded::Error) -> Failure {
        let key = match error.kind() {
            ErrorKind::StorageFull => "cli-storage-full",
            ErrorKind::Newer => "cli-newer",
            ErrorKind::Corrupt => "cli-corrupt",
            ErrorKind::Busy => "cli-busy",
            _ => "cli-failed",
        };
        Failure::new(key).because(&error)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        match error {
            ServeError::NotLoopback(address) => not_loopback(address),
            other => Failure::new("cli-failed").because(&other),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        let failure = Failure::new("cli-failed").because(&error);
        if matches!(error, ConfigError::Read { .. }) { failure } else { failure.usage() }
    }
}

/// What goes wrong in the demo's own parts.
#[cfg(feature = "demo")]
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new("cli-failed").with("reason", format!("{error:#}"))
    }
}

/// Standard output that does not take what is written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new("cli-output").because(&error)
    }
}

/// An address that others can reach, where nobody has to log in yet.
pub(crate) fn not_loopback(address: SocketAddr) -> Failure {
    Failure::new("cli-not-loopback").with("address", address.to_string())
}

/// A file that cannot be written.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let key = if is_full(error) { "cli-disk-full" } else { "cli-write" };
    Failure::new(key).path(path).because(error)
}

/// A file that cannot be read.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::new("cli-read").path(path).because(error)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
