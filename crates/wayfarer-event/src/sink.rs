//! Where events go: into the loop of one's own process, or over HTTP to a collector.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::RawEvent;

/// Takes events of one site.
///
/// # Contract
/// When [`send`](EventSink::send) answers `Ok`, every event that the receipt calls accepted is durable at the other end: it
/// is on disk there, and will be counted exactly once. An event whose `id` was accepted before is accepted again and stored
/// once, so a caller that is unsure may send the same batch again.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Hands over a batch, in the order in which things happened.
    ///
    /// # Errors
    /// [`SinkError::Busy`] and [`SinkError::Unavailable`] may be tried again with the same events, the others not. After any
    /// error it is unknown which of the events were taken.
    async fn send(&self, events: Vec<RawEvent>) -> Result<Receipt, SinkError>;
}

/// What became of a batch. The counts add up to its length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Events that are durable now, or were already.
    pub accepted: usize,
    /// Events that were not stored since their visitor asks not to be tracked (DNT, GPC).
    pub declined: usize,
    /// Events that were refused.
    pub rejected: Vec<Rejection>,
}

/// One refused event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why, in one sentence.
    pub reason: String,
}

/// Why a batch could not be handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The other end has too much to do; try again after the given number of seconds.
    #[error("the collector is busy, try again in {retry_after_s} s")]
    Busy {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// The other end cannot be reached or cannot store now.
    #[error("the collector is not available: {0}")]
    Unavailable(String),
    /// The other end refuses the sender: a wrong token, a wrong site.
    #[error("the collector refuses the sender: {0}")]
    Refused(String),
    /// The batch is larger than the other end takes.
    #[error("the batch is too large")]
    TooLarge,
}
