//! Sessions in files: one file a session, in a folder that several processes of one machine may share.
//!
//! [`FileStore`] keeps native records, [`DjangoFileStore`] the very files of Django's `file` backend. Both are one store
//! (`store`) over a folder (`folder`), which writes a file whole or not at all, and over a form, which says what a file
//! holds (`native`, `django`). Changes to one session are made under a lock beside the files, so that compare-and-swap
//! holds among all of our processes; readers take no lock.

#[cfg(feature = "django")]
mod django;
mod folder;
mod native;
mod store;

use std::{fmt, path::Path, sync::Arc};

#[cfg(feature = "django")]
pub use self::django::{DjangoFileOptions, DjangoFiles};
pub use self::native::NativeFiles;
use self::{folder::Folder, store::Form};
use crate::store::{StoreError, StoreErrorKind};

/// How much a power cut may take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: every save, and every log-out, is on the disk when it answers.
    #[default]
    Full,
    /// The last saves and log-outs before a power cut. A crash of the application alone takes nothing back.
    Normal,
}

/// Keeps each session in a file of its own: native records.
pub type FileStore = Files<NativeFiles>;

/// Keeps each session in a file of its own, in one of the two forms: [`FileStore`] or [`DjangoFileStore`]. Clones share the
/// folder.
///
/// An ended session leaves a small file behind, which keeps its key from being used again, until
/// [`SessionStore::purge`](crate::SessionStore::purge) forgets it at the session's end. Listing and purging look at every
/// file: for more than some ten thousand sessions take a database. The locks are those of the operating system, which not
/// every network file system has.
pub struct Files<F>(Arc<Inner<F>>);

/// The files of Django's `file` backend: `django.contrib.sessions.backends.file`.
#[cfg(feature = "django")]
pub type DjangoFileStore = Files<DjangoFiles>;

#[derive(Debug)]
struct Inner<F> {
    folder: Folder,
    form: F,
    /// Where the last purge stopped, so that the next goes on from there.
    purged: std::sync::Mutex<Option<String>>,
}

impl<F> Clone for Files<F> {
    fn clone(&self) -> Files<F> {
        Files(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for Files<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("folder", &self.0.folder).finish()
    }
}

impl Files<NativeFiles> {
    /// Sessions in this folder, which is made if it is not there, for its owner alone. Every save is on the disk when it
    /// answers; for less, see [`FileStore::with_durability`].
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path) -> Result<FileStore, StoreError> {
        FileStore::with_durability(folder, Durability::Full)
    }

    /// The same, with a choice of what a power cut may take back.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn with_durability(folder: &Path, durability: Durability) -> Result<FileStore, StoreError> {
        Files::over(folder, durability, NativeFiles)
    }
}

impl<F: Form> Files<F> {
    fn over(folder: &Path, durability: Durability, form: F) -> Result<Files<F>, StoreError> {
        let folder = Folder::open(folder, durability, form.prefix(), F::SPREAD)
            .map_err(|error| trouble("open", error))?;
        Ok(Files(Arc::new(Inner { folder, form, purged: std::sync::Mutex::default() })))
    }
}

fn trouble(call: &'static str, error: impl Into<crate::BoxError>) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, call, error)
}

fn unreadable(call: &'static str, why: impl Into<crate::BoxError>) -> StoreError {
    StoreError::new(StoreErrorKind::Unreadable, call, why)
}
