//! What happened: the event model of Wayfarer.
//!
//! This crate is the one language that the parts of Wayfarer speak with each other. It does no I/O and reads no clock.
//!
//! - [`RawEvent`] is an event as somebody **claims** it: the JSON of `POST /api/v1/events`, and what a tracking layer
//!   hands to an [`EventSink`]. [`RawEvent::check`] names the first thing wrong with it.
//! - [`Event`] is an event as Wayfarer **keeps** it: validated, enriched, free of raw addresses. `wayfarer-collect` makes
//!   one of the other; the lake adds `writer` and `seq` and stores it.
//! - [`Column`] is the table of the stored columns. Storage, filters, exports and documentation are driven by it.
//! - [`EventSink`] takes events in, [`InsightSource`] gives back what the models say of a visitor. Both have an in-process
//!   and an HTTP implementation, and neither knows which one it is.
//!
//! Start with [`Event`].

mod column;
mod event;
mod insight;
mod raw;
mod sink;
mod time;

pub use column::{Column, Kind, UnknownColumn};
pub use event::{Event, Text, VisitorId, VisitorKind};
pub use insight::{InsightError, InsightSource, Insights, NextPage, Rests, Who};
pub use raw::{Client, Invalid, RawEvent, limit};
pub use sink::{EventSink, Receipt, Rejection, SinkError};
pub use time::{Micros, ParseTimeError};

/// Names of events that Wayfarer itself makes or reads. Applications are free to use any other name.
pub mod name {
    /// A page was shown. One load of a page is one `page_view`.
    pub const PAGE_VIEW: &str = "page_view";
    /// The tracker's account of a page: `active_ms`, `scroll`, `title`, `screen`. Not an interaction.
    pub const ENGAGEMENT: &str = "engagement";
    /// Something was clicked.
    pub const CLICK: &str = "click";
    /// Somebody logged in.
    pub const LOGIN: &str = "login";
    /// Somebody logged out.
    pub const LOGOUT: &str = "logout";
    /// Somebody tried to log in and could not.
    pub const LOGIN_FAILED: &str = "login_failed";
    /// A session was created, rotated, flushed, expired or revoked. The property `signal` says which.
    pub const SESSION: &str = "session";
}
