//! The lake itself: opening, appending, sealing, closing.

use std::path::Path;

use wayfarer_event::Event;

use crate::{Options, Result, Status, Subscription, View};

/// A lake in a folder. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Lake {
    _todo: (),
}

/// How the ids that events bring are kept unique. An id counts within its site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ids {
    /// Within a bounded window, see [`Options::window_days`]: for senders that try again.
    Window,
    /// For ever: for imports.
    Ledger,
}

/// What became of a batch. The counts add up to its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that were stored.
    pub stored: usize,
    /// Events whose id was there already.
    pub duplicates: usize,
}

impl Lake {
    /// Opens the lake in a folder, and makes what is missing. Events that were acknowledged and not yet sealed come back
    /// from the log. The caller sees to it that no other process writes in the folder.
    ///
    /// # Errors
    /// When the folder cannot be used, is damaged, or was written by a newer version.
    pub async fn open(_folder: &Path, _options: Options) -> Result<Lake> {
        unimplemented!()
    }

    /// Stores a batch; durable when it answers. An event whose id was stored before is left out and counted.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) and [`StorageFull`](crate::ErrorKind::StorageFull) may be tried again. After any
    /// other error it is unknown whether the batch was stored.
    pub async fn append(&self, _events: Vec<Event>, _ids: Ids) -> Result<Appended> {
        unimplemented!()
    }

    /// One look at all rows that were acknowledged so far.
    #[must_use]
    pub fn view(&self) -> View {
        unimplemented!()
    }

    /// Receives the events that become durable from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        unimplemented!()
    }

    /// Writes the hot rows into Parquet now.
    ///
    /// # Errors
    /// When a file or the catalog cannot be written. The rows then stay hot, and nothing is lost.
    pub async fn seal(&self) -> Result<()> {
        unimplemented!()
    }

    /// How the lake is.
    #[must_use]
    pub fn status(&self) -> Status {
        unimplemented!()
    }

    /// Stops taking events, seals what is hot, and stops all tasks. A second call does nothing.
    ///
    /// # Errors
    /// When the last seal fails. What was acknowledged is in the log then.
    pub async fn close(&self) -> Result<()> {
        unimplemented!()
    }
}
