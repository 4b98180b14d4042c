//! The periods that files are compacted into: days of UTC while they are recent, then weeks, then months.
//!
//! Short enough that "today" does not decode a quarter, long enough that a quarter is no 90-way merge: of a visitor who
//! comes on ten days of a month, a report finds one stretch of rows there, not ten. Weeks are those of a month (from its 1st,
//! 8th, 15th, 22nd and 29th on), so that each lies in one month, and is made of seven days at the most.

use jiff::{civil::Date, tz::TimeZone};
use wayfarer_event::Micros;

/// Times further ahead than this are no days of their own: a clock that is years off must not make a file of each.
const AHEAD: i64 = 7 * Micros::DAY;
/// Times further back than this lie in one period.
const BACK: i64 = 10 * 366 * Micros::DAY;

/// A day, a week or a month of UTC, or what lies outside of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Period {
    /// Days since 1970.
    Day(i64),
    /// The day of its start, in days since 1970.
    Week(i64),
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

    fn week(ts: i64) -> Period {
        Period::Week(first_of_week(ts).div_euclid(Micros::DAY))
    }

    pub(crate) fn month(ts: i64) -> Period {
        let date = date(ts);
        Period::Month(i64::from(date.year()) * 12 + i64::from(date.month()) - 1)
    }
}

/// Tells the period of a time; asked in runs of near times, so the last one is remembered.
pub(crate) struct Calendar {
    /// From this time on, days.
    days_from: i64,
    /// From this time on, weeks; before it, months.
    weeks_from: i64,
    now: Micros,
    last: std::cell::Cell<Option<(i64, Period)>>,
}

impl Calendar {
    /// Days for the last `days` before `now`, back to the start of a week, and for the future; weeks for the last `weeks`
    /// days, back to the start of a month; months before.
    pub(crate) fn new(now: Micros, days: u32, weeks: u32) -> Calendar {
        let back = |days: u32| now.plus(-i64::from(days).saturating_mul(Micros::DAY)).0;
        Calendar {
            days_from: first_of_week(back(days)),
            weeks_from: first_of_month(back(days.max(weeks))),
            now,
            last: std::cell::Cell::new(None),
        }
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
            Some((known, period)) if known == day => period,
            _ => {
                let is_week = ts >= self.weeks_from;
                let period = if is_week { Period::week(ts) } else { Period::month(ts) };
                self.last.set(Some((day, period)));
                period
            }
        }
    }
}

fn date(ts: i64) -> Date {
    Micros(ts).timestamp().to_zoned(TimeZone::UTC).date()
}

/// The start of the week of a time, so that a week is kept in days or as a whole.
fn first_of_week(ts: i64) -> i64 {
    let days_in = i64::from(date(ts).day() - 1) % 7;
    (ts.div_euclid(Micros::DAY) - days_in).saturating_mul(Micros::DAY)
}

/// The start of the month of a time, so that a month is kept in days and weeks or as a whole.
fn first_of_month(ts: i64) -> i64 {
    let days_in = i64::from(date(ts).day() - 1);
    (ts.div_euclid(Micros::DAY) - days_in).saturating_mul(Micros::DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros::parse(text).unwrap()
    }

    #[test]
    fn recent_days_are_days_then_come_weeks_and_whole_months() {
        let calendar = Calendar::new(at("2026-03-20T12:00:00Z"), 7, 30);
        let period = |text| calendar.period(at(text).0);
        let is_one = |first, last| period(first) == period(last);
        assert!(is_one("2026-03-20T00:00:00Z", "2026-03-20T23:59:59.999999Z"));
        assert!(!is_one("2026-03-20T00:00:00Z", "2026-03-21T00:00:00Z"));
        // Seven days back is the 13th; its week began on the 8th.
        assert!(!is_one("2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z"));
        assert!(is_one("2026-03-01T00:00:00Z", "2026-03-07T23:59:59.999999Z"));
        assert!(!is_one("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"));
        assert!(is_one("2026-02-22T00:00:00Z", "2026-02-28T23:59:59.999999Z"));
        // Thirty days back is the 18th of February, so all of it is in weeks.
        assert!(!is_one("2026-02-01T00:00:00Z", "2026-02-08T00:00:00Z"));
        assert!(is_one("2026-01-01T00:00:00Z", "2026-01-31T23:59:59.999999Z"));
        assert!(!is_one("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"));
        assert_eq!(period("1970-01-01T00:00:00Z"), Period::Past);
        assert_eq!(period("2030-01-01T00:00:00Z"), Period::Future);
    }

    #[test]
    fn a_week_lies_in_one_month_and_has_seven_days_at_the_most() {
        let calendar = Calendar::new(at("2027-01-01T00:00:00Z"), 0, 4000);
        let start = at("2024-01-01T00:00:00Z").0;
        let days: Vec<(Period, Period)> = (0..1000)
            .map(|day| start + day * Micros::DAY)
            .map(|ts| (calendar.period(ts), Period::month(ts)))
            .collect();
        for week in days.chunk_by(|a, b| a.0 == b.0) {
            assert!(matches!(week[0].0, Period::Week(_)));
            assert!(week.len() <= 7 && week.iter().all(|day| day.1 == week[0].1), "{week:?}");
        }
    }

    #[test]
    fn without_recent_days_or_weeks_there_are_months() {
        let calendar = Calendar::new(at("2026-03-01T00:00:00Z"), 0, 0);
        let period = |text| calendar.period(at(text).0);
        assert_eq!(period("2026-02-01T00:00:00Z"), period("2026-02-28T23:59:59Z"));
    }
}
