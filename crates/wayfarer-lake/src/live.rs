//! Events as they become durable, for whoever listens.

use std::sync::Arc;

use crate::Stored;

/// Some events that became durable together.
#[derive(Clone, Debug)]
pub struct Live {
    /// The events, in order of arrival.
    pub events: Arc<[Stored]>,
    /// How many events before these were thrown away since this subscription was slow.
    pub missed: u64,
}

/// Receives events as they become durable. What nobody takes is bounded by
/// [`Options::live_events`](crate::Options::live_events); above it the oldest are thrown away and counted.
#[derive(Debug)]
pub struct Subscription {
    _todo: (),
}

impl Subscription {
    /// The next events, in order; `None` once the lake is closed and everything was taken.
    pub async fn next(&mut self) -> Option<Live> {
        std::future::pending().await
    }
}
