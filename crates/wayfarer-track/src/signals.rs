//! From signals to events: what happens in a session's or account's life becomes part of the visitor's history.

use async_trait::async_trait;
use serde_json::{Map, Value};
use wayfarer_event::{RawEvent, name};
use wayfarer_session::{BoxError, Signal, SignalKind, SignalReceiver};

use crate::{Tracker, layer};

/// Records signals as events: `login`, `logout`, `login_failed`, and `session` with the property `signal` for the rest. A
/// signal of the application's own becomes an event of its own name.
///
/// ```
/// # fn connect(bus: &wayfarer_session::SignalBus, tracker: wayfarer_track::Tracker) {
/// bus.connect(std::sync::Arc::new(wayfarer_track::SignalTracker::new(tracker)));
/// # }
/// ```
///
/// An event carries the subject, the user and the request of its signal. Details come along as properties; who sends a
/// signal has blanked credentials in them. Nothing is recorded of visitors who ask not to be tracked.
#[derive(Clone, Debug)]
pub struct SignalTracker {
    tracker: Tracker,
}

impl SignalTracker {
    /// Records through this tracker.
    #[must_use]
    pub fn new(tracker: Tracker) -> SignalTracker {
        SignalTracker { tracker }
    }
}

#[async_trait]
impl SignalReceiver for SignalTracker {
    async fn receive(&self, signal: &Signal) -> Result<(), BoxError> {
        let context = signal.context.as_deref();
        if context.is_some_and(|context| context.dnt || context.gpc) {
            self.tracker.decline(1);
        } else {
            self.tracker.record(event(signal));
        }
        Ok(())
    }
}

fn event(signal: &Signal) -> RawEvent {
    let context = signal.context.as_deref();
    RawEvent {
        session: signal.subject.map(|subject| subject.to_string()),
        user: signal.user.clone(),
        ts: Some(signal.at.into()),
        host: context.and_then(|context| context.host.clone()),
        path: context.and_then(|context| context.path.clone()),
        method: context.and_then(|context| context.method.clone()),
        referrer: context.and_then(|context| context.referrer.clone()),
        language: context.and_then(|context| context.language.clone()),
        client: context.map(layer::client),
        props: props(signal),
        ..RawEvent::new(event_name(&signal.kind))
    }
}

fn event_name(kind: &SignalKind) -> &str {
    match kind {
        SignalKind::LoggedIn => name::LOGIN,
        SignalKind::LoggedOut => name::LOGOUT,
        SignalKind::LoginFailed => name::LOGIN_FAILED,
        SignalKind::Custom(name) => name,
        _ => name::SESSION,
    }
}

fn props(signal: &Signal) -> Option<Map<String, Value>> {
    let mut props = signal.detail.clone();
    if event_name(&signal.kind) == name::SESSION {
        props.insert("signal".to_owned(), signal.kind.as_str().into());
    }
    (!props.is_empty()).then_some(props)
}
