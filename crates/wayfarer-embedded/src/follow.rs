//! Keeps what the loop knows up with what happens: every event that becomes durable is shown to the models and to the list
//! of who is there.

use std::collections::BTreeSet;

use wayfarer_lake::{Stored, Subscription};

use crate::Wayfarer;

/// Follows the lake until it is closed.
pub(crate) async fn follow(wayfarer: Wayfarer, mut subscription: Subscription) {
    while let Some(live) = subscription.next().await {
        wayfarer.presence().observe(&live.events);
        if live.missed > 0 {
            tracing::info!(missed = live.missed, "training again, since live events were missed");
            let sites = wayfarer.lake().view().sites();
            train(&wayfarer, sites.iter().map(String::as_str)).await;
        }
        learn(&wayfarer, &live.events).await;
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
