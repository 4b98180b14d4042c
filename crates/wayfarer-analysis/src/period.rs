//! Days, months and spans of a site's time zone: the period of a report, and the intervals that it is cut into.

use std::ops::Range;

use jiff::{
    ToSpan, Zoned,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use wayfarer_event::Micros;

use crate::{Context, Error, Request};

/// The most intervals that a period may be cut into.
const INTERVALS: usize = 100_000;

/// The time that a report covers: at or after `from`, before `until`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Period {
    pub(crate) from: Micros,
    pub(crate) until: Micros,
    zone: TimeZone,
}

impl Period {
    /// What the request asks for; `None` where it asks for all there is and there is nothing.
    pub(crate) fn of(context: &Context, request: &Request) -> Result<Option<Period>, Error> {
        let days = Days { zone: &context.timezone, now: context.now };
        let given_from = request.from.as_deref().map(|text| days.read("from", text)).transpose()?;
        let given_to = request.to.as_deref().map(|text| days.read("to", text)).transpose()?;
        let known = context.source.time_range(&request.site);
        let Some((first, last)) = known.or(given_from.as_ref().map(|_| (context.now, context.now)))
        else {
            return Ok(None);
        };
        let from = match &given_from {
            Some(given) => given.from,
            None => days.start_of_day(first, 0)?,
        };
        let until = match (&given_to, &given_from) {
            (Some(to), _) => to.until,
            (None, Some(Given { until, closed: true, .. })) => *until,
            (None, Some(_)) => days.start_of_day(last.max(context.now), 1)?.max(from),
            (None, None) => days.start_of_day(last, 1)?,
        };
        let ends_with_a_day = given_to.as_ref().is_some_and(|to| to.from != to.until);
        if until < from || (until == from && ends_with_a_day) {
            return Err(Error::parameter("to", "is before `from`"));
        }
        Ok(Some(Period { from, until, zone: context.timezone.clone() }))
    }

    /// The time before the epoch, where there is nothing.
    pub(crate) fn empty(zone: TimeZone) -> Period {
        Period { from: Micros(0), until: Micros(0), zone }
    }

    /// Another period of the same site.
    pub(crate) fn over(&self, from: Micros, until: Micros) -> Period {
        Period { from, until, zone: self.zone.clone() }
    }

    /// The period of equal length before this one: as many days where it is made of days, as much time otherwise.
    pub(crate) fn previous(&self) -> Result<Period, Error> {
        let (from, until) = (self.zoned(self.from), self.zoned(self.until));
        let whole_days =
            [&from, &until].iter().all(|at| at.start_of_day().is_ok_and(|d| d == **at));
        let before = if whole_days {
            let days = from.date().until(until.date()).map_err(|_| too_far("compare"))?;
            from.date().checked_sub(days).and_then(|day| day.to_zoned(self.zone.clone()))
        } else {
            from.checked_sub((self.until.0 - self.from.0).microseconds())
        };
        let before = before.map_err(|_| too_far("compare"))?;
        Ok(Period { from: before.timestamp().into(), until: self.from, zone: self.zone.clone() })
    }

    /// The period with the interval before it put in front.
    pub(crate) fn with_interval_before(&self, interval: Interval) -> Result<Period, Error> {
        let before = self.zoned(self.from);
        let before = interval.start(&before).and_then(|start| {
            let end_of_previous = start.checked_sub(1.microsecond())?;
            interval.start(&end_of_previous)
        });
        let before = before.map_err(|_| too_far("from"))?;
        Ok(self.over(before.timestamp().into(), self.until))
    }

    /// The first day.
    pub(crate) fn first_day(&self) -> String {
        self.zoned(self.from).date().to_string()
    }

    /// The last day.
    pub(crate) fn last_day(&self) -> String {
        self.zoned(self.until.plus(-1).max(self.from)).date().to_string()
    }

    /// The period cut into intervals.
    pub(crate) fn intervals(&self, interval: Interval) -> Result<Intervals, Error> {
        let mut starts = Vec::new();
        let mut labels = Vec::new();
        let mut at = interval.start(&self.zoned(self.from)).map_err(|_| too_far("from"))?;
        while Micros::from(at.timestamp()) < self.until {
            if starts.len() == INTERVALS {
                return Err(Error::TooMany { what: "intervals", limit: INTERVALS });
            }
            starts.push(at.timestamp().as_microsecond());
            labels.push(interval.label(&at));
            at = interval.next(&at).map_err(|_| too_far("to"))?;
        }
        starts.push(at.timestamp().as_microsecond());
        Ok(Intervals::new(starts, labels))
    }

    fn zoned(&self, at: Micros) -> Zoned {
        at.timestamp().to_zoned(self.zone.clone())
    }
}

/// The instants that two ends of a period stand for, as reports read them: the first that belongs to it, and the first that
/// does not any more. `None` where an end is open.
///
/// # Errors
/// When a text is no day, month, year, span or instant.
pub fn bounds(
    from: Option<&str>,
    to: Option<&str>,
    zone: &TimeZone,
    now: Micros,
) -> Result<(Option<Micros>, Option<Micros>), Error> {
    let days = Days { zone, now };
    let from = from.map(|text| days.read("from", text)).transpose()?;
    let to = to.map(|text| days.read("to", text)).transpose()?;
    let until = match (&to, &from) {
        (Some(to), _) => Some(to.until),
        (None, Some(Given { until, closed: true, .. })) => Some(*until),
        (None, _) => None,
    };
    Ok((from.map(|given| given.from), until))
}

fn too_far(parameter: &'static str) -> Error {
    Error::parameter(parameter, "reaches out of the calendar")
}

/// Reads the days that people write.
struct Days<'a> {
    zone: &'a TimeZone,
    now: Micros,
}

/// What one word of a period stands for.
struct Given {
    from: Micros,
    until: Micros,
    /// Whether it is a whole period by itself, such as a month, rather than one end of it.
    closed: bool,
}

impl Days<'_> {
    fn read(&self, parameter: &'static str, text: &str) -> Result<Given, Error> {
        if let Ok(at) = Micros::parse(text) {
            return Ok(Given { from: at, until: at, closed: false });
        }
        let today = self.now.timestamp().to_zoned(self.zone.clone()).date();
        if let Some(hours) = text.strip_suffix('h').and_then(number) {
            let from = self.now.plus(-hours.saturating_mul(Micros::HOUR)).max(Micros::MIN);
            return Ok(Given { from, until: self.now, closed: true });
        }
        let (first, after, closed) = match text {
            "today" => (today, today.checked_add(1.day()), true),
            "yesterday" => {
                let day = today.yesterday().map_err(|_| too_far(parameter))?;
                (day, Ok(today), true)
            }
            _ => match span(text, today) {
                Some((first, after, closed)) => (first, Ok(after), closed),
                None => {
                    return Err(Error::parameter(
                        parameter,
                        format!(
                            "is `{text}`: write a day (2026-03-01), a month (2026-03), a year, 7d, 24h, today, yesterday or an instant in RFC 3339"
                        ),
                    ));
                }
            },
        };
        let after = after.map_err(|_| too_far(parameter))?;
        let start = |day: Date| -> Result<Micros, Error> {
            let start = day.to_zoned(self.zone.clone()).map_err(|_| too_far(parameter))?;
            Micros::from(start.timestamp()).in_range().ok_or_else(|| too_far(parameter))
        };
        Ok(Given { from: start(first)?, until: start(after)?, closed })
    }

    /// The start of the day of an instant, or of a later day.
    fn start_of_day(&self, at: Micros, days_later: i64) -> Result<Micros, Error> {
        let day = at.timestamp().to_zoned(self.zone.clone()).date();
        let day = day.checked_add(days_later.days()).map_err(|_| too_far("to"))?;
        let start = day.to_zoned(self.zone.clone()).map_err(|_| too_far("to"))?;
        Ok(start.timestamp().into())
    }
}

fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (1..=1_000_000).contains(&number).then_some(number)
}

/// The first day, the day after the last, and whether it is a whole period by itself.
fn span(text: &str, today: Date) -> Option<(Date, Date, bool)> {
    if let Some(days) = text.strip_suffix('d') {
        let back = (number(days)? - 1).days();
        return Some((today.checked_sub(back).ok()?, today.tomorrow().ok()?, true));
    }
    match text.len() {
        4 => {
            let first = format!("{text}-01-01").parse::<Date>().ok()?;
            Some((first, first.checked_add(1.year()).ok()?, true))
        }
        7 => {
            let first = format!("{text}-01").parse::<Date>().ok()?;
            Some((first, first.checked_add(1.month()).ok()?, true))
        }
        10 => {
            let day = text.parse::<Date>().ok()?;
            Some((day, day.tomorrow().ok()?, false))
        }
        _ => None,
    }
}

/// How long the parts of a period are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interval {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Interval {
    /// Every interval by its name.
    pub(crate) const ALL: [(&'static str, Interval); 7] = [
        ("minute", Interval::Minute),
        ("hour", Interval::Hour),
        ("day", Interval::Day),
        ("week", Interval::Week),
        ("month", Interval::Month),
        ("quarter", Interval::Quarter),
        ("year", Interval::Year),
    ];

    /// The interval of a request, or another where it names none.
    pub(crate) fn of(request: &Request, default: Interval) -> Result<Interval, Error> {
        let Some(name) = &request.interval else { return Ok(default) };
        let found = Interval::ALL.iter().find(|(known, _)| known == name);
        found.map(|(_, interval)| *interval).ok_or_else(|| {
            let names = Interval::ALL.map(|(name, _)| name).join(", ");
            Error::parameter("interval", format!("is `{name}`: it can be one of {names}"))
        })
    }

    /// The start of the interval that an instant lies in. Weeks start on Monday.
    fn start(self, at: &Zoned) -> Result<Zoned, jiff::Error> {
        let date = at.date();
        let zone = at.time_zone().clone();
        match self {
            Interval::Minute => at.with().second(0).subsec_nanosecond(0).build(),
            Interval::Hour => at.with().minute(0).second(0).subsec_nanosecond(0).build(),
            Interval::Day => at.start_of_day(),
            Interval::Week => {
                let back = date.weekday().since(Weekday::Monday);
                date.checked_sub(i64::from(back).days())?.to_zoned(zone)
            }
            Interval::Month => date.first_of_month().to_zoned(zone),
            Interval::Quarter => {
                let back = (date.month() - 1) % 3;
                date.first_of_month().checked_sub(i64::from(back).months())?.to_zoned(zone)
            }
            Interval::Year => date.first_of_year().to_zoned(zone),
        }
    }

    /// The start of the interval after the one that starts at `at`.
    fn next(self, at: &Zoned) -> Result<Zoned, jiff::Error> {
        let zone = at.time_zone().clone();
        match self {
            Interval::Minute => at.checked_add(1.minute()),
            Interval::Hour => at.checked_add(1.hour()),
            Interval::Day => at.date().tomorrow()?.to_zoned(zone),
            Interval::Week => at.date().checked_add(1.week())?.to_zoned(zone),
            Interval::Month => at.date().checked_add(1.month())?.to_zoned(zone),
            Interval::Quarter => at.date().checked_add(3.months())?.to_zoned(zone),
            Interval::Year => at.date().checked_add(1.year())?.to_zoned(zone),
        }
    }

    fn label(self, at: &Zoned) -> String {
        match self {
            Interval::Minute | Interval::Hour => at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            Interval::Day | Interval::Week => at.date().to_string(),
            Interval::Month => at.strftime("%Y-%m").to_string(),
            Interval::Quarter => format!("{}-Q{}", at.year(), (at.month() - 1) / 3 + 1),
            Interval::Year => at.strftime("%Y").to_string(),
        }
    }
}

/// The parts of a period, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Intervals {
    /// Where each starts, then where the last one ends.
    starts: Vec<i64>,
    /// About how many begin in 2⁶⁴ microseconds.
    pace: u64,
    labels: Vec<String>,
}

impl Intervals {
    fn new(starts: Vec<i64>, labels: Vec<String>) -> Intervals {
        let ends = starts.first().zip(starts.last());
        let whole = ends.map_or(0, |(first, last)| last.saturating_sub(*first)).max(1);
        let pace = ((labels.len() as u128) << 64) / u128::from(whole.unsigned_abs());
        Intervals { starts, pace: u64::try_from(pace).unwrap_or(u64::MAX), labels }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// How each is called: its day, the Monday of its week, its month, quarter or year, the start of its hour or minute.
    pub(crate) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Where the interval starts and ends.
    pub(crate) fn bounds(&self, place: usize) -> (i64, i64) {
        let edge = |place: usize| self.starts.get(place).copied().unwrap_or(i64::MAX);
        (edge(place), edge(place + 1))
    }

    /// Cuts rows of the period, whose times ascend, into those of each interval that has any.
    #[inline]
    pub(crate) fn cut(
        &self,
        times: &[i64],
        mut rows: Range<usize>,
    ) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut place = 0;
        std::iter::from_fn(move || {
            let (first, later) = times.get(rows.clone())?.split_first()?;
            place = self.find(place, *first);
            let (_, end) = self.bounds(place);
            let more = later.iter().take_while(|ts| **ts < end).count();
            let same = rows.start..rows.start + 1 + more;
            rows.start = same.end;
            Some((place, same))
        })
    }

    /// The interval that an instant of the period lies in, if it is looked for at or after `place`.
    #[inline]
    pub(crate) fn find(&self, place: usize, ts: i64) -> usize {
        // Mostly an event lies in the interval of the one before.
        if self.begins_by(place + 1, ts) { self.find_later(place, ts) } else { place }
    }

    fn find_later(&self, place: usize, ts: i64) -> usize {
        // Intervals are about equally long, so a guess is hardly ever off by more than one.
        let first = self.starts.first().copied().unwrap_or_default();
        let since = ts.saturating_sub(first).max(0).unsigned_abs();
        let guess = (u128::from(since) * u128::from(self.pace)) >> 64;
        let mut found = (guess as usize).clamp(place, self.len().saturating_sub(1).max(place));
        while found > place && !self.begins_by(found, ts) {
            found -= 1;
        }
        while self.begins_by(found + 1, ts) {
            found += 1;
        }
        found
    }

    /// Whether there is such an interval, and it has begun at that instant.
    fn begins_by(&self, place: usize, ts: i64) -> bool {
        place < self.len() && self.starts.get(place).is_some_and(|start| *start <= ts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(zone: &str, from: &str, until: &str) -> Period {
        Period {
            from: Micros::parse(from).unwrap(),
            until: Micros::parse(until).unwrap(),
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    fn read(text: &str) -> Option<(String, String)> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let days = Days { zone: &zone, now: Micros::parse("2026-03-29T22:30:00Z").unwrap() };
        let given = days.read("from", text).ok()?;
        Some((given.from.to_string(), given.until.to_string()))
    }

    #[test]
    fn days_are_those_of_the_site() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(read("2026-03-29"), pair("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"));
        assert_eq!(read("today"), pair("2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"));
        assert_eq!(read("yesterday"), read("2026-03-29"));
        assert_eq!(read("2d"), pair("2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z"));
        assert_eq!(read("2026-03"), pair("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"));
        assert_eq!(read("2025"), pair("2024-12-31T23:00:00Z", "2025-12-31T23:00:00Z"));
        assert_eq!(read("1h"), pair("2026-03-29T21:30:00Z", "2026-03-29T22:30:00Z"));
        for text in ["", "x", "2026-13", "2026-02-30", "0d", "-3d", "9999", "20260101", "99999999d"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_has_as_many_hours_as_it_has() {
        let spring = period("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        let autumn = period("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        let hours = |period: &Period| period.intervals(Interval::Hour).unwrap().labels;
        assert_eq!(hours(&spring).len(), 23);
        assert_eq!(hours(&autumn).len(), 25);
        assert_eq!(
            hours(&autumn)[2..4],
            ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]
        );
        assert_eq!(spring.intervals(Interval::Day).unwrap().labels, ["2026-03-29"]);
    }

    #[test]
    fn weeks_and_months_are_cut_by_the_calendar() {
        let period = period("UTC", "2026-01-30T00:00:00Z", "2026-03-02T00:00:00Z");
        let months = period.intervals(Interval::Month).unwrap();
        assert_eq!(months.labels(), ["2026-01", "2026-02", "2026-03"]);
        let weeks = period.intervals(Interval::Week).unwrap();
        assert_eq!(weeks.labels()[0], "2026-01-26");
        assert_eq!(weeks.len(), 5);
        assert_eq!(weeks.find(0, period.until.0 - 1), 4);
        assert_eq!(weeks.find(0, period.from.0), 0);
    }

    #[test]
    fn quarters_and_years_are_cut_by_the_calendar() {
        let period = period("Europe/Berlin", "2025-12-31T23:30:00Z", "2027-01-01T00:00:00Z");
        let quarters = period.intervals(Interval::Quarter).unwrap();
        let labels = ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4", "2027-Q1"];
        assert_eq!(quarters.labels(), labels);
        assert_eq!(period.intervals(Interval::Year).unwrap().labels(), ["2026", "2027"]);
        let june = Micros::parse("2026-06-30T21:59:59Z").unwrap().0;
        assert_eq!([quarters.find(0, june), quarters.find(0, june + Micros::SECOND)], [1, 2]);
    }

    #[test]
    fn minutes_go_on_while_clocks_are_put_back() {
        let autumn = period("Europe/Berlin", "2026-10-25T00:58:30Z", "2026-10-25T01:01:00Z");
        let minutes = autumn.intervals(Interval::Minute).unwrap();
        let labels =
            ["2026-10-25T02:58:00+02:00", "2026-10-25T02:59:00+02:00", "2026-10-25T02:00:00+01:00"];
        assert_eq!(minutes.labels(), labels);
    }

    #[test]
    fn the_period_before_has_as_many_days() {
        let march = period("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-31T22:00:00Z");
        let before = march.previous().unwrap();
        assert_eq!(
            (before.first_day(), before.last_day()),
            ("2026-03-26".into(), "2026-03-28".into())
        );
        let hours = period("UTC", "2026-03-28T01:00:00Z", "2026-03-28T03:00:00Z");
        assert_eq!(
            hours.previous().unwrap(),
            period("UTC", "2026-03-27T23:00:00Z", "2026-03-28T01:00:00Z")
        );
    }
}
