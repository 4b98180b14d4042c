//! An event with its place in the lake.

use wayfarer_event::{Event, Text};

/// An event as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The event. Its `id` is never `None`: where the sender gave none, it is [`own_id`].
    pub event: Event,
    /// Which writer took it.
    pub writer: u64,
    /// Its place in the order of arrival at that writer, from 1.
    pub seq: u64,
}

/// The id of an event that came without one: writer and place, in hexadecimal.
#[must_use]
pub fn own_id(writer: u64, seq: u64) -> Text {
    compact_str::format_compact!("{writer:x}.{seq:x}")
}
