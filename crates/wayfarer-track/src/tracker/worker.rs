//! The tracker's background task: gathers a batch, hands it over, and tries again while trying again can help.
//!
//! One batch is under way at a time, so the sink sees events in the order in which they were recorded.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, sleep_until},
};
use wayfarer_event::{EventSink, RawEvent, SinkError};

use super::{TrackerOptions, counts::Counters};

const FIRST_PAUSE: Duration = Duration::from_millis(100);

pub(super) enum Message {
    Event(Box<RawEvent>),
    Flush(oneshot::Sender<()>),
}

pub(super) struct Worker {
    sink: Arc<dyn EventSink>,
    counters: Arc<Counters>,
    messages: mpsc::Receiver<Message>,
    closing: watch::Receiver<bool>,
    batch: usize,
    delay: Duration,
    longest_pause: Duration,
    /// The sink failed while the tracker closed: the rest is dropped untried.
    abandoned: bool,
}

/// Events to send, and who waits for it.
#[derive(Default)]
struct Batch {
    events: Vec<RawEvent>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn add(&mut self, message: Message) {
        match message {
            Message::Event(event) => self.events.push(*event),
            Message::Flush(answer) => self.flushes.push(answer),
        }
    }

    /// A batch that somebody waits for leaves at once.
    fn is_ready(&self, most: usize) -> bool {
        self.events.len() >= most || !self.flushes.is_empty()
    }
}

impl Worker {
    pub(super) fn new(
        sink: Arc<dyn EventSink>,
        counters: Arc<Counters>,
        messages: mpsc::Receiver<Message>,
        closing: watch::Receiver<bool>,
    ) -> Worker {
        Worker {
            sink,
            counters,
            messages,
            closing,
            batch: 1,
            delay: Duration::ZERO,
            longest_pause: FIRST_PAUSE,
            abandoned: false,
        }
    }

    pub(super) fn with_options(self, options: &TrackerOptions) -> Worker {
        Worker {
            batch: options.batch.max(1),
            delay: options.delay,
            longest_pause: options.longest_pause.max(FIRST_PAUSE),
            ..self
        }
    }

    /// Runs until the tracker is closed, or its last clone dropped, and the queue is empty.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            self.hand_over(batch.events).await;
            for flush in batch.flushes {
                // Nobody waits any more: nothing to tell.
                let _ = flush.send(());
            }
        }
    }

    async fn next_batch(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        batch.add(self.next_message().await?);
        let deadline = Instant::now() + self.delay;
        while !batch.is_ready(self.batch) {
            tokio::select! {
                biased;
                message = self.messages.recv() => match message {
                    Some(message) => batch.add(message),
                    None => break,
                },
                () = sleep_until(deadline) => break,
            }
        }
        Some(batch)
    }

    /// The next message; none once the tracker is closed and everything recorded before has been taken out.
    async fn next_message(&mut self) -> Option<Message> {
        if !self.messages.is_closed() {
            tokio::select! {
                biased;
                () = closed(&mut self.closing) => self.messages.close(),
                message = self.messages.recv() => return message,
            }
        }
        self.messages.recv().await
    }

    async fn hand_over(&mut self, events: Vec<RawEvent>) {
        let mut parts = vec![events];
        while let Some(events) = parts.pop() {
            if events.is_empty() {
                continue;
            }
            if let Some(mut events) = self.send(events).await {
                let rest = events.split_off(events.len() / 2);
                parts.extend([rest, events]);
            }
        }
    }

    /// Sends until there is an answer. Gives the events back if they must be sent in smaller parts.
    async fn send(&mut self, events: Vec<RawEvent>) -> Option<Vec<RawEvent>> {
        let mut pause = FIRST_PAUSE;
        while !self.abandoned {
            let error = match self.sink.send(events.clone()).await {
                Ok(receipt) => {
                    self.counters.receive(&receipt);
                    report_rejections(&receipt.rejected);
                    return None;
                }
                Err(SinkError::TooLarge) if events.len() > 1 => return Some(events),
                Err(error) => error,
            };
            let Some(wait) = self.pause_after(&error, pause) else { break };
            tracing::warn!(%error, wait_ms = wait.as_millis(), "events wait for the collector");
            self.wait(wait).await;
            pause = (pause * 2).min(self.longest_pause);
        }
        tracing::warn!(events = events.len(), "events dropped");
        self.counters.dropped.add(events.len());
        None
    }

    /// How long to wait before the next attempt; none if there is to be no other.
    fn pause_after(&mut self, error: &SinkError, pause: Duration) -> Option<Duration> {
        let wait = match error {
            SinkError::Busy { retry_after_s } => Duration::from_secs(*retry_after_s).max(pause),
            SinkError::Unavailable(_) => pause,
            refused => {
                tracing::error!(error = %refused, "the collector does not take the events");
                return None;
            }
        };
        self.abandoned = self.is_closing();
        (!self.abandoned).then(|| wait.min(self.longest_pause))
    }

    /// Waits, but no longer than until the tracker is closed.
    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = closed(&mut self.closing) => {}
        }
    }

    /// Closed, or without any handle left that could record or close.
    fn is_closing(&self) -> bool {
        *self.closing.borrow() || self.closing.has_changed().is_err()
    }
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the last handle is gone, which closes too.
    let _ = closing.wait_for(|closing| *closing).await;
}

fn report_rejections(rejected: &[wayfarer_event::Rejection]) {
    if let Some(first) = rejected.first() {
        tracing::warn!(events = rejected.len(), reason = first.reason, "events rejected");
    }
}
