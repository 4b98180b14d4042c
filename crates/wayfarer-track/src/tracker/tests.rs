use std::{
    collections::{HashSet, VecDeque},
    sync::Mutex,
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use wayfarer_event::Rejection;

use super::*;

type Outcome = Result<Receipt, SinkError>;
type Respond = Box<dyn FnOnce(&[RawEvent]) -> Outcome + Send>;

/// Answers as it was told to, then accepts everything. Holds each answer back until there is a permit.
struct Sink {
    answers: Mutex<VecDeque<Respond>>,
    asked: Mutex<Vec<Vec<RawEvent>>>,
    permits: Semaphore,
}

impl Sink {
    fn new(permits: usize) -> Arc<Sink> {
        let permits = Semaphore::new(permits);
        Arc::new(Sink { answers: Mutex::default(), asked: Mutex::default(), permits })
    }

    fn then(
        self: Arc<Sink>,
        answer: impl FnOnce(&[RawEvent]) -> Outcome + Send + 'static,
    ) -> Arc<Sink> {
        self.answers.lock().unwrap().push_back(Box::new(answer));
        self
    }

    /// Names of the events of each batch that it was asked to take.
    fn asked(&self) -> Vec<Vec<String>> {
        let names = |batch: &Vec<RawEvent>| batch.iter().map(|event| event.name.clone()).collect();
        self.asked.lock().unwrap().iter().map(names).collect()
    }
}

#[async_trait]
impl EventSink for Sink {
    async fn send(&self, events: Vec<RawEvent>) -> Outcome {
        self.asked.lock().unwrap().push(events.clone());
        self.permits.acquire().await.unwrap().forget();
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(answer) => answer(&events),
            None => Ok(accepted(events.len())),
        }
    }
}

fn accepted(events: usize) -> Receipt {
    Receipt { accepted: events, ..Receipt::default() }
}

fn unavailable(_: &[RawEvent]) -> Outcome {
    Err(SinkError::Unavailable("off".into()))
}

fn too_large(events: &[RawEvent]) -> Outcome {
    if events.len() > 2 { Err(SinkError::TooLarge) } else { Ok(accepted(events.len())) }
}

fn tracker(sink: &Arc<Sink>, options: TrackerOptions) -> Tracker {
    Tracker::new("shop", sink.clone(), options)
}

fn record(tracker: &Tracker, names: &[&str]) {
    names.iter().for_each(|name| tracker.record(RawEvent::new(*name)));
}

const PLENTY: usize = 1000;

#[tokio::test(start_paused = true)]
async fn events_leave_together_and_in_order() {
    let sink = Sink::new(PLENTY);
    let tracker = tracker(&sink, TrackerOptions { batch: 3, ..TrackerOptions::default() });
    record(&tracker, &["a", "b", "c", "d"]);
    tracker.flush().await;
    assert_eq!(sink.asked(), [vec!["a", "b", "c"], vec!["d"]]);
    let counts = tracker.counts();
    assert_eq!((counts.sent, counts.accepted, counts.waiting()), (4, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lone_event_leaves_after_the_delay() {
    let sink = Sink::new(PLENTY);
    let tracker = tracker(&sink, TrackerOptions::default());
    record(&tracker, &["a"]);
    let started = tokio::time::Instant::now();
    while tracker.counts().accepted == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_is_the_same() {
    let sink =
        Sink::new(PLENTY).then(unavailable).then(|_| Err(SinkError::Busy { retry_after_s: 7 }));
    let tracker = tracker(&sink, TrackerOptions::default());
    record(&tracker, &["a", "b"]);
    tracker.flush().await;
    let asked = sink.asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|batch| *batch == asked[0]));
    let ids: HashSet<_> = asked[0].iter().map(|event| event.id.clone().unwrap()).collect();
    assert_eq!(ids.len(), 2, "every event has an id of its own");
    assert!(
        asked[0].iter().all(|event| event.site.as_deref() == Some("shop") && event.ts.is_some())
    );
    assert_eq!(tracker.counts().accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_application_says_is_kept() {
    let sink = Sink::new(PLENTY);
    let tracker = tracker(&sink, TrackerOptions::default());
    let own = RawEvent {
        site: Some("other".into()),
        id: Some("order-7".into()),
        ts: Some(Micros(1)),
        ..RawEvent::new("a")
    };
    tracker.record(own.clone());
    tracker.flush().await;
    assert_eq!(*sink.asked.lock().unwrap(), [vec![own]]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_and_counts() {
    let sink = Sink::new(0);
    let options = TrackerOptions { queue: 2, batch: 1, ..TrackerOptions::default() };
    let tracker = tracker(&sink, options);
    record(&tracker, &["under way"]);
    while sink.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    record(&tracker, &["a", "b", "one too many"]);
    assert_eq!(tracker.counts().dropped, 1);
    sink.permits.add_permits(PLENTY);
    tracker.flush().await;
    assert_eq!(sink.asked(), [["under way"], ["a"], ["b"]]);
    let counts = tracker.counts();
    assert_eq!((counts.sent, counts.accepted, counts.dropped), (4, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_large_is_sent_in_parts() {
    let sink = Sink::new(PLENTY).then(too_large).then(too_large).then(too_large);
    let tracker = tracker(&sink, TrackerOptions::default());
    record(&tracker, &["a", "b", "c", "d"]);
    tracker.flush().await;
    assert_eq!(sink.asked(), [vec!["a", "b", "c", "d"], vec!["a", "b"], vec!["c", "d"]]);
    assert_eq!(tracker.counts().accepted, 4);
}

#[tokio::test(start_paused = true)]
async fn an_event_too_large_by_itself_is_dropped_alone() {
    let sink = Sink::new(PLENTY).then(|_| Err(SinkError::TooLarge));
    let tracker = tracker(&sink, TrackerOptions { batch: 1, ..TrackerOptions::default() });
    record(&tracker, &["whale", "a"]);
    tracker.flush().await;
    let counts = tracker.counts();
    assert_eq!((counts.dropped, counts.accepted), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_by_kind() {
    let sink = Sink::new(PLENTY)
        .then(|_| {
            let rejected = vec![Rejection { index: 1, reason: "no".into() }];
            Ok(Receipt { accepted: 1, declined: 1, rejected })
        })
        .then(|_| Err(SinkError::Refused("token".into())));
    let tracker = tracker(&sink, TrackerOptions { batch: 3, ..TrackerOptions::default() });
    record(&tracker, &["a", "b", "c"]);
    tracker.flush().await;
    record(&tracker, &["d"]);
    tracker.flush().await;
    let expected = Counts { sent: 4, accepted: 1, declined: 1, rejected: 1, dropped: 1 };
    assert_eq!(tracker.counts(), expected);
}

#[tokio::test(start_paused = true)]
async fn closing_sends_what_waits() {
    let sink = Sink::new(PLENTY);
    let tracker = tracker(&sink, TrackerOptions::default());
    record(&tracker, &["a", "b"]);
    tokio::join!(tracker.close(), tracker.close());
    assert_eq!(sink.asked(), [["a", "b"]]);
    record(&tracker, &["too late"]);
    let counts = tracker.counts();
    assert_eq!((counts.sent, counts.accepted, counts.dropped), (3, 2, 1));
    tracker.flush().await;
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_dead_sink() {
    let mut sink = Sink::new(PLENTY);
    for _ in 0..3 {
        sink = sink.then(unavailable);
    }
    let options = TrackerOptions { batch: 1, ..TrackerOptions::default() };
    let tracker = tracker(&sink, options);
    record(&tracker, &["a", "b", "c"]);
    // The first attempt fails and waits; closing ends the wait, tries once more, and gives up on the rest.
    while sink.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    tracker.close().await;
    assert_eq!(sink.asked(), [["a"], ["a"]]);
    let counts = tracker.counts();
    assert_eq!((counts.dropped, counts.waiting()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_tracker_sends_what_waits() {
    let sink = Sink::new(PLENTY);
    let tracker = tracker(&sink, TrackerOptions::default());
    record(&tracker, &["a"]);
    let mut done = tracker.shared.done.clone();
    drop(tracker);
    // The sender is dropped with the task, right after it said that it is done.
    let _ = done.wait_for(|done| *done).await;
    assert_eq!(sink.asked(), [["a"]]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_answered_by_the_sink_itself() {
    let sink = Sink::new(PLENTY).then(unavailable);
    let tracker = tracker(&sink, TrackerOptions::default());
    let failed = tracker.deliver(vec![RawEvent::new("a")]).await;
    assert!(matches!(failed, Err(SinkError::Unavailable(_))));
    let receipt = tracker.deliver(vec![RawEvent::new("a"), RawEvent::new("b")]).await.unwrap();
    assert_eq!(receipt.accepted, 2);
    let counts = tracker.counts();
    assert_eq!((counts.sent, counts.accepted, counts.dropped), (3, 2, 1));
}
