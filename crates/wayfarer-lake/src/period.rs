//! The periods that files are compacted into: days of UTC while they are recent, then months.
//!
//! Short enough that "today" does not decode a quarter, long enough that a quarter is no 90-way merge.

use wayfarer_event::Micros;

/// Times further ahead than this are no days of their own: a clock that is years off must not make a file of each.
const AHEAD: i64 = 7 * Micros::DAY;
/// Times further back than this lie in one period.
const BACK: i64 = 10 * 366 * Micros::DAY;

/// A day or a month of UTC, or what lies outside of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Period {
    /// Days since 1970.
    Day(i64),
    /// Months since the year 0.
    Month(i64),
    /// All that is too old for months.
    Past,
    /// All that is too far ahead for days.
    Future,
}

impl Period {
    pub(crate) fn day(ts: i64) -> Period {
        Period::Day(ts.div_euclid(Micros::DAY))
    }

    pub(crate) fn month(ts: i64) -> Period {
        let date = Micros(ts).timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        Period::Month(i64::from(date.year()) * 12 + i64::from(date.month()) - 1)
    }
}

/// Tells the period of a time; asked in runs of near times, so the last month is remembered.
pub(crate) struct Calendar {
    /// Before this time, months; from it on, days.
    days_from: i64,
    now: Micros,
    last: std::cell::Cell<Option<(i64, Period)>>,
}

impl Calendar {
    /// Days for the last `days` before `now`, and for the future; months before.
    pub(crate) fn new(now: Micros, days: u32) -> Calendar {
        let from = now.plus(-i64::from(days).saturating_mul(Micros::DAY)).0;
        Calendar { days_from: first_of_month(from), now, last: std::cell::Cell::new(None) }
    }

    pub(crate) fn period(&self, ts: i64) -> Period {
        if ts > self.now.plus(AHEAD).0 {
            return Period::Future;
        }
        if ts >= self.days_from {
            return Period::day(ts);
        }
        if ts < self.now.plus(-BACK).0 {
            return Period::Past;
        }
        let day = ts.div_euclid(Micros::DAY);
        match self.last.get() {
            Some((known, month)) if known == day => month,
            _ => {
                let month = Period::month(ts);
                self.last.set(Some((day, month)));
                month
            }
        }
    }
}

/// The start of the month of a time, so that a month is kept in days or as a whole.
fn first_of_month(ts: i64) -> i64 {
    let date = Micros(ts).timestamp().to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    date.to_zoned(jiff::tz::TimeZone::UTC).map_or(ts, |start| start.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros::parse(text).unwrap()
    }

    #[test]
    fn recent_days_are_days_and_older_ones_whole_months() {
        let calendar = Calendar::new(at("2026-03-20T12:00:00Z"), 35);
        let period = |text| calendar.period(at(text).0);
        assert_eq!(period("2026-03-20T00:00:00Z"), period("2026-03-20T23:59:59Z"));
        assert_ne!(period("2026-03-20T00:00:00Z"), period("2026-03-21T00:00:00Z"));
        assert_ne!(period("2026-02-01T00:00:00Z"), period("2026-02-02T00:00:00Z"));
        assert_eq!(period("2026-01-01T00:00:00Z"), period("2026-01-31T23:59:59Z"));
        assert_ne!(period("2025-01-01T00:00:00Z"), period("2026-01-01T00:00:00Z"));
        assert_eq!(period("1970-01-01T00:00:00Z"), Period::Past);
        assert_eq!(period("2030-01-01T00:00:00Z"), Period::Future);
    }
}
