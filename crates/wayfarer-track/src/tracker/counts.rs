//! The counters of a tracker: what became of every event, with nothing left out.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use wayfarer_event::Receipt;

/// What became of a tracker's events.
///
/// `sent` is the sum of the other four and of those that still wait. Read while events flow, it may be a few events ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events handed to the tracker.
    pub sent: u64,
    /// Events that the sink called durable.
    pub accepted: u64,
    /// Events not kept since their visitor asks not to be tracked (DNT, GPC).
    pub declined: u64,
    /// Events that the sink refused.
    pub rejected: u64,
    /// Events that are not known to be durable: the queue was full, the sink refused us, or it failed at the close.
    pub dropped: u64,
}

impl Counts {
    /// Events that still wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let answered = self.accepted + self.declined + self.rejected + self.dropped;
        self.sent.saturating_sub(answered)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: Counter,
    pub(super) accepted: Counter,
    pub(super) declined: Counter,
    pub(super) rejected: Counter,
    pub(super) dropped: Counter,
}

impl Counters {
    pub(super) fn receive(&self, receipt: &Receipt) {
        self.accepted.add(receipt.accepted);
        self.declined.add(receipt.declined);
        self.rejected.add(receipt.rejected.len());
    }

    /// `sent` is read last, so that it is never less than the sum of the others.
    pub(super) fn read(&self) -> Counts {
        let mut counts = Counts {
            sent: 0,
            accepted: self.accepted.get(),
            declined: self.declined.get(),
            rejected: self.rejected.get(),
            dropped: self.dropped.get(),
        };
        counts.sent = self.sent.get();
        counts
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, events: usize) {
        self.0.fetch_add(events as u64, Ordering::AcqRel);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
