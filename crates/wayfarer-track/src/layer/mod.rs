//! The tracking layer: from requests to events, and from a browser's beacons to events.
//!
//! For every request the layer
//! - answers the two paths of the browser's tracker itself, if the application chose them: the script (`script.rs`) and
//!   its beacons (`beacon.rs`);
//! - puts a [`Track`](crate::Track) into the request, and the source of insights into its session;
//! - makes one `page_view` of it, if the answer is a page (`page.rs`), and names it in the answer.
//!
//! It reads the session's verified cookie and never its store. Start with [`TrackingLayer`]; `service.rs` is the way of a
//! request.

mod address;
mod beacon;
mod facts;
mod page;
mod script;
mod service;

use std::{fmt, sync::Arc};

use tower_layer::Layer;
use wayfarer_event::InsightSource;

pub use self::{
    address::{AddressRule, Network, NetworkError},
    script::SCRIPT,
    service::{ResponseFuture, TrackingService},
};
pub(crate) use self::{
    facts::{Facts, client},
    script::Paths,
};
use crate::Tracker;

/// Records the pages that a service answers, and takes the beacons of its visitors' browsers.
///
/// Put it inside the session layer, so that events carry the subject of the session:
///
/// ```
/// use std::sync::Arc;
/// use wayfarer_track::{HttpInsights, HttpSink, Tracker, TrackerOptions, TrackingLayer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), wayfarer_track::AddressError> {
/// let sink = Arc::new(HttpSink::new("http://127.0.0.1:8080", "server token")?);
/// let insights = Arc::new(HttpInsights::new("http://127.0.0.1:8080", "server token")?);
/// let tracker = Tracker::new("shop", sink, TrackerOptions::default());
/// let tracking = TrackingLayer::new(tracker.clone())
///     .insights(insights)
///     .script("/wf/script.js", "/wf/events");
/// // Router::new().route(…).layer(tracking).layer(sessions)
/// # drop(tracking); Ok(()) }
/// ```
#[derive(Clone)]
pub struct TrackingLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    tracker: Tracker,
    insights: Option<Arc<dyn InsightSource>>,
    paths: Option<Paths>,
    address: AddressRule,
}

impl fmt::Debug for TrackingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackingLayer")
            .field("tracker", &self.settings.tracker)
            .field("insights", &self.settings.insights.is_some())
            .field("paths", &self.settings.paths)
            .finish_non_exhaustive()
    }
}

impl TrackingLayer {
    /// A layer that records through this tracker.
    #[must_use]
    pub fn new(tracker: Tracker) -> TrackingLayer {
        let address = AddressRule::default();
        let settings = Settings { tracker, insights: None, paths: None, address };
        TrackingLayer { settings: Arc::new(settings) }
    }

    /// Lets handlers ask this source through `session.insights()`.
    #[must_use]
    pub fn insights(self, source: Arc<dyn InsightSource>) -> TrackingLayer {
        self.with(|settings| settings.insights = Some(source))
    }

    /// Serves the browser's tracker at the path `script`, and takes its beacons at the path `events`. Both are the
    /// application's choice and start with a slash. Pages load it by [`Track::script_tag`](crate::Track::script_tag).
    #[must_use]
    pub fn script(self, script: impl Into<String>, events: impl Into<String>) -> TrackingLayer {
        let paths = Paths { script: script.into(), events: events.into() };
        self.with(|settings| settings.paths = Some(paths))
    }

    /// Where the address of a visitor is read from. Default: the connection itself.
    #[must_use]
    pub fn address(self, rule: AddressRule) -> TrackingLayer {
        self.with(|settings| settings.address = rule)
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> TrackingLayer {
        let mut settings = Arc::unwrap_or_clone(self.settings);
        change(&mut settings);
        TrackingLayer { settings: Arc::new(settings) }
    }
}

impl<S> Layer<S> for TrackingLayer {
    type Service = TrackingService<S>;

    fn layer(&self, inner: S) -> TrackingService<S> {
        TrackingService::new(inner, self.settings.clone())
    }
}
