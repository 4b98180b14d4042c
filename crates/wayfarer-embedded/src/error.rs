//! What can go wrong: [`OpenError`] before there is a [`Wayfarer`](crate::Wayfarer), [`Error`] afterwards.

use std::{fmt, io, path::PathBuf};

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process holds the folder. A server takes commands through the socket in the folder.
    #[error("the data folder {} is held by {}", folder.display(), by(*process))]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The number of the process, as far as it wrote it down.
        process: Option<u32>,
    },
    /// The folder holds something, but no lake of Wayfarer.
    #[error(
        "{} is not empty and no data folder of wayfarer: name another with --data",
        folder.display()
    )]
    NotOurs {
        /// The folder.
        folder: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A newer wayfarer wrote it.
    #[error(
        "the {what} {} has version {found}, this wayfarer reads up to {known}: use a newer one",
        path.display()
    )]
    Newer {
        /// What kind of thing.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version that this build reads.
        known: usize,
    },
    /// A time zone that was known when the site was made is not known here.
    #[error("the time zone `{zone}` of site `{site}` is not known on this machine")]
    Zone {
        /// The site.
        site: String,
        /// Its zone.
        zone: String,
    },
    /// Something does not hold what it must.
    #[error("{what} is damaged: restore the folder from a backup")]
    Damaged {
        /// What.
        what: &'static str,
    },
    /// The system has no random bytes for the salts.
    #[error("no random bytes are to be had")]
    Random(#[from] wayfarer_session::Error),
    /// The control store cannot be read or written.
    #[error("cannot open the control store")]
    Control(#[from] sqlx::Error),
    /// The lake cannot be opened.
    #[error("cannot open the lake")]
    Lake(#[from] wayfarer_lake::Error),
    /// Preparing what the loop rests on failed.
    #[error("cannot start the loop")]
    Loop(#[from] Error),
}

fn by(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

/// What kind of failure an [`Error`] is: what a caller may decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no site of this name.
    UnknownSite,
    /// What was asked cannot be done as it was asked; the message says why, and may be shown to whoever asked.
    Invalid,
    /// A file to import cannot be read.
    Input,
    /// Too much at once; the same may be tried again.
    Busy,
    /// The disk is full.
    StorageFull,
    /// The disk or the database cannot be used now.
    Unavailable,
    /// A newer wayfarer wrote what is to be read.
    Newer,
    /// Stored data are damaged.
    Corrupt,
    /// The folder was closed.
    Closed,
    /// The caller gave up.
    Cancelled,
    /// A fault of Wayfarer itself.
    Internal,
}

/// Why something could not be done: kind, context and source.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Error {
        Error { kind, context: context.into(), source: None }
    }

    pub(crate) fn with(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error { source: Some(source.into()), ..self }
    }

    pub(crate) fn unknown_site(site: &str) -> Error {
        Error::new(
            ErrorKind::UnknownSite,
            format!("there is no site `{site}`: make it with `wayfarer admin site add`"),
        )
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Error {
        Error::new(ErrorKind::Unavailable, "the control store cannot be used").with(source)
    }
}

impl From<wayfarer_lake::Error> for Error {
    fn from(source: wayfarer_lake::Error) -> Error {
        use wayfarer_lake::ErrorKind as Lake;
        let kind = match source.kind() {
            Lake::Busy => ErrorKind::Busy,
            Lake::StorageFull => ErrorKind::StorageFull,
            Lake::Corrupt => ErrorKind::Corrupt,
            Lake::TooLarge => ErrorKind::Invalid,
            Lake::NewerVersion => ErrorKind::Newer,
            Lake::Closed => ErrorKind::Closed,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, "the lake cannot be used").with(source)
    }
}

impl From<wayfarer_analysis::Error> for Error {
    fn from(source: wayfarer_analysis::Error) -> Error {
        match source {
            wayfarer_analysis::Error::Lake { source, .. } => Error::from(source),
            wayfarer_analysis::Error::Cancelled => {
                Error::new(ErrorKind::Cancelled, "the report was cancelled")
            }
            source if source.is_request() => {
                Error::new(ErrorKind::Invalid, chain(&source)).with(source)
            }
            source @ wayfarer_analysis::Error::TooMany { .. } => {
                Error::new(ErrorKind::Invalid, source.to_string()).with(source)
            }
            source => Error::new(ErrorKind::Internal, source.to_string()).with(source),
        }
    }
}

/// An error with its causes, as one sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
