//! What can go wrong in the lake: a kind to act on, what was being done, and the cause beneath it.
//!
//! Errors can be cloned, since one failed write answers every batch that waited for it.

use std::{fmt, io, path::Path, sync::Arc};

/// A result of the lake.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// More is waiting than memory may hold. Try again in a moment.
    Busy,
    /// The disk is full. The lake takes events again by itself once there is room.
    StorageFull,
    /// Reading or writing failed for another reason.
    Io,
    /// The catalog database refused or could not be reached.
    Catalog,
    /// A file does not hold what it must. The text names the file and, where there is one, the offset.
    Corrupt,
    /// The folder was written by a newer version of Wayfarer.
    NewerVersion,
    /// The folder holds something that this version cannot answer from, such as another program's delete files.
    Unsupported,
    /// A batch is larger than [`Options::batch_bytes`](crate::Options::batch_bytes).
    TooLarge,
    /// The lake was closed.
    Closed,
}

/// An error of the lake.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Error {
        Error { kind, context: context.into(), source: None }
    }

    pub(crate) fn because(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        Error { kind, context: context.into(), source: Some(Arc::new(source)) }
    }

    /// An I/O error; a full disk is told from the others by its kind.
    pub(crate) fn io(doing: &str, path: &Path, source: io::Error) -> Error {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
            _ => ErrorKind::Io,
        };
        Error::because(kind, format!("{doing} {}", path.display()), source)
    }

    pub(crate) fn corrupt(path: &Path, what: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Corrupt, format!("{} is damaged: {what}", path.display()))
    }

    pub(crate) fn closed() -> Error {
        Error::new(ErrorKind::Closed, "the lake is closed")
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            // The text already holds the source itself; what lies below it is the next link.
            Some(source) => source.source(),
            None => None,
        }
    }
}
