//! `funnel-times`: how long visitors took to get to a step of a funnel, as a histogram.
//!
//! The time is that from the first step to the step, of the attempt that `funnel` tells the median of. The bars are equally
//! wide, a round length of time, just so wide that no more of them are needed than were asked for; none is left out, so that
//! the picture has no gaps.

use serde_json::json;
use wayfarer_event::Micros;

use super::{Parameter, Report, parameter::bounded};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Fold, History, Plan},
    funnel::Asked,
    job::Job,
    metric::ratio,
    times::{TIMES, median, p90},
};

/// How many bars there are unless the request says it, and at the most.
const BARS: (usize, usize) = (20, 1000);

/// How wide bars are, in seconds: what people count time in.
const WIDTHS: [i64; 24] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800, 1_209_600, 2_419_200, 7_257_600, 31_536_000,
];

pub(super) const REPORT: Report = Report {
    name: "funnel-times",
    doc: "How long visitors took to get to a step of a funnel, as a histogram",
    looks_at_now: true,
    parameters: &[
        Parameter::Unit,
        Parameter::Steps,
        Parameter::Window,
        Parameter::Order,
        Parameter::Exclude,
        Parameter::Step,
        Parameter::Limit,
    ],
    fields: &[
        ("from_s", "seconds from the first step to this one: at least so many"),
        ("until_s", "and fewer than so many"),
        ("visitors", "visitors that took so long"),
        ("rate", "their share of those that reached the step, 0-1"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let bars = bounded("limit", request.limit, BARS)?;
    let mut plan = Plan::default();
    let asked = Asked::of(&mut plan, &job)?;
    let step = asked.step(request)?;
    let mut times = job.walk(plan, &Time { asked, step })?;
    times.sort_unstable();
    let width = width(times.last().copied().unwrap_or(0), bars as i64);
    let mut meta = Asked::meta(request);
    meta.insert("step".into(), json!(step));
    meta.insert("visitors".into(), json!(times.len()));
    meta.insert("width_s".into(), json!(width / Micros::SECOND));
    meta.insert("median_s".into(), median(&times));
    meta.insert("p90_s".into(), p90(&times));
    Ok(job.answer(rows(&times, width), meta))
}

/// The least round width, in microseconds, with which so many bars hold times up to `longest`.
fn width(longest: i64, bars: i64) -> i64 {
    let fits = |width: &i64| longest / width < bars;
    let round = WIDTHS.map(|seconds| seconds * Micros::SECOND).into_iter().find(fits);
    let last = WIDTHS[WIDTHS.len() - 1] * Micros::SECOND;
    round.unwrap_or_else(|| last * (longest / last / bars + 1))
}

/// One row for each bar up to the longest of these sorted times.
fn rows(mut times: &[i64], width: i64) -> Vec<Row> {
    let all = times.len() as u64;
    let mut rows = Vec::new();
    let mut from = 0;
    while !times.is_empty() {
        let until = from + width;
        let (bar, rest) = times.split_at(times.partition_point(|time| *time < until));
        let mut row = Row::new();
        row.insert("from_s".into(), json!(from / Micros::SECOND));
        row.insert("until_s".into(), json!(until / Micros::SECOND));
        row.insert("visitors".into(), json!(bar.len()));
        row.insert("rate".into(), ratio(bar.len() as f64, all));
        rows.push(row);
        (times, from) = (rest, until);
    }
    rows
}

/// Collects how long each visitor took, in microseconds.
struct Time {
    asked: Asked,
    /// From 1.
    step: usize,
}

impl Fold for Time {
    type State = Vec<i64>;
    type Output = Vec<i64>;
    const VERSION: u32 = 3;

    fn start(&self) -> Vec<i64> {
        Vec::new()
    }

    fn visitor(&self, taken: &mut Vec<i64>, history: &History<'_>) -> Result<(), Error> {
        let rows = self.asked.rows(history);
        let mut reached = Vec::new();
        self.asked.funnel.follow(rows, &mut reached);
        let at = reached.get(self.step - 1);
        taken.extend(at.map(|at| rows.times[at.end] - rows.times[at.start]));
        Ok(())
    }

    fn merge(&self, taken: &mut Vec<i64>, other: Vec<i64>) {
        taken.extend(other);
    }

    fn check(&self, taken: &Vec<i64>) -> Result<(), Error> {
        if taken.len() > TIMES {
            return Err(Error::TooMany { what: "times to convert", limit: TIMES });
        }
        Ok(())
    }

    fn finish(&self, taken: Vec<i64>) -> Vec<i64> {
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_round_and_no_more_than_asked_for() {
        let seconds = |longest: i64, bars| width(longest * Micros::SECOND, bars) / Micros::SECOND;
        assert_eq!([seconds(0, 20), seconds(19, 20), seconds(20, 20)], [1, 1, 2]);
        assert_eq!(seconds(14 * 86_400, 20), 86_400);
        assert_eq!([seconds(59, 1), seconds(60, 1)], [60, 120]);
        let decade = 3653 * 86_400;
        assert!(seconds(decade, 1) > decade && seconds(decade, 1) <= 2 * decade);
    }
}
