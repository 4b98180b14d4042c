//! `funnel`: how many visitors reach each of several steps. What that means exactly stands in [`crate::funnel`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::Expr,
    fold::{Cells, Fold, History, KeySlot, MaskSlot, Plan},
    funnel::{Funnel, Order, Reached, Rows, STEPS, Window},
    job::{Job, event_field, read},
    metric::ratio,
    span::span,
    times::{TIMES, median, p90},
};

/// How long a funnel may take unless the request says it.
const WINDOW: &str = "14d";

pub(super) const REPORT: Report = Report {
    name: "funnel",
    doc: "How many visitors reach each of several steps",
    parameters: &[
        Parameter::Steps,
        Parameter::Window,
        Parameter::Order,
        Parameter::Exclude,
        Parameter::By,
        Parameter::Attribution,
    ],
    fields: &[
        (
            "key",
            "with `by`: the value of the dimension at the first step, or at the last with `attribution=last`",
        ),
        ("step", "number of the step, from 1"),
        ("filter", "the step"),
        ("visitors", "visitors that reached it, having begun in the period"),
        ("rate", "their share of those that reached the first step, 0-1"),
        ("step_rate", "their share of those that reached the step before, 0-1"),
        ("median_s", "median seconds from the first step to this one"),
        ("p90_s", "seconds within which nine in ten of them came from the first step to this one"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let funnel = funnel(request)?;
    let mut plan = Plan::default();
    let count = Count::new(&mut plan, &job, funnel)?;
    let cells = job.walk(plan, &count)?;
    let mut keys: Vec<(Option<_>, Reach)> = cells.into_iter().collect();
    keys.retain(|(_, reach)| {
        request.by.is_none() || reach.visitors.first().is_some_and(|n| *n > 0)
    });
    if keys.is_empty() && request.by.is_none() {
        keys.push((None, Reach::default()));
    }
    keys.sort_by_key(|(key, reach)| {
        (std::cmp::Reverse(reach.visitors.first().copied()), key.clone())
    });
    let open: u64 = keys.iter().map(|(_, reach)| reach.open).sum();
    let mut rows = Vec::new();
    for (key, mut reach) in keys {
        for row in steps(request, &mut reach) {
            let key = request.by.is_some().then(|| ("key".to_owned(), json!(key)));
            rows.push(key.into_iter().chain(row).collect());
        }
    }
    let mut meta = Row::new();
    meta.insert("order".into(), json!(request.order.as_deref().unwrap_or("sequential")));
    meta.insert("window".into(), json!(request.window.as_deref().unwrap_or(WINDOW)));
    meta.insert("open".into(), json!(open));
    Ok(job.answer(rows, meta))
}

/// Reads what is not a filter.
fn funnel(request: &Request) -> Result<Funnel, Error> {
    let steps = request.steps.len();
    if !(1..=STEPS).contains(&steps) {
        let problem = format!("are {steps}: give one to {STEPS} filters");
        return Err(Error::parameter("steps", problem));
    }
    let order = match request.order.as_deref() {
        None | Some("sequential") => Order::Sequential,
        Some("strict") => Order::Strict,
        Some("any") => Order::Any,
        Some(other) => {
            let problem = format!("is `{other}`: it can be sequential, strict or any");
            return Err(Error::parameter("order", problem));
        }
    };
    let text = request.window.as_deref().unwrap_or(WINDOW);
    let window = match text.strip_suffix("/step") {
        Some(_) if order == Order::Any => {
            return Err(Error::parameter("window", "cannot be for each step where order is any"));
        }
        Some(text) => Window::Step(span("window", text)?),
        None => Window::Whole(span("window", text)?),
    };
    Ok(Funnel { steps, order, window })
}

/// The rows of one funnel.
fn steps(request: &Request, reach: &mut Reach) -> Vec<Row> {
    let visitors = |step: usize| reach.visitors.get(step).copied().unwrap_or(0);
    let counts: Vec<u64> = (0..request.steps.len()).map(visitors).collect();
    let mut rows = Vec::with_capacity(counts.len());
    for (step, filter) in request.steps.iter().enumerate() {
        let mut times = reach.times.get_mut(step).map(std::mem::take).unwrap_or_default();
        times.sort_unstable();
        let mut row = Row::new();
        row.insert("step".into(), json!(step + 1));
        row.insert("filter".into(), json!(filter));
        row.insert("visitors".into(), json!(counts[step]));
        row.insert("rate".into(), ratio(counts[step] as f64, counts[0]));
        row.insert("step_rate".into(), ratio(counts[step] as f64, counts[step.saturating_sub(1)]));
        row.insert("median_s".into(), if step == 0 { Value::Null } else { median(&times) });
        row.insert("p90_s".into(), if step == 0 { Value::Null } else { p90(&times) });
        rows.push(row);
    }
    rows
}

/// Counts how far visitors go.
struct Count {
    funnel: Funnel,
    mask: MaskSlot,
    by: Option<(KeySlot, At)>,
    /// Who began at or after this instant and is not through can still get there.
    open_from: i64,
}

/// Whose value of the dimension counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    First,
    Last,
}

/// How many visitors reached each step, and how long they took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Reach {
    visitors: Vec<u64>,
    times: Vec<Vec<i64>>,
    open: u64,
}

/// What is known after some visitors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    cells: Cells<Reach>,
    times: usize,
    #[serde(skip)]
    reached: Vec<Reached>,
}

impl Count {
    fn new(plan: &mut Plan, job: &Job<'_>, funnel: Funnel) -> Result<Count, Error> {
        let mut steps = Vec::with_capacity(funnel.steps);
        for text in &job.request.steps {
            let step = read("steps", Some(text))?;
            let step = step.ok_or_else(|| Error::parameter("steps", "has an empty filter"))?;
            steps.push(match &job.filter {
                Some(filter) => Expr::All(vec![filter.clone(), step]),
                None => step,
            });
        }
        let never = Expr::Any(Vec::new());
        steps.resize(STEPS, never.clone());
        steps.push(read("exclude", job.request.exclude.as_deref())?.unwrap_or(never));
        plan.after(funnel.longest());
        Ok(Count {
            funnel,
            mask: plan.mask(&steps),
            by: by(plan, job.request)?,
            open_from: job.context.now.0.saturating_sub(funnel.longest()),
        })
    }
}

fn by(plan: &mut Plan, request: &Request) -> Result<Option<(KeySlot, At)>, Error> {
    let at = match request.attribution.as_deref() {
        None | Some("first") => At::First,
        Some("last") => At::Last,
        Some(other) => {
            let problem = format!("is `{other}`: it can be first or last");
            return Err(Error::parameter("attribution", problem));
        }
    };
    Ok(event_field(request)?.map(|field| (plan.key(&field), at)))
}

impl Fold for Count {
    type State = Counted;
    type Output = Cells<Reach>;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let times = history.times();
        let inside = history.inside();
        let rows =
            Rows { times, masks: history.mask(self.mask), entry: (inside.start, inside.end) };
        self.funnel.follow(rows, &mut counted.reached);
        let (Some(first), Some(last)) = (counted.reached.first(), counted.reached.last()) else {
            return Ok(());
        };
        let code = self.by.map_or(0, |(slot, at)| {
            history.key(slot)[if at == At::First { last.start } else { last.end }]
        });
        let reach = counted
            .cells
            .of(code, |code| self.by.and_then(|(slot, _)| history.words(slot).get(code).cloned()));
        let is_through = counted.reached.len() == self.funnel.steps;
        let latest = rows.masks[inside.clone()].iter().rposition(|mask| mask & 1 == 1);
        let latest = latest.map_or(first.start, |row| inside.start + row);
        reach.open += u64::from(!is_through && times[latest] > self.open_from);
        for (step, reached) in counted.reached.iter().enumerate() {
            if reach.visitors.len() == step {
                reach.visitors.push(0);
                reach.times.push(Vec::new());
            }
            reach.visitors[step] += 1;
            if step > 0 {
                reach.times[step].push(times[reached.end] - times[reached.start]);
                counted.times += 1;
            }
        }
        if counted.times > TIMES {
            return Err(Error::TooMany { what: "times to convert", limit: TIMES });
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.times += other.times;
        counted.cells.merge(other.cells, |reach, other| {
            let steps = reach.visitors.len().max(other.visitors.len());
            reach.visitors.resize(steps, 0);
            reach.times.resize(steps, Vec::new());
            for (step, visitors) in other.visitors.into_iter().enumerate() {
                reach.visitors[step] += visitors;
            }
            for (step, times) in other.times.into_iter().enumerate() {
                reach.times[step].extend(times);
            }
            reach.open += other.open;
        });
    }

    fn finish(&self, counted: Counted) -> Cells<Reach> {
        counted.cells
    }
}
