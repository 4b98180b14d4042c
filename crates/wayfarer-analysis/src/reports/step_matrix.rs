//! `step-matrix`: at which page visits are at their first, second, … page, and how two segments differ in that.
//!
//! A visit is the sequence of its pages, or of what `by` and `group` make of it, as in `paths`; with `start` or `end` it is read from there. The filter chooses
//! visits: those that have an event which it selects take part, with all their pages; `against` chooses the other segment in
//! the same way. At each step every visit is somewhere: on one of the pages that are told apart, on `(other)`, or it is over,
//! `(exit)`; backwards, not begun yet, `(entry)`.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wayfarer_event::Text;

use super::{Parameter, Report, parameter::bounded};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Cells, Fold, History, Plan, TestSlot, Visit},
    job::{Job, read},
    metric::ratio,
    sequence::{Sequence, most_frequent},
};

/// How many steps are told unless the request says it, and at the most.
const DEPTH: (usize, usize) = (8, 20);
/// How many pages are told apart unless the request says it, and at the most.
const TOP: (usize, usize) = (10, 1000);

pub(super) const REPORT: Report = Report {
    name: "step-matrix",
    doc: "At which page visits are at their first, second, … page, and how two segments differ in that",
    looks_at_now: false,
    parameters: &[
        Parameter::Unit,
        Parameter::By,
        Parameter::Group,
        Parameter::Start,
        Parameter::End,
        Parameter::Depth,
        Parameter::Top,
        Parameter::Against,
    ],
    fields: &[
        ("step", "which page of the visit, counted from 1 away from the start or the end"),
        ("page", "a page, `(other)`, `(exit)`, or backwards `(entry)`"),
        ("visits", "visits that are there at this step"),
        ("rate", "their share of the segment's visits, 0-1"),
        ("against_visits", "with `against`: visits of the other segment"),
        ("against_rate", "with `against`: their share of the other segment's visits, 0-1"),
        ("difference", "with `against`: `rate` less `against_rate`"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let depth = bounded("depth", request.depth, DEPTH)?;
    let top = bounded("top", request.top, TOP)?;
    let against = read("against", request.against.as_deref())?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let count = Count {
        sequence: Sequence::new(&mut plan, request, None)?,
        segments: [&job.filter, &against]
            .map(|filter| filter.as_ref().map(|filter| plan.test(filter))),
        compares: against.is_some(),
        depth,
    };
    let counted = job.walk(plan, &count)?;
    let matrix = Matrix::of(&counted, top, request.end.is_some());
    let [visits, against_visits] = counted.visits;
    let mut meta = Row::new();
    meta.insert("visits".into(), json!(visits));
    if count.compares {
        meta.insert("against_visits".into(), json!(against_visits));
    }
    Ok(job.answer(matrix.rows(counted.visits, count.compares), meta))
}

/// Counts where visits are.
struct Count {
    sequence: Sequence,
    /// What chooses the visits of each segment.
    segments: [Option<TestSlot>; 2],
    compares: bool,
    depth: usize,
}

/// What is known after some visitors: how many visits each segment has, and how many are on which page at which step.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    visits: [u64; 2],
    steps: Vec<Cells<[u64; 2]>>,
}

impl Count {
    /// To which of the two segments a visit belongs.
    fn segments(&self, history: &History<'_>, visit: &Visit) -> [bool; 2] {
        let has = |segment: Option<TestSlot>| history.selects_visit(segment, visit);
        let [one, other] = self.segments;
        [has(one), self.compares && has(other)]
    }
}

impl Fold for Count {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted { visits: [0; 2], steps: vec![Cells::default(); self.depth] }
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let name = |code| history.words(self.sequence.key()).get(code).cloned();
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let belongs = self.segments(history, &visit).map(u64::from);
            let pages = self.sequence.read(history, &visit);
            if belongs == [0; 2] || pages.is_empty() {
                continue;
            }
            add(&mut counted.visits, belongs);
            for (cells, page) in counted.steps.iter_mut().zip(pages) {
                add(cells.of(page, name), belongs);
            }
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        add(&mut counted.visits, other.visits);
        for (cells, other) in counted.steps.iter_mut().zip(other.steps) {
            cells.merge(other, add);
        }
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}

fn add(counts: &mut [u64; 2], [one, other]: [u64; 2]) {
    counts[0] += one;
    counts[1] += other;
}

/// What is told: the pages in their order, and the visits on each at each step.
struct Matrix {
    pages: Vec<Text>,
    steps: Vec<Vec<[u64; 2]>>,
}

impl Matrix {
    fn of(counted: &Counted, top: usize, backwards: bool) -> Matrix {
        let mut pages = most(counted, top);
        let told: HashMap<Text, usize> = pages.iter().cloned().zip(0..).collect();
        let (other, outside) = (pages.len(), pages.len() + 1);
        let step = |cells: &Cells<[u64; 2]>| {
            let mut row = vec![[0; 2]; pages.len() + 2];
            row[outside] = counted.visits;
            for (page, visits) in cells.clone() {
                let page = page.and_then(|page| told.get(&page).copied()).unwrap_or(other);
                add(&mut row[page], visits);
                row[outside] = [row[outside][0] - visits[0], row[outside][1] - visits[1]];
            }
            row
        };
        let steps = counted.steps.iter().map(step).collect();
        let outside = if backwards { "(entry)" } else { "(exit)" };
        pages.extend(["(other)", outside].map(Text::const_new));
        Matrix { pages, steps }
    }

    /// One row for each page and step where somebody is.
    fn rows(&self, totals: [u64; 2], compares: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        for (step, places) in (1_u64..).zip(&self.steps) {
            for (page, &visits) in self.pages.iter().zip(places) {
                if visits != [0; 2] {
                    rows.push(row((step, page), visits, totals, compares));
                }
            }
        }
        rows
    }
}

fn row(
    (step, page): (u64, &Text),
    [visits, against]: [u64; 2],
    totals: [u64; 2],
    compares: bool,
) -> Row {
    let (rate, against_rate) = (ratio(visits as f64, totals[0]), ratio(against as f64, totals[1]));
    let mut row = Row::new();
    row.insert("step".into(), json!(step));
    row.insert("page".into(), json!(page));
    row.insert("visits".into(), json!(visits));
    row.insert("rate".into(), rate.clone());
    if compares {
        let difference = rate.as_f64().zip(against_rate.as_f64()).map(|(one, other)| one - other);
        row.insert("against_visits".into(), json!(against));
        row.insert("against_rate".into(), against_rate);
        row.insert("difference".into(), difference.map_or(Value::Null, |rate| json!(rate)));
    }
    row
}

/// The pages that are met most often at all steps together, by either segment.
fn most(counted: &Counted, top: usize) -> Vec<Text> {
    let mut sums: HashMap<Text, u64> = HashMap::new();
    for (page, [one, other]) in counted.steps.iter().flat_map(Clone::clone) {
        if let Some(page) = page {
            *sums.entry(page).or_default() += one + other;
        }
    }
    most_frequent(sums.into_iter(), top).collect()
}
