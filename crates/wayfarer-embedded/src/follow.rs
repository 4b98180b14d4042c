//! Keeps what the loop knows up with what happens: every event that becomes durable is shown to the models and to the list
//! of who is there.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep_until};
use wayfarer_lake::{Stored, Subscription};

use crate::Wayfarer;

/// After a training that took a second, the next one waits for so many seconds: where more comes than can be followed,
/// learning must not take the time that taking in needs.
const REST: u32 = 20;

/// Follows the lake until it is closed.
pub(crate) async fn follow(wayfarer: Wayfarer, mut subscription: Subscription) {
    let mut missed = Missed { events: 0, next: Instant::now() };
    loop {
        let live = tokio::select! {
            live = subscription.next() => live,
            () = sleep_until(missed.next), if missed.events > 0 => {
                missed.catch_up(&wayfarer).await;
                continue;
            }
        };
        let Some(live) = live else { return };
        wayfarer.presence().observe(&live.events);
        missed.events += live.missed;
        learn(&wayfarer, &live.events).await;
    }
}

/// Live events that went by, and when the models may be trained anew because of them.
struct Missed {
    events: u64,
    next: Instant,
}

impl Missed {
    async fn catch_up(&mut self, wayfarer: &Wayfarer) {
        tracing::info!(missed = self.events, "training again, since live events were missed");
        self.events = 0;
        let began = Instant::now();
        let sites = wayfarer.lake().view().sites();
        train(wayfarer, sites.iter().map(String::as_str)).await;
        let took: Duration = began.elapsed();
        self.next = Instant::now() + took * REST;
    }
}

/// Shows events to the models; a site without a model gets one, from a view that holds these events already.
async fn learn(wayfarer: &Wayfarer, events: &[Stored]) {
    let new: BTreeSet<&str> = events
        .iter()
        .filter(|stored| !wayfarer.learned().observe(stored))
        .map(|stored| stored.event.site.as_str())
        .collect();
    train(wayfarer, new.into_iter()).await;
}

async fn train(wayfarer: &Wayfarer, sites: impl Iterator<Item = &str>) {
    for site in sites {
        if let Err(error) = wayfarer.train(site).await {
            tracing::error!(site, error = %error, "the models could not be trained");
        }
    }
}
