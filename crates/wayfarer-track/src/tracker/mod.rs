//! The tracker: the one place through which an application's events leave it.
//!
//! Owns the bounded queue, the ids and times that events get on the way in, and the counters. How batches are made, sent
//! and sent again is the worker's (`worker.rs`); where they go is the [`EventSink`]'s. Start with [`Tracker::record`].

mod counts;
mod worker;

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};
use wayfarer_event::{EventSink, Micros, RawEvent, Receipt, SinkError};
use wayfarer_session::{Clock, Random, SystemClock, SystemRandom};

pub use self::counts::Counts;
use self::{
    counts::Counters,
    worker::{Message, Worker},
};

/// How a [`Tracker`] queues and batches, and where it takes time and randomness from.
#[derive(Clone)]
pub struct TrackerOptions {
    /// Events that may wait. One more is dropped and counted. At least 1; default 10,000.
    pub queue: usize,
    /// Events in a batch at the most. At least 1; default 500.
    pub batch: usize,
    /// How long an event may wait for company. Default 20 ms.
    pub delay: Duration,
    /// The longest pause between two attempts at a sink that is not available. Default 10 s.
    pub longest_pause: Duration,
    /// Gives the time of an event that carries none.
    pub clock: Arc<dyn Clock>,
    /// Gives the ids of events.
    pub random: Arc<dyn Random>,
}

impl Default for TrackerOptions {
    fn default() -> TrackerOptions {
        TrackerOptions {
            queue: 10_000,
            batch: 500,
            delay: Duration::from_millis(20),
            longest_pause: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }
}

impl fmt::Debug for TrackerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackerOptions")
            .field("queue", &self.queue)
            .field("batch", &self.batch)
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}

/// Takes the events of one site and hands them to a sink, in batches and in the background.
///
/// Every event gets a random id and a time before it waits, so a batch that is sent again is stored once. An event that
/// waits is in memory only; who must know that it is durable asks [`deliver`](Tracker::deliver).
///
/// Cheap to clone; all clones are the same tracker. When the last one is dropped, what waits is still sent.
#[derive(Clone)]
pub struct Tracker {
    shared: Arc<Shared>,
}

struct Shared {
    site: String,
    sink: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    counters: Arc<Counters>,
    queue: mpsc::Sender<Message>,
    closing: watch::Sender<bool>,
    done: watch::Receiver<bool>,
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("site", &self.shared.site)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Tracker {
    /// A tracker of this site. Spawns its one background task.
    ///
    /// # Panics
    /// Outside a Tokio runtime, as [`tokio::spawn`] does.
    #[must_use]
    pub fn new(
        site: impl Into<String>,
        sink: Arc<dyn EventSink>,
        options: TrackerOptions,
    ) -> Tracker {
        let counters = Arc::new(Counters::default());
        let (queue, messages) = mpsc::channel(options.queue.max(1));
        let (closing, closed) = watch::channel(false);
        let (finished, done) = watch::channel(false);
        let worker =
            Worker::new(sink.clone(), counters.clone(), messages, closed).with_options(&options);
        tokio::spawn(async move {
            worker.run().await;
            finished.send_replace(true);
        });
        let TrackerOptions { clock, random, .. } = options;
        let site = site.into();
        let shared = Shared { site, sink, clock, random, counters, queue, closing, done };
        Tracker { shared: Arc::new(shared) }
    }

    /// The site that events are recorded for.
    #[must_use]
    pub fn site(&self) -> &str {
        &self.shared.site
    }

    /// Puts an event into the queue. Never blocks; an event that finds the queue full, or the tracker closed, is dropped
    /// and counted.
    pub fn record(&self, event: RawEvent) {
        self.shared.counters.sent.add(1);
        let message = Message::Event(Box::new(self.complete(event)));
        if self.shared.queue.try_send(message).is_err() {
            self.shared.counters.dropped.add(1);
            tracing::debug!(site = self.site(), "event dropped: the queue is full or closed");
        }
    }

    /// Hands events to the sink at once, past the queue, and waits until they are durable.
    ///
    /// # Errors
    /// What the sink says. Nothing is tried again; the caller may, with events that carry ids of its own.
    pub async fn deliver(&self, events: Vec<RawEvent>) -> Result<Receipt, SinkError> {
        let events: Vec<RawEvent> = events.into_iter().map(|event| self.complete(event)).collect();
        let counters = &self.shared.counters;
        let count = events.len();
        counters.sent.add(count);
        let answer = self.shared.sink.send(events).await;
        match &answer {
            Ok(receipt) => counters.receive(receipt),
            Err(_) => counters.dropped.add(count),
        }
        answer
    }

    /// What became of the events so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Waits until every event recorded before this call has been answered for: accepted, declined, rejected or dropped.
    ///
    /// While the sink is not available this waits for it; put a time limit around it, or [`close`](Tracker::close).
    pub async fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        if self.shared.queue.send(Message::Flush(answer)).await.is_ok() {
            // An error means that the worker ended, and then nothing waits any more.
            let _ = answered.await;
        }
    }

    /// Sends what waits and stops. A sink that fails now is not asked again: what is left counts as dropped.
    ///
    /// May be called more than once, and from several tasks.
    pub async fn close(&self) {
        self.shared.closing.send_replace(true);
        let mut done = self.shared.done.clone();
        // An error means that the task is gone, and then nothing waits any more.
        let _ = done.wait_for(|done| *done).await;
    }

    /// A random id: 32 hexadecimal digits. None if there is no randomness: then the collector names the event.
    pub(crate) fn new_id(&self) -> Option<String> {
        let mut bytes = [0; 16];
        self.shared.random.fill(&mut bytes).ok()?;
        Some(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// What the tracker's clock says.
    pub(crate) fn now(&self) -> Micros {
        self.shared.clock.now().into()
    }

    /// Counts events that were not made since the visitor asks not to be tracked.
    pub(crate) fn decline(&self, events: usize) {
        self.shared.counters.sent.add(events);
        self.shared.counters.declined.add(events);
    }

    /// Counts events that are refused before the sink sees them.
    pub(crate) fn reject(&self, events: usize) {
        self.shared.counters.sent.add(events);
        self.shared.counters.rejected.add(events);
    }

    fn complete(&self, mut event: RawEvent) -> RawEvent {
        event.site.get_or_insert_with(|| self.shared.site.clone());
        event.id = event.id.or_else(|| self.new_id());
        event.ts.get_or_insert_with(|| self.now());
        event
    }
}

#[cfg(test)]
mod tests;
