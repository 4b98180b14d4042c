//! `GET /api/v1/live?site=…`: what happens, as it happens (server-sent events).
//!
//! `event: events` carries what became durable: at most [`SHOWN`] of a batch, and how many more there were, and how many
//! were missed since the listener was slow. `event: now` carries how many visitors are there, whenever that changes.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Interval, MissedTickBehavior},
};
use wayfarer_embedded::Wayfarer;
use wayfarer_event::Micros;
use wayfarer_lake::{Live, Stored, Subscription};

use crate::{Server, access::Reader, errors::ApiError, server::closed};

/// Events of one batch that are shown.
const SHOWN: usize = 20;
/// How often it is looked whether visitors left.
const LOOK: Duration = Duration::from_secs(5);

/// Which events.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    site: String,
    /// Bots too.
    #[serde(default)]
    bots: bool,
}

/// A batch of events, as it is told.
#[derive(Debug, Serialize)]
struct Told {
    events: Vec<Happened>,
    /// Events of this batch that are not among these.
    more: usize,
    /// Events before this batch that were thrown away since this listener was slow; of all sites.
    missed: u64,
}

/// An event, as much of it as a list shows.
#[derive(Debug, Serialize)]
pub(crate) struct Happened {
    t: Micros,
    name: String,
    path: Option<String>,
    title: Option<String>,
    visitor: String,
    country: Option<String>,
    device: Option<String>,
    source: Option<String>,
    value: Option<f64>,
    currency: Option<String>,
    bot: bool,
}

/// How many are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Now {
    active: usize,
    /// Whether these are all.
    exact: bool,
}

pub(crate) async fn get(
    State(server): State<Server>,
    reader: Reader,
    Query(question): Query<Question>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let site = reader.site(&question.site)?;
    if server.wayfarer().control().site(&site).is_none() {
        return Err(ApiError::new(StatusCode::NOT_FOUND, format!("there is no site `{site}`")));
    }
    let full = || {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too many are listening already").retry(30)
    };
    let place = Arc::clone(server.live()).try_acquire_owned().map_err(|_| full())?;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        subscription: server.wayfarer().lake().subscribe(),
        wayfarer: server.wayfarer().clone(),
        closing: server.closing(),
        site,
        bots: question.bots,
        look,
        told: None,
        _place: place,
    };
    let told = stream::unfold(listener, |mut listener| async {
        listener.next().await.map(|event| (Ok(event), listener))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new()))
}

/// One open stream.
struct Listener {
    subscription: Subscription,
    wayfarer: Wayfarer,
    closing: watch::Receiver<bool>,
    site: String,
    bots: bool,
    look: Interval,
    told: Option<Now>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// The next thing to tell; `None` when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = closed(&mut self.closing) => return None,
                live = self.subscription.next() => {
                    if let Some(told) = self.summary(&live?) {
                        return Event::default().event("events").json_data(told).ok();
                    }
                }
                _ = self.look.tick() => {
                    let now = self.now();
                    if self.told.replace(now) != Some(now) {
                        return Event::default().event("now").json_data(now).ok();
                    }
                }
            }
        }
    }

    fn summary(&mut self, live: &Live) -> Option<Told> {
        let here: Vec<&Stored> =
            live.events.iter().filter(|stored| self.concerns(stored)).collect();
        if here.is_empty() && live.missed == 0 {
            return None;
        }
        // So that the next look comes at once: somebody has just come, or gone on.
        self.look.reset_immediately();
        let more = here.len().saturating_sub(SHOWN);
        let events = here.iter().skip(more).map(|stored| Happened::of(stored)).collect();
        Some(Told { events, more, missed: live.missed })
    }

    fn concerns(&self, stored: &Stored) -> bool {
        stored.event.site == self.site && (self.bots || stored.event.bot_reason.is_none())
    }

    fn now(&self) -> Now {
        let now = Micros::from(self.wayfarer.now());
        let (active, exact) = self.wayfarer.presence().count(&self.site, now);
        Now { active, exact }
    }
}

impl Happened {
    fn of(stored: &Stored) -> Happened {
        let event = &stored.event;
        let text = |text: &Option<wayfarer_event::Text>| text.as_ref().map(ToString::to_string);
        Happened {
            t: event.ts,
            name: event.name.to_string(),
            path: text(&event.path),
            title: text(&event.title),
            visitor: event.visitor.to_string(),
            country: text(&event.country),
            device: text(&event.device),
            source: text(&event.source),
            value: event.value,
            currency: text(&event.currency),
            bot: event.bot_reason.is_some(),
        }
    }
}
