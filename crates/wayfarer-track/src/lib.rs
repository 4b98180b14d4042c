//! Records what happens in an application's requests and sessions as Wayfarer events.
//!
//! - [`Tracker`] takes events in, and hands them to an [`EventSink`](wayfarer_event::EventSink) in batches and in the
//!   background. [`HttpSink`] is the sink that speaks to a collector; the one in process is in `wayfarer-embedded`.
//! - [`TrackingLayer`] makes one `page_view` a load of a page, serves the browser's tracker ([`SCRIPT`]), and takes its
//!   beacons first-party, bound to the session's verified subject.
//! - [`Track`] lets a handler record events of its own. [`SignalTracker`] records what happens in sessions and accounts.
//! - [`HttpInsights`] asks a Wayfarer server what its models say of a visitor.
//!
//! What an event means once it has arrived is the collector's to decide. A visitor who sends `DNT: 1` or `Sec-GPC: 1` is
//! never recorded, and no session is ever loaded for tracking's sake. Start with [`TrackingLayer`].
//!
//! Feature `axum` (default): [`Track`] as an extractor, and the visitor's address and the route as axum knows them.

mod collector;
mod layer;
mod signals;
mod track;
mod tracker;

#[cfg(feature = "axum")]
pub use self::track::NoTrackingLayer;
pub use self::{
    collector::{AddressError, HttpInsights, HttpSink},
    layer::{
        AddressRule, Network, NetworkError, ResponseFuture, SCRIPT, TrackingLayer, TrackingService,
    },
    signals::SignalTracker,
    track::{EventDraft, Track},
    tracker::{Counts, Tracker, TrackerOptions},
};
