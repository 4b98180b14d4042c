//! Which pages are likely to come next.

use wayfarer_analysis::{Context, Error};
use wayfarer_event::{Insights, Micros, VisitorId};
use wayfarer_lake::Stored;

/// First-order transitions between the pages of a visit over the last 30 days, with popularity as the floor.
///
/// Trained by a walk over the lake, then kept up by [`observe`](NextPages::observe): the same events give the same model
/// whichever way they came.
#[derive(Clone, Debug)]
pub struct NextPages {
    _rows: (),
}

impl NextPages {
    /// Learns from the last 30 days of a site. Blocking.
    ///
    /// # Errors
    /// When the lake cannot be read, or the caller cancelled.
    pub fn train(_context: &Context, _site: &str) -> Result<NextPages, Error> {
        unimplemented!()
    }

    /// Learns from one more event. Microseconds, no I/O.
    pub fn observe(&mut self, _stored: &Stored) {
        unimplemented!()
    }

    /// What is likely to come next for a visitor. Microseconds, no I/O.
    #[must_use]
    pub fn suggest(&self, _visitor: VisitorId, _now: Micros) -> Insights {
        unimplemented!()
    }
}
