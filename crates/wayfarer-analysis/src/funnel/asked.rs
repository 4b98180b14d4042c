//! A funnel as a request asks for it.

use serde_json::json;

use super::{EXCLUDED, Funnel, Order, Rows, STEPS, Window};
use crate::{
    Error, Request, Row,
    filter::Expr,
    fold::{History, MaskSlot, Plan, TestSlot},
    job::{Job, read},
    span::span,
};

/// How long a funnel may take unless the request says it.
const WINDOW: &str = "14d";

/// A funnel, with what its steps are.
pub(crate) struct Asked {
    pub(crate) funnel: Funnel,
    mask: MaskSlot,
    /// Which rows count, where other rows would come between.
    pub(crate) selected: Option<TestSlot>,
    /// An attempt whose window runs from later than this instant can still be taken on.
    pub(crate) open_from: i64,
}

impl Asked {
    /// Reads the steps, the window, the order and what is excluded.
    pub(crate) fn of(plan: &mut Plan, job: &Job<'_>) -> Result<Asked, Error> {
        let funnel = funnel(job.request)?;
        let mut steps = Vec::with_capacity(STEPS);
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
        let counting = job.filter.as_ref().filter(|_| funnel.order == Order::Strict);
        Ok(Asked {
            funnel,
            mask: plan.mask(&steps),
            selected: counting.map(|filter| plan.test(filter)),
            open_from: job.context.now.0.saturating_sub(funnel.patience()),
        })
    }

    /// The step that a request is about, from 1: the last one unless it names another.
    pub(crate) fn step(&self, request: &Request) -> Result<usize, Error> {
        let step = request.step.unwrap_or(self.funnel.steps);
        if (1..=self.funnel.steps).contains(&step) {
            return Ok(step);
        }
        let problem = format!("is {step}: the funnel has {}", self.funnel.steps);
        Err(Error::parameter("step", problem))
    }

    /// A visitor's rows, as the funnel looks at them.
    pub(crate) fn rows<'a>(&self, history: &History<'a>) -> Rows<'a> {
        let inside = history.inside();
        Rows {
            times: history.times(),
            masks: history.mask(self.mask),
            counts: self.selected.map(|selected| history.test(selected)),
            entry: (inside.start, inside.end),
        }
    }

    /// What an answer says of how it was asked.
    pub(crate) fn meta(request: &Request) -> Row {
        let mut meta = Row::new();
        meta.insert("order".into(), json!(request.order.as_deref().unwrap_or("sequential")));
        meta.insert("window".into(), json!(request.window.as_deref().unwrap_or(WINDOW)));
        meta
    }
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

/// The masks of the two-step funnel from the step before `step` to `step`.
pub(crate) fn adjacent(masks: &[u64], step: usize) -> Vec<u64> {
    let two = |mask: &u64| (mask >> (step - 1) & 0b11) | (mask & EXCLUDED);
    masks.iter().map(two).collect()
}
