//! What a walk tells its caller while it works, and how the caller stops it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::Error;

/// A handle on walks that run elsewhere. Clones share one state.
#[derive(Clone, Default)]
pub struct Hooks {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    rows: AtomicU64,
}

impl Hooks {
    /// Stops every walk that has these hooks: each ends with [`Error::Cancelled`] before it reads another block.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// How many rows the walks have read so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.shared.rows.load(Ordering::Relaxed)
    }

    /// Whether the caller gave up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed)
    }

    /// Counts the rows of a block; fails when the caller gave up.
    pub(super) fn block(&self, rows: usize) -> Result<(), Error> {
        if self.is_cancelled() {
            return Err(Error::Cancelled);
        }
        self.shared.rows.fetch_add(rows as u64, Ordering::Relaxed);
        Ok(())
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("rows", &self.rows()).finish_non_exhaustive()
    }
}
