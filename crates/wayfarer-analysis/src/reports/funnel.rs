//! `funnel`: how many visitors reach each of several steps. What that means exactly stands in [`crate::funnel`], and in
//! [`super::funnel_attempts`] who counts under which key.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wayfarer_event::Text;

use super::{
    Parameter, Report,
    funnel_attempts::{Attempts, Outcome, Scratch, Split, Stay, Way},
};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Cells, Fold, History, Plan},
    funnel::{Order, Reached},
    job::Job,
    metric::ratio,
    period::Intervals,
    times::{TIMES, median, p90},
};

pub(super) const REPORT: Report = Report {
    name: "funnel",
    doc: "How many visitors reach each of several steps",
    looks_at_now: true,
    parameters: &[
        Parameter::Unit,
        Parameter::Steps,
        Parameter::Window,
        Parameter::Order,
        Parameter::Exclude,
        Parameter::Entry,
        Parameter::Interval,
        Parameter::By,
        Parameter::Attribution,
    ],
    fields: &[
        (
            "key",
            "with `by`: the value of the dimension, at the step that `attribution` names; channel, source, referrer, utm_…, click_id, entry, exit and new_returning are those of the visit that it lies in",
        ),
        ("t", "with `interval`: when the visitors began"),
        ("step", "number of the step, from 1; in any order: so many steps"),
        (
            "filter",
            "the step; null where steps are met in any order and people enter at the first, since a row is then about how many steps were met, not about one of them",
        ),
        ("visitors", "visitors that reached it, having begun in the period"),
        (
            "rate",
            "their share of those that reached the first step, 0-1; where people enter at any step, of all that entered",
        ),
        ("step_rate", "the share of those at the step before that came on to this one, 0-1"),
        (
            "median_s",
            "median seconds from the first step to this one; where people enter at any step, from the step before",
        ),
        ("p90_s", "seconds within which nine in ten of them came there"),
        ("entered", "with `entry=open`: visitors that entered at this step"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let mut plan = Plan::default();
    let count = Count { attempts: Attempts::of(&mut plan, &job)? };
    let (cells, left_out) = job.walk(plan, &count)?;
    let split = &count.attempts.split;
    let reaches = arrange(split, cells);
    let unfinished: u64 = reaches.iter().map(|(_, reach)| reach.unfinished).sum();
    let mut rows = Vec::new();
    for (key, mut reach) in reaches {
        for row in count.steps(request, &mut reach) {
            let key = split.field().map(|name| (name.to_owned(), json!(key)));
            rows.push(key.into_iter().chain(row).collect());
        }
    }
    let mut meta = count.attempts.meta(request);
    meta.insert("open".into(), json!(unfinished));
    if request.exclude.is_some() {
        meta.insert("excluded".into(), json!({"visitors": left_out}));
    }
    Ok(job.answer(rows, meta))
}

/// Counts how far visitors go.
struct Count {
    attempts: Attempts,
}

/// What is told: the keys that somebody has, the most frequent first; or every interval.
fn arrange(split: &Split, cells: Cells<Reach>) -> Vec<(Option<Text>, Reach)> {
    let mut reaches: Vec<(Option<Text>, Reach)> = cells.into_iter().collect();
    let entered = |reach: &Reach| reach.steps.iter().map(|step| step.visitors).max().unwrap_or(0);
    match split {
        Split::None => reaches.truncate(1),
        Split::By(..) => reaches.retain(|(_, reach)| entered(reach) > 0),
        Split::Time(_) => {}
    }
    if reaches.is_empty() && matches!(split, Split::None) {
        reaches.push((None, Reach::default()));
    }
    match split {
        Split::Time(intervals) => every(intervals, reaches),
        _ => {
            reaches.sort_by_key(|(key, reach)| (std::cmp::Reverse(entered(reach)), key.clone()));
            reaches
        }
    }
}

/// One for each interval, in their order.
fn every(intervals: &Intervals, reaches: Vec<(Option<Text>, Reach)>) -> Vec<(Option<Text>, Reach)> {
    let mut known: hashbrown::HashMap<Option<Text>, Reach> = reaches.into_iter().collect();
    let one = |label: &String| {
        let label = Some(Text::from(label));
        let reach = known.remove(&label).unwrap_or_default();
        (label, reach)
    };
    intervals.labels().iter().map(one).collect()
}

/// How many visitors reached each step, how long they took, and how many can still get through.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Reach {
    steps: Vec<Step>,
    /// Visitors at any step.
    entered: u64,
    unfinished: u64,
}

/// Who is at one step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Step {
    visitors: u64,
    /// Those that came on from the step before.
    came_on: u64,
    times: Vec<i64>,
}

/// What is known after some visitors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    cells: Cells<Reach>,
    times: usize,
    /// Visitors that did what is excluded: with each value a funnel of its own, in one of these at least.
    left_out: u64,
    #[serde(skip)]
    scratch: Scratch,
}

impl Reach {
    fn step(&mut self, place: usize) -> &mut Step {
        if self.steps.len() <= place {
            self.steps.resize(place + 1, Step::default());
        }
        &mut self.steps[place]
    }

    /// Counts a visitor, and tells how many times were kept.
    #[inline]
    fn count(&mut self, outcome: &Outcome<'_>) -> usize {
        self.entered += 1;
        self.unfinished += u64::from(outcome.waits);
        match outcome.way {
            Way::Closed(reached) => self.count_closed(reached, outcome.rows.times),
            Way::Open { came_on, .. } => self.count_open(outcome, came_on.len()),
        }
    }

    #[inline]
    fn count_closed(&mut self, reached: &[Reached], times: &[i64]) -> usize {
        for (place, reached) in reached.iter().enumerate() {
            let step = self.step(place);
            step.visitors += 1;
            step.came_on += 1;
            if place > 0 {
                step.times.push(times[reached.end] - times[reached.start]);
            }
        }
        reached.len() - 1
    }

    fn count_open(&mut self, outcome: &Outcome<'_>, steps: usize) -> usize {
        let mut kept = 0;
        for place in 0..steps {
            let Some(stay) = outcome.at(place) else { continue };
            let step = self.step(place);
            step.visitors += 1;
            if let Stay::Came(_) = stay {
                let (began, reached) = outcome.times(place, stay);
                step.came_on += 1;
                step.times.push(reached - began);
                kept += 1;
            }
        }
        kept
    }

    fn add(&mut self, other: Reach) {
        self.entered += other.entered;
        self.unfinished += other.unfinished;
        for (place, other) in other.steps.into_iter().enumerate() {
            let step = self.step(place);
            step.visitors += other.visitors;
            step.came_on += other.came_on;
            step.times.extend(other.times);
        }
    }
}

impl Count {
    /// The rows of one funnel.
    fn steps(&self, request: &Request, reach: &mut Reach) -> Vec<Row> {
        reach.step(request.steps.len() - 1);
        let steps = &mut reach.steps;
        let all = if self.attempts.is_open { reach.entered } else { steps[0].visitors };
        let mut rows = Vec::with_capacity(steps.len());
        for (place, filter) in request.steps.iter().enumerate() {
            let mut times = std::mem::take(&mut steps[place].times);
            times.sort_unstable();
            let (step, before) = (&steps[place], &steps[place.saturating_sub(1)]);
            let came_on = if place == 0 { step.visitors } else { step.came_on };
            let told = |value: Value| if place == 0 { Value::Null } else { value };
            let mut row = Row::new();
            row.insert("step".into(), json!(place + 1));
            let names_step =
                self.attempts.is_open || self.attempts.asked.funnel.order != Order::Any;
            row.insert("filter".into(), json!(names_step.then_some(filter)));
            row.insert("visitors".into(), json!(step.visitors));
            row.insert("rate".into(), ratio(step.visitors as f64, all));
            row.insert("step_rate".into(), ratio(came_on as f64, before.visitors));
            row.insert("median_s".into(), told(median(&times)));
            row.insert("p90_s".into(), told(p90(&times)));
            if self.attempts.is_open {
                row.insert("entered".into(), json!(step.visitors - step.came_on));
            }
            rows.push(row);
        }
        rows
    }
}

impl Fold for Count {
    type State = Counted;
    type Output = (Cells<Reach>, u64);
    const VERSION: u32 = 4;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let Counted { cells, times, scratch, .. } = counted;
        let is_in = self.attempts.each(history, scratch, |code, outcome| {
            let reach = cells.of(code, |code| self.attempts.name(history, code));
            *times += reach.count(outcome);
        });
        counted.left_out += u64::from(!is_in);
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.times += other.times;
        counted.left_out += other.left_out;
        counted.cells.merge(other.cells, Reach::add);
    }

    fn check(&self, counted: &Counted) -> Result<(), Error> {
        if counted.times > TIMES {
            return Err(Error::TooMany { what: "times to convert", limit: TIMES });
        }
        Ok(())
    }

    fn finish(&self, counted: Counted) -> (Cells<Reach>, u64) {
        (counted.cells, counted.left_out)
    }
}
