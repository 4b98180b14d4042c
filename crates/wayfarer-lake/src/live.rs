//! Events as they become durable, for whoever listens.
//!
//! The log's thread hands them over and never waits: what a slow subscriber does not take is dropped, oldest first, and
//! counted.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::Notify;

use crate::Stored;

/// Some events that became durable together.
#[derive(Clone, Debug)]
pub struct Live {
    /// The events, in order of arrival.
    pub events: Arc<Vec<Stored>>,
    /// How many events right before these were thrown away since this subscription was slow.
    pub missed: u64,
}

/// Receives events as they become durable. What nobody takes is bounded by
/// [`Options::live_events`](crate::Options::live_events); above it the oldest are thrown away and counted.
#[derive(Debug)]
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    /// The next events, in order; `None` once the lake is closed and everything was taken.
    ///
    /// Cancel safe: what was not returned comes with the next call.
    pub async fn next(&mut self) -> Option<Live> {
        loop {
            let woken = self.queue.woken.notified();
            {
                let mut waiting = self.queue.lock();
                if let Some(events) = waiting.groups.pop_front() {
                    waiting.events -= events.len();
                    let missed = std::mem::take(&mut waiting.missed);
                    return Some(Live { events, missed });
                }
                if waiting.closed {
                    return None;
                }
            }
            woken.await;
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    groups: VecDeque<Arc<Vec<Stored>>>,
    events: usize,
    missed: u64,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, group: &Arc<Vec<Stored>>, most: usize) {
        let mut waiting = self.lock();
        waiting.events += group.len();
        waiting.groups.push_back(Arc::clone(group));
        while waiting.events > most && waiting.groups.len() > 1 {
            let dropped = waiting.groups.pop_front().map_or(0, |group| group.len());
            waiting.events -= dropped;
            waiting.missed += dropped as u64;
        }
        drop(waiting);
        self.woken.notify_one();
    }
}

/// Everybody who listens.
#[derive(Debug)]
pub(crate) struct Listeners {
    queues: Mutex<Vec<Weak<Queue>>>,
    most: usize,
}

impl Listeners {
    pub(crate) fn new(most: usize) -> Listeners {
        Listeners { queues: Mutex::new(Vec::new()), most }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self, closed: bool) -> Subscription {
        let queue = Arc::<Queue>::default();
        queue.lock().closed = closed;
        self.lock().push(Arc::downgrade(&queue));
        Subscription { queue }
    }

    /// Whether anybody listens; those who left are forgotten.
    pub(crate) fn any(&self) -> bool {
        let mut queues = self.lock();
        queues.retain(|queue| queue.strong_count() > 0);
        !queues.is_empty()
    }

    /// Hands events to everybody. They are cut so that one group never exceeds what may wait.
    pub(crate) fn send(&self, mut events: Vec<Stored>) {
        let most = self.most.max(1);
        let mut groups: Vec<Arc<Vec<Stored>>> = Vec::new();
        while events.len() > most {
            let rest = events.split_off(most);
            groups.push(Arc::new(std::mem::replace(&mut events, rest)));
        }
        groups.push(Arc::new(events));
        for queue in self.lock().iter().filter_map(Weak::upgrade) {
            for group in &groups {
                queue.push(group, self.most);
            }
        }
    }

    /// Ends every subscription once it has taken what waits.
    pub(crate) fn close(&self) {
        for queue in self.lock().iter().filter_map(Weak::upgrade) {
            queue.lock().closed = true;
            queue.woken.notify_one();
        }
    }
}
