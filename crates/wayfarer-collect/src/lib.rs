//! The door where claims become events: wire formats, log readers, enrichment, bots, reduction of personal data.
//!
//! - [`Collector::collect`] takes one [`RawEvent`](wayfarer_event::RawEvent) at a [`Door`] and answers with an
//!   [`Outcome`]: an event to store, a visitor who declines, or a refusal that says why. Addresses and user agents are
//!   used here and dropped here; no later part sees one.
//! - [`parse_body`] reads the body of `POST /api/v1/events`.
//! - [`logs`] reads access logs of servers and hands out batches of events.
//!
//! What this crate leaves to others: storing (the lake), keeping salts ([`Salts`] is a trait), HTTP. It reads no clock:
//! the time of arrival is a field of the door. Start with [`Collector`].

mod address;
mod agent;
mod body;
mod cache;
mod campaign;
mod collector;
mod language;
pub mod logs;
mod reject;
mod salts;
mod scrub;
mod site;
mod source;
mod visitor;

pub use body::{BodyError, MAX_EVENTS, parse_body};
pub use collector::{Collector, Door, DoorKind, Outcome};
pub use reject::Reject;
pub use salts::{SaltError, Salts};
pub use site::Site;
