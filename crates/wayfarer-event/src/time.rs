//! Time as the columns keep it: UTC microseconds since 1970. Time zones apply when a report is asked for, not here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// The earliest instant that an event may carry: 1970-01-01.
    pub const MIN: Micros = Micros(0);
    /// The latest instant that an event may carry: the end of the year 9998, so that a day can be added to any.
    pub const MAX: Micros = Micros(253_370_764_799_999_999);
    /// One second.
    pub const SECOND: i64 = 1_000_000;
    /// One minute.
    pub const MINUTE: i64 = 60 * Micros::SECOND;
    /// One hour.
    pub const HOUR: i64 = 60 * Micros::MINUTE;
    /// Twenty-four hours.
    pub const DAY: i64 = 24 * Micros::HOUR;

    /// The instant `micros` microseconds later, kept within `i64`.
    #[must_use]
    pub fn plus(self, micros: i64) -> Micros {
        Micros(self.0.saturating_add(micros))
    }

    /// Reads RFC 3339, such as `2026-05-04T12:30:00Z`.
    ///
    /// # Errors
    /// When the text is not RFC 3339, or lies outside [`Micros::MIN`]..=[`Micros::MAX`].
    pub fn parse(text: &str) -> Result<Micros, ParseTimeError> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| ParseTimeError)?;
        Micros(parsed.as_microsecond()).in_range().ok_or(ParseTimeError)
    }

    /// The instant itself if an event may carry it.
    #[must_use]
    pub fn in_range(self) -> Option<Micros> {
        (Micros::MIN..=Micros::MAX).contains(&self).then_some(self)
    }

    /// The same instant for calendars and time zones. Instants outside jiff's range are moved to its edge.
    #[must_use]
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl From<jiff::Timestamp> for Micros {
    fn from(timestamp: jiff::Timestamp) -> Micros {
        Micros(timestamp.as_microsecond())
    }
}

/// RFC 3339 in UTC.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

/// The text is no instant between 1970 and 9998 in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time in RFC 3339 between 1970 and 9998, such as 2026-05-04T12:30:00Z")]
pub struct ParseTimeError;
