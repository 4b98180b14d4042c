//! Keeps what the loop knows up with what happens: every event that becomes durable is shown to the models and to the list
//! of who is there.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wayfarer_lake::{Stored, Subscription};

use crate::Wayfarer;

/// After a training that took a second, the next one waits for so many seconds: where more comes than can be followed,
/// learning must not take the time that taking in needs.
const REST: u32 = 20;

/// Whoever cannot follow is busy, and a training would make it worse: it waits until nothing was missed for so long.
const CALM: Duration = Duration::from_secs(10);
/// Nor is it calm while so many events a second come. A training opens every file at once, and a rush leaves hundreds of small
/// ones behind, until they are merged.
const RUSH: u64 = 20_000;
/// But no longer than this: where it never gets calm, what the models know would grow old.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Follows the lake until it is closed.
pub(crate) async fn follow(wayfarer: Wayfarer, mut subscription: Subscription) {
    let mut schedule = Schedule::new(Instant::now());
    loop {
        let live = tokio::select! {
            live = subscription.next() => live,
            () = until(schedule.due()) => {
                catch_up(&wayfarer, &mut schedule).await;
                continue;
            }
        };
        let Some(live) = live else { return };
        wayfarer.presence().observe(&live.events);
        schedule.see(live.events.len() as u64, live.missed, Instant::now());
        learn(&wayfarer, &live.events).await;
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// When the models are trained anew, because live events went by.
#[derive(Debug)]
struct Schedule {
    /// Since the last training.
    missed: Option<Missed>,
    not_before: Instant,
    second: Second,
}

/// The second that runs: when it began, and how many events came in it.
#[derive(Clone, Copy, Debug)]
struct Second {
    began: Instant,
    events: u64,
}

/// Live events that went by: how many, when the first of them, and when it was last too busy to make that good.
#[derive(Clone, Copy, Debug)]
struct Missed {
    events: u64,
    first: Instant,
    last: Instant,
}

impl Schedule {
    /// Nothing was missed, and the first training need not wait.
    fn new(now: Instant) -> Schedule {
        Schedule { missed: None, not_before: now, second: Second { began: now, events: 0 } }
    }

    /// Events came, and so many of those before them went by.
    fn see(&mut self, events: u64, missed: u64, now: Instant) {
        if now.saturating_duration_since(self.second.began) >= Duration::from_secs(1) {
            self.second = Second { began: now, events: 0 };
        }
        self.second.events += events + missed;
        if missed > 0 {
            let known = self.missed.get_or_insert(Missed { events: 0, first: now, last: now });
            known.events += missed;
            known.last = now;
        } else if let (Some(known), true) = (&mut self.missed, self.second.events > RUSH) {
            known.last = now;
        }
    }

    /// When to train; `None` while nothing was missed.
    fn due(&self) -> Option<Instant> {
        let Missed { first, last, .. } = self.missed?;
        Some((last + CALM).min(first + PATIENCE).max(self.not_before))
    }

    /// A training begins: how many events it makes good. What is missed from now on waits for the next one.
    fn begin(&mut self) -> u64 {
        self.missed.take().map_or(0, |missed| missed.events)
    }

    /// A training is over.
    fn end(&mut self, began: Instant, ended: Instant) {
        self.not_before = ended + ended.saturating_duration_since(began) * REST;
    }
}

async fn catch_up(wayfarer: &Wayfarer, schedule: &mut Schedule) {
    let began = Instant::now();
    let missed = schedule.begin();
    tracing::info!(missed, "training again, since live events were missed");
    let sites = wayfarer.lake().view().sites();
    train(wayfarer, sites.iter().map(String::as_str)).await;
    schedule.end(began, Instant::now());
}

/// Shows events to the models; a site without a model gets one, from a view that holds these events already.
async fn learn(wayfarer: &Wayfarer, events: &[Stored]) {
    let new = wayfarer.learned().observe(events);
    train(wayfarer, new.into_iter()).await;
}

async fn train(wayfarer: &Wayfarer, sites: impl Iterator<Item = &str>) {
    for site in sites {
        if let Err(error) = wayfarer.train(site).await {
            tracing::error!(site, error = %error, "the models could not be trained");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_missed_is_trained_once_when_it_is_calm() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        schedule.see(0, 0, now);
        assert_eq!(schedule.due(), None);
        schedule.see(0, 3, now);
        schedule.see(0, 4, now + SECOND);
        schedule.see(0, 0, now + 5 * SECOND);
        assert_eq!(schedule.due(), Some(now + SECOND + CALM));
        assert_eq!(schedule.begin(), 7);
        assert_eq!(schedule.due(), None);
    }

    #[test]
    fn a_rush_that_is_followed_is_not_calm_either() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        schedule.see(0, 1, now);
        schedule.see(RUSH, 0, now + 2 * SECOND);
        assert_eq!(schedule.due(), Some(now + CALM));
        schedule.see(1, 0, now + 2 * SECOND + SECOND / 2);
        assert_eq!(schedule.due(), Some(now + 2 * SECOND + SECOND / 2 + CALM));
        schedule.see(RUSH, 0, now + 4 * SECOND);
        assert_eq!(schedule.due(), Some(now + 2 * SECOND + SECOND / 2 + CALM));
    }

    #[test]
    fn where_it_never_gets_calm_the_models_are_trained_all_the_same() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        for second in 0..2000 {
            schedule.see(0, 1, now + second * SECOND);
        }
        assert_eq!(schedule.due(), Some(now + PATIENCE));
    }

    #[test]
    fn a_training_that_took_long_is_followed_by_a_long_rest() {
        let began = Instant::now();
        let mut schedule = Schedule::new(began);
        schedule.see(0, 1, began);
        schedule.begin();
        // While it trains, more goes by, which is not in the view that it trains from.
        schedule.see(0, 5, began + SECOND);
        let ended = began + 3 * SECOND;
        schedule.end(began, ended);
        assert_eq!(schedule.due(), Some(ended + 60 * SECOND));
        schedule.begin();
        schedule.end(began, began);
        schedule.see(0, 1, began);
        assert_eq!(schedule.due(), Some(began + CALM), "what took no time asks for no rest");
    }
}
