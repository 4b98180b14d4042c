//! One look at the lake that does not change: a snapshot's files and the hot rows after them, taken together.

use wayfarer_event::Micros;

use crate::{Result, Run, Scan, Stored};

/// What was in the lake at one moment; each row is there exactly once. Cheap to take and to clone; its files stay on disk
/// while it lives.
#[derive(Clone, Debug)]
pub struct View {
    _todo: (),
}

/// Where a view stands. Two views of equal position hold the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The catalog's snapshot.
    pub snapshot: u64,
    /// The `seq` that the next row gets.
    pub next_seq: u64,
}

impl View {
    /// The sites that have rows, in order.
    #[must_use]
    pub fn sites(&self) -> Vec<String> {
        unimplemented!()
    }

    /// The first and the last `ts` of a site, both included; `None` when it has no rows. No file is opened.
    #[must_use]
    pub fn time_range(&self, _site: &str) -> Option<(Micros, Micros)> {
        unimplemented!()
    }

    /// Where this view stands.
    #[must_use]
    pub fn position(&self) -> Position {
        unimplemented!()
    }

    /// How many rows there are, or how many of one site.
    #[must_use]
    pub fn rows(&self, _site: Option<&str>) -> u64 {
        unimplemented!()
    }

    /// The rows of a scan as sorted runs. Files and row groups that cannot hold such rows are not read.
    ///
    /// # Errors
    /// When a file's footer cannot be read.
    pub fn runs(&self, _scan: &Scan) -> Result<Vec<Run>> {
        unimplemented!()
    }

    /// Every row, or those of one site, in the order (site, visitor, ts, seq, writer). Blocking.
    ///
    /// # Errors
    /// When a file's footer cannot be read.
    pub fn export(&self, _site: Option<&str>) -> Result<Export> {
        unimplemented!()
    }
}

/// Iterates over full rows. See [`View::export`].
#[derive(Debug)]
pub struct Export {
    _todo: (),
}

impl Iterator for Export {
    type Item = Result<Stored>;

    fn next(&mut self) -> Option<Result<Stored>> {
        unimplemented!()
    }
}
