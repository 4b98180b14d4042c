//! Where histories come from.

use wayfarer_event::Micros;
use wayfarer_lake::{Block, Error, Position, Run, Scan, View};

use super::Hooks;

/// Something that holds rows in the order (visitor, ts, seq, writer), in one run or several. A [`View`] of a lake is one.
///
/// It must not change while a report reads it: two scans see the same rows.
pub trait Source: Send + Sync {
    /// The rows of a scan, as sorted runs. A row is in one of them.
    ///
    /// # Errors
    /// When it cannot be read.
    fn runs(&self, scan: &Scan) -> Result<Vec<Box<dyn Blocks>>, Error>;

    /// Makes ready for a scan that several threads are about to share, a range of visitors each. What it does holds for later
    /// scans, too; by default it does nothing.
    ///
    /// # Errors
    /// When the rows cannot be read.
    fn prepare(&self, scan: &Scan, threads: usize, hooks: &Hooks) -> Result<(), Error> {
        let _ = (scan, threads, hooks);
        Ok(())
    }

    /// The first and the last `ts` of a site, both included; `None` when it has no rows.
    fn time_range(&self, site: &str) -> Option<(Micros, Micros)>;

    /// Where it stands: two of equal position hold the same rows.
    fn position(&self) -> Position;
}

/// A source that is read once, by nobody in a hurry: what memory holds already is used, and nothing is brought there.
pub struct InPassing<'a>(pub &'a dyn Source);

impl Source for InPassing<'_> {
    fn runs(&self, scan: &Scan) -> Result<Vec<Box<dyn Blocks>>, Error> {
        self.0.runs(scan)
    }

    fn time_range(&self, site: &str) -> Option<(Micros, Micros)> {
        self.0.time_range(site)
    }

    fn position(&self) -> Position {
        self.0.position()
    }
}

/// A sorted run of rows, block by block.
pub trait Blocks: Send {
    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn next_block(&mut self) -> Result<Option<Block>, Error>;
}

impl Source for View {
    fn runs(&self, scan: &Scan) -> Result<Vec<Box<dyn Blocks>>, Error> {
        let runs = View::runs(self, scan)?;
        Ok(runs.into_iter().map(|run| Box::new(run) as Box<dyn Blocks>).collect())
    }

    fn prepare(&self, scan: &Scan, threads: usize, hooks: &Hooks) -> Result<(), Error> {
        View::prepare(self, scan, threads, &|| !hooks.is_cancelled())
    }

    fn time_range(&self, site: &str) -> Option<(Micros, Micros)> {
        View::time_range(self, site)
    }

    fn position(&self) -> Position {
        View::position(self)
    }
}

impl Blocks for Run {
    fn next_block(&mut self) -> Result<Option<Block>, Error> {
        Run::next_block(self)
    }
}
