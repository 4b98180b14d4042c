//! `funnel`: how many visitors reach each of several steps. What that means exactly stands in [`crate::funnel`].
//!
//! A funnel is **closed** unless the request says otherwise: everybody enters at the first step. Into an **open** one people
//! enter at any step. At a step are then those that did it in the period, or came on to it from the step before: an attempt at
//! these two steps alone. Those that did not come on have entered there. Who is left out of one such attempt for what it did
//! between, is left out of all.
//!
//! With `interval`, a visitor counts in the interval in which its attempt began.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wayfarer_event::Text;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Cells, Fold, History, Plan},
    funnel::{Asked, EXCLUDED, Funnel, Order, Reached, Rows, Stand, adjacent},
    job::Job,
    metric::ratio,
    period::{Interval, Intervals},
    times::{TIMES, median, p90},
    visit_key::EventKey,
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
    let asked = Asked::of(&mut plan, &job)?;
    let split = Split::of(&mut plan, &job)?;
    if let Split::By(key, _) = &split
        && key.looks_ahead()
    {
        // The visit of a last step is seen to its end.
        plan.after(asked.funnel.longest().saturating_add(context.visits.cap));
    }
    let count = Count { is_open: is_open(request)?, split, asked };
    if count.is_open && !matches!(count.split, Split::None | Split::By(_, At::All)) {
        let problem = "is open: break down with attribution=all, and not by time";
        return Err(Error::parameter("entry", problem));
    }
    let (cells, left_out) = job.walk(plan, &count)?;
    let reaches = count.split.arrange(cells);
    let unfinished: u64 = reaches.iter().map(|(_, reach)| reach.unfinished).sum();
    let mut rows = Vec::new();
    for (key, mut reach) in reaches {
        let name = match count.split {
            Split::None => None,
            Split::By(..) => Some("key"),
            Split::Time(_) => Some("t"),
        };
        for row in count.steps(request, &mut reach) {
            let key = name.map(|name| (name.to_owned(), json!(key)));
            rows.push(key.into_iter().chain(row).collect());
        }
    }
    let mut meta = Asked::meta(request);
    meta.insert("entry".into(), json!(if count.is_open { "open" } else { "closed" }));
    meta.insert("open".into(), json!(unfinished));
    if request.exclude.is_some() {
        meta.insert("excluded".into(), json!({"visitors": left_out}));
    }
    Ok(job.answer(rows, meta))
}

fn is_open(request: &Request) -> Result<bool, Error> {
    match request.entry.as_deref() {
        None | Some("closed") => Ok(false),
        Some("open") => Ok(true),
        Some(other) => {
            Err(Error::parameter("entry", format!("is `{other}`: it can be closed or open")))
        }
    }
}

/// Counts how far visitors go.
struct Count {
    asked: Asked,
    is_open: bool,
    split: Split,
}

/// Under which keys visitors count.
enum Split {
    None,
    By(EventKey, At),
    Time(Intervals),
}

/// Whose value of the dimension counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    First,
    Last,
    /// The step at this place; not known of those that did not reach it.
    Step(usize),
    /// That of all steps: each value is a funnel of its own.
    All,
}

impl At {
    fn of(request: &Request) -> Result<At, Error> {
        let step = |text: &str| -> Option<usize> {
            text.parse().ok().filter(|step| (1..=request.steps.len()).contains(step))
        };
        match request.attribution.as_deref() {
            None if is_open(request)? => Ok(At::All),
            Some(text) if step(text).is_some() && request.order.as_deref() == Some("any") => {
                let problem = format!(
                    "is `{text}`: in any order no step has a number, so it can be first, last or all"
                );
                Err(Error::parameter("attribution", problem))
            }
            None | Some("first") => Ok(At::First),
            Some("last") => Ok(At::Last),
            Some("all") => Ok(At::All),
            Some(text) => step(text).map(|step| At::Step(step - 1)).ok_or_else(|| {
                let problem = format!("is `{text}`: it can be first, last, all or a step's number");
                Error::parameter("attribution", problem)
            }),
        }
    }
}

impl Split {
    fn of(plan: &mut Plan, job: &Job<'_>) -> Result<Split, Error> {
        let at = At::of(job.request)?;
        match (EventKey::of(plan, job)?, job.request.interval.as_deref()) {
            (None, None) if job.request.attribution.is_some() => {
                Err(Error::parameter("attribution", "is about a dimension: give `by`, too"))
            }
            (None, None) => Ok(Split::None),
            (Some(key), None) => Ok(Split::By(key, at)),
            (None, Some(_)) => {
                let interval = Interval::of(job.request, Interval::Day)?;
                Ok(Split::Time(job.period.intervals(interval)?))
            }
            (Some(_), Some(_)) => Err(Error::parameter("interval", "cannot be given beside `by`")),
        }
    }

    /// What is told: the keys that somebody has, the most frequent first; or every interval.
    fn arrange(&self, cells: Cells<Reach>) -> Vec<(Option<Text>, Reach)> {
        let mut reaches: Vec<(Option<Text>, Reach)> = cells.into_iter().collect();
        let entered =
            |reach: &Reach| reach.steps.iter().map(|step| step.visitors).max().unwrap_or(0);
        match self {
            Split::None => reaches.truncate(1),
            Split::By(..) => reaches.retain(|(_, reach)| entered(reach) > 0),
            Split::Time(_) => {}
        }
        if reaches.is_empty() && matches!(self, Split::None) {
            reaches.push((None, Reach::default()));
        }
        match self {
            Split::Time(intervals) => every(intervals, reaches),
            _ => {
                reaches
                    .sort_by_key(|(key, reach)| (std::cmp::Reverse(entered(reach)), key.clone()));
                reaches
            }
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
    reached: Vec<Reached>,
}

impl Reach {
    fn step(&mut self, place: usize) -> &mut Step {
        if self.steps.len() <= place {
            self.steps.resize(place + 1, Step::default());
        }
        &mut self.steps[place]
    }

    /// Counts a visitor that entered at the first step.
    fn count(&mut self, reached: &[Reached], times: &[i64]) -> usize {
        self.entered += 1;
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
        let all = if self.is_open { reach.entered } else { steps[0].visitors };
        let mut rows = Vec::with_capacity(steps.len());
        for (place, filter) in request.steps.iter().enumerate() {
            let mut times = std::mem::take(&mut steps[place].times);
            times.sort_unstable();
            let (step, before) = (&steps[place], &steps[place.saturating_sub(1)]);
            let came_on = if place == 0 { step.visitors } else { step.came_on };
            let told = |value: Value| if place == 0 { Value::Null } else { value };
            let mut row = Row::new();
            row.insert("step".into(), json!(place + 1));
            let names_step = self.is_open || self.asked.funnel.order != Order::Any;
            row.insert("filter".into(), json!(names_step.then_some(filter)));
            row.insert("visitors".into(), json!(step.visitors));
            row.insert("rate".into(), ratio(step.visitors as f64, all));
            row.insert("step_rate".into(), ratio(came_on as f64, before.visitors));
            row.insert("median_s".into(), told(median(&times)));
            row.insert("p90_s".into(), told(p90(&times)));
            if self.is_open {
                row.insert("entered".into(), json!(step.visitors - step.came_on));
            }
            rows.push(row);
        }
        rows
    }

    /// Counts a visitor under one key. False when it is left out.
    fn closed(
        &self,
        counted: &mut Counted,
        history: &History<'_>,
        rows: Rows<'_>,
        key: Option<u32>,
    ) -> bool {
        let Counted { cells, times, reached, .. } = counted;
        let stand = self.asked.funnel.follow(rows, reached);
        let Some(last) = reached.last() else { return stand != Stand::LeftOut };
        let code = key.unwrap_or_else(|| self.code(history, reached, last));
        let reach = cells.of(code, |code| self.name(history, code));
        reach.unfinished += u64::from(stand.waits(self.asked.open_from));
        *times += reach.count(reached, rows.times);
        true
    }

    /// Counts a visitor that may have entered at any step, under one key. False when it is left out.
    fn open(&self, counted: &mut Counted, history: &History<'_>, rows: Rows<'_>, key: u32) -> bool {
        let Some((came_on, waiting)) = self.came_on(rows, &mut counted.reached) else {
            return false;
        };
        let (start, end) = rows.entry;
        let steps = rows.masks[start..end].iter().filter(|mask| **mask & EXCLUDED == 0);
        let done = steps.fold(0, |done, mask| done | mask);
        let mut has_entered = false;
        for (place, came_on) in came_on.into_iter().enumerate() {
            if came_on.is_none() && done >> place & 1 == 0 {
                continue;
            }
            let reach = counted.cells.of(key, |code| self.name(history, code));
            if !has_entered {
                reach.entered += 1;
                reach.unfinished += u64::from(waiting & !done != 0);
            }
            has_entered = true;
            let step = reach.step(place);
            step.visitors += 1;
            if let Some(reached) = came_on {
                step.came_on += 1;
                step.times.push(rows.times[reached.end] - rows.times[reached.start]);
                counted.times += 1;
            }
        }
        true
    }

    /// How a visitor came on to each step from the one before, where it did, and the steps to which it still may, as bits;
    /// `None` when it is left out.
    fn came_on(
        &self,
        rows: Rows<'_>,
        reached: &mut Vec<Reached>,
    ) -> Option<(Vec<Option<Reached>>, u64)> {
        let pair = Funnel { steps: 2, ..self.asked.funnel };
        let (mut came_on, mut waiting) = (vec![None], 0);
        for place in 1..self.asked.funnel.steps {
            let masks = adjacent(rows.masks, place);
            let stand = pair.follow(Rows { masks: &masks, ..rows }, reached);
            if stand == Stand::LeftOut {
                return None;
            }
            waiting |= u64::from(stand.waits(self.asked.open_from)) << place;
            came_on.push(reached.get(1).copied());
        }
        Some((came_on, waiting))
    }

    /// Counts a visitor, under one key where that is known. False when it is left out.
    fn visitor_under(
        &self,
        counted: &mut Counted,
        history: &History<'_>,
        rows: Rows<'_>,
        key: Option<u32>,
    ) -> bool {
        if self.is_open {
            self.open(counted, history, rows, key.unwrap_or(0))
        } else {
            self.closed(counted, history, rows, key)
        }
    }

    /// Counts a visitor under each value of a dimension by itself, as if it had no other rows. False when it is left out of one.
    fn each(&self, counted: &mut Counted, history: &History<'_>, key: &EventKey) -> bool {
        let (rows, codes) = (self.asked.rows(history), key.codes(history));
        let mut values: Vec<u32> = codes
            .iter()
            .zip(rows.masks)
            .filter(|(_, mask)| **mask != 0)
            .map(|(code, _)| *code)
            .collect();
        values.sort_unstable();
        values.dedup();
        let mut is_in_all = true;
        for value in values {
            let own = |(mask, code): (&u64, &u32)| {
                if *code == value { *mask } else { mask & EXCLUDED }
            };
            let masks: Vec<u64> = rows.masks.iter().zip(codes.iter()).map(own).collect();
            let counts: Option<Vec<bool>> = (self.asked.funnel.order == Order::Strict).then(|| {
                let selects = |row: usize| history.selects(self.asked.selected, row);
                codes.iter().enumerate().map(|(row, code)| *code == value && selects(row)).collect()
            });
            let rows = Rows { masks: &masks, counts: counts.as_deref(), ..rows };
            is_in_all &= self.visitor_under(counted, history, rows, Some(value));
        }
        is_in_all
    }

    /// The key of an attempt.
    fn code(&self, history: &History<'_>, reached: &[Reached], last: &Reached) -> u32 {
        match &self.split {
            Split::None => 0,
            Split::Time(intervals) => intervals.find(0, history.times()[last.start]) as u32,
            Split::By(key, at) => {
                let row = match at {
                    At::First => Some(last.start),
                    At::Step(0) => Some(last.start),
                    At::Step(place) => reached.get(*place).map(|reached| reached.end),
                    At::Last | At::All => Some(last.end),
                };
                row.map_or(crate::fold::NULL, |row| key.at(history, row))
            }
        }
    }

    fn name(&self, history: &History<'_>, code: u32) -> Option<Text> {
        match &self.split {
            Split::None => None,
            Split::Time(intervals) => intervals.labels().get(code as usize).map(Text::from),
            Split::By(key, _) => key.name(history, code),
        }
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
        let is_in = match &self.split {
            Split::By(key, At::All) => self.each(counted, history, key),
            _ => self.visitor_under(counted, history, self.asked.rows(history), None),
        };
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
