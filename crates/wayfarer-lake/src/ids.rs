//! Which ids were seen: so that what a sender sends twice is stored once.
//!
//! An id counts as the fingerprint of (site, id). Hot ones lie in memory, as long as their rows do; sealed ones lie in
//! files of sorted fingerprints ([`mod@file`]), which the transaction of their seal names. Both are asked by one thread, the
//! one that also moves ids from hot to sealed, so that no id is ever between the two.

mod file;
mod merge;

use std::{collections::HashMap, sync::Arc};

use sha2::{Digest, Sha256};
use wayfarer_event::Event;

pub(crate) use file::IdFile;
pub(crate) use merge::{IdChange, IdFolder};

use crate::{Ids, Result};

/// The first 128 bits of the SHA-256 of (site, id).
pub(crate) type Fingerprint = u128;

/// The fingerprint of an event's id; `None` when it brought none.
pub(crate) fn fingerprint(event: &Event) -> Option<Fingerprint> {
    event.id.as_ref().map(|id| fingerprint_of(&event.site, id))
}

/// The fingerprint of an id of a site.
pub(crate) fn fingerprint_of(site: &str, id: &str) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update((site.len() as u64).to_le_bytes());
    hash.update(site.as_bytes());
    hash.update(id.as_bytes());
    let digest = hash.finalize();
    digest.first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Ids of hot rows.
pub(crate) type HotIds = HashMap<Fingerprint, Ids>;

/// All ids that were seen and are remembered.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    hot: HotIds,
    sealing: Arc<HotIds>,
    files: Vec<Arc<IdFile>>,
    /// The files that were there when the first hot id was taken: every hot id was looked for in these.
    asked: Vec<Arc<IdFile>>,
}

impl Seen {
    pub(crate) fn new(files: Vec<Arc<IdFile>>) -> Seen {
        Seen { files, ..Seen::default() }
    }

    /// Takes an id in; false when it was there. With [`forget`](Seen::forget) it can be taken back while it is hot.
    ///
    /// # Errors
    /// When a file of ids cannot be read.
    pub(crate) fn insert(&mut self, id: Fingerprint, ids: Ids) -> Result<bool> {
        if self.hot.contains_key(&id) || self.sealing.contains_key(&id) {
            return Ok(false);
        }
        for file in &self.files {
            if file.contains(id)? {
                return Ok(false);
            }
        }
        self.hot.insert(id, ids);
        Ok(true)
    }

    /// Takes a hot id back, whose event could not be stored.
    pub(crate) fn forget(&mut self, id: Fingerprint) {
        self.hot.remove(&id);
    }

    /// Adds what the log held. No file is asked: a frame in the log was checked before.
    pub(crate) fn restore(&mut self, id: Fingerprint, ids: Ids) {
        self.hot.insert(id, ids);
    }

    /// Gives the hot ids to a seal, and the files in which they were all looked for; they still count.
    pub(crate) fn freeze(&mut self) -> (Arc<HotIds>, Vec<Arc<IdFile>>) {
        self.sealing = Arc::new(std::mem::take(&mut self.hot));
        let asked = std::mem::replace(&mut self.asked, self.files.clone());
        (Arc::clone(&self.sealing), asked)
    }

    /// Takes over the files that the catalog names now.
    pub(crate) fn replace_files(&mut self, files: Vec<Arc<IdFile>>) {
        self.files = files;
    }

    /// What was given to a seal is in files now.
    pub(crate) fn sealed(&mut self) {
        self.sealing = Arc::default();
    }
}

#[cfg(test)]
mod tests;
