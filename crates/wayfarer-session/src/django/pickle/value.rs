//! The Python values that a session may hold.

use jiff::civil;
use num_bigint::BigInt;

/// Text as Python writes it between the quotes of JSON: ASCII, in one spelling. It can hold the lone surrogates that no
/// Rust text can.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Text(pub(super) Box<str>);

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(BigInt),
    Float(f64),
    Text(Text),
    Bytes(Vec<u8>),
    ByteArray(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Set(Vec<Value>),
    FrozenSet(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Date(civil::Date),
    DateTime(Moment<civil::DateTime>),
    Time(Moment<civil::Time>),
    TimeDelta(TimeDelta),
    TimeZone(Zone),
    Decimal(Text),
    Uuid(Uuid),
}

/// A time on the clock, with the zone that it is meant in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment<T> {
    pub(super) at: T,
    /// The second of two equal readings, when clocks go back.
    pub(super) fold: bool,
    pub(super) zone: Option<Zone>,
}

/// A fixed offset from UTC, perhaps with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    offset: TimeDelta,
    name: Option<Text>,
}

impl Zone {
    /// `None` for an offset of a day or more, which Python has no zone for.
    pub(super) fn new(offset: TimeDelta, name: Option<Text>) -> Option<Zone> {
        let within_a_day = offset.micros_in_all().abs() < DAY;
        within_a_day.then_some(Zone { offset, name })
    }

    pub(super) fn offset(&self) -> TimeDelta {
        self.offset
    }

    pub(super) fn name(&self) -> Option<&Text> {
        self.name.as_ref()
    }

    pub(super) fn is_utc(&self) -> bool {
        self.name.is_none() && self.offset.micros_in_all() == 0
    }
}

/// A span, in Python's normal form: seconds and microseconds are not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeDelta {
    pub(super) days: i64,
    pub(super) seconds: i64,
    pub(super) micros: i64,
}

const DAY: i128 = 86_400_000_000;

impl TimeDelta {
    /// `None` outside of Python's ranges.
    pub(super) fn new(days: i64, seconds: i64, micros: i64) -> Option<TimeDelta> {
        let fits = (-999_999_999..=999_999_999).contains(&days)
            && (0..86_400).contains(&seconds)
            && (0..1_000_000).contains(&micros);
        fits.then_some(TimeDelta { days, seconds, micros })
    }

    pub(super) fn from_micros(micros: i128) -> Option<TimeDelta> {
        let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let part = |part: i128| i64::try_from(part).ok();
        TimeDelta::new(part(days)?, part(rest / 1_000_000)?, part(rest % 1_000_000)?)
    }

    pub(super) fn micros_in_all(self) -> i128 {
        i128::from(self.days) * DAY + i128::from(self.seconds) * 1_000_000 + i128::from(self.micros)
    }
}

/// A UUID, and what Python knows of how safely it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uuid {
    pub(super) number: u128,
    pub(super) is_safe: Option<i8>,
}
