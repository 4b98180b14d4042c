//! What a handler gets: a way to say what happened, in one line.
//!
//! The tracking layer puts a [`Track`] into every request. With the feature `axum` it is an extractor; elsewhere it lies in
//! the request's extensions.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};
use wayfarer_event::RawEvent;

use crate::{
    Tracker,
    layer::{Facts, Paths},
};

/// Records events of the request at hand, with its session, page and browser already filled in.
///
/// ```
/// # fn handler(track: wayfarer_track::Track) {
/// track.event("purchase").value(19.5).currency("EUR").prop("items", 3).send();
/// # }
/// ```
#[derive(Clone)]
pub struct Track {
    tracker: Tracker,
    facts: Arc<Facts>,
    paths: Option<Paths>,
}

impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track").field("tracker", &self.tracker).finish_non_exhaustive()
    }
}

impl Track {
    pub(crate) fn new(tracker: Tracker, facts: Arc<Facts>, paths: Option<Paths>) -> Track {
        Track { tracker, facts, paths }
    }

    /// Begins an event of this name. It is recorded by [`EventDraft::send`].
    pub fn event(&self, name: impl Into<String>) -> EventDraft<'_> {
        EventDraft { track: self, event: RawEvent::new(name) }
    }

    /// The visitor asks not to be tracked (DNT or GPC): events of this request are counted as declined and not recorded.
    #[must_use]
    pub fn is_declined(&self) -> bool {
        self.facts.is_declined()
    }

    /// The element that loads the browser's tracker, for the head of a page; empty if the layer does not serve it, or the
    /// visitor asks not to be tracked. It is HTML: templates must not escape it again.
    #[must_use]
    pub fn script_tag(&self) -> String {
        let paths = self.paths.as_ref().filter(|_| !self.is_declined());
        paths.map(Paths::tag).unwrap_or_default()
    }
}

/// An event that is being put together.
#[derive(Debug)]
#[must_use = "an event is recorded by `send`"]
pub struct EventDraft<'a> {
    track: &'a Track,
    event: RawEvent,
}

impl EventDraft<'_> {
    /// What it was worth.
    pub fn value(mut self, value: f64) -> Self {
        self.event.value = Some(value);
        self
    }

    /// Currency of the value, such as `EUR`.
    pub fn currency(mut self, currency: impl Into<String>) -> Self {
        self.event.currency = Some(currency.into());
        self
    }

    /// One property. A second one of the same key replaces the first.
    pub fn prop(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.event.props.get_or_insert_with(Map::new).insert(key.into(), value.into());
        self
    }

    /// The id of the event, where the application has one of its own: a second event of the same id is not stored.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.event.id = Some(id.into());
        self
    }

    /// Records it, in the background. It carries the user if the handler has come to know who that is.
    pub fn send(self) {
        let EventDraft { track, event } = self;
        if track.is_declined() {
            track.tracker.decline(1);
            return;
        }
        let RawEvent { name, value, currency, props, id, .. } = event;
        let event = RawEvent { value, currency, props, id, ..track.facts.event(&name) };
        track.tracker.record(event);
    }
}

/// No tracking layer lies around the handler.
#[cfg(feature = "axum")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no `TrackingLayer` lies around this handler: add one to the router with `.layer(…)`")]
pub struct NoTrackingLayer;

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for NoTrackingLayer {
    fn into_response(self) -> axum::response::Response {
        tracing::error!("{self}");
        axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[cfg(feature = "axum")]
impl<S: Sync> axum::extract::FromRequestParts<S> for Track {
    type Rejection = NoTrackingLayer;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Track, NoTrackingLayer> {
        parts.extensions.get().cloned().ok_or(NoTrackingLayer)
    }
}
