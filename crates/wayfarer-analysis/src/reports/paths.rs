//! `paths`: the ways that visits take from a start on, or towards an end, page by page.
//!
//! A visit is the sequence of its page views, repeats in a row as one: their paths, or what `by` names; `by name`, of all its
//! events. Rules in `group` put pages together. With `start` it begins at the first page view that
//! the filter selects, with `end` it is read backwards from the last one; a visit without such a page view takes no part.
//! At each position the most frequent pages are told apart and the rest is one node, `(other)`; where a visit has no
//! further page stands `(exit)`, or backwards `(entry)`. So what comes into a node also leaves it.
//!
//! Two walks: the first finds the most frequent pages of each position, the second counts the steps between the nodes. Thus
//! the visitors of `(other)` are exact, too.

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::Text;

use super::{Parameter, Report, parameter::bounded};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Cells, Fold, History, Pairs, Plan, Stamp},
    job::Job,
    sequence::{Sequence, most_frequent},
};

/// How many steps are told unless the request says it, and at the most.
const DEPTH: (usize, usize) = (5, 20);
/// How many pages of a position are told apart unless the request says it, and at the most.
const TOP: (usize, usize) = (8, 1000);

pub(super) const REPORT: Report = Report {
    name: "paths",
    doc: "The ways that visits take from a start on, or towards an end, page by page",
    looks_at_now: false,
    parameters: &[
        Parameter::Unit,
        Parameter::By,
        Parameter::Group,
        Parameter::Start,
        Parameter::End,
        Parameter::Depth,
        Parameter::Top,
    ],
    fields: &[
        ("step", "which step, counted from 1 away from the start or the end"),
        ("from", "a page, `(other)`, or `(entry)`"),
        ("to", "the page after it, `(other)`, or `(exit)`"),
        ("visits", "visits that took the step"),
        ("visitors", "by how many visitors"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let depth = bounded("depth", request.depth, DEPTH)?;
    let top = bounded("top", request.top, TOP)?;

    let mut plan = Plan::default();
    let nodes = Nodes { sequence: sequence(&mut plan, &job)?, depth };
    let tops = job.walk(plan, &nodes)?.into_iter().map(|cells| most(cells, top)).collect();

    let mut plan = Plan::default();
    let steps = Steps { sequence: sequence(&mut plan, &job)?, tops };
    let mut rows = Vec::new();
    for (step, pairs) in (1..).zip(job.walk(plan, &steps)?) {
        let mut named = pairs.into_named();
        named.sort_unstable_by(|a, b| b.1.visits.cmp(&a.1.visits).then_with(|| a.0.cmp(&b.0)));
        rows.extend(named.into_iter().map(|(nodes, pair)| row(step, nodes, &pair, request)));
    }
    Ok(job.answer(rows, Row::new()))
}

fn sequence(plan: &mut Plan, job: &Job<'_>) -> Result<Sequence, Error> {
    plan.visits(job.context.visits);
    Sequence::new(plan, job.request, job.filter.as_ref())
}

fn most(cells: Cells<u64>, top: usize) -> HashSet<Text> {
    let named = cells.into_iter().filter_map(|(page, count)| Some((page?, count)));
    most_frequent(named, top).collect()
}

fn row(
    step: u64,
    (near, far): (Option<Text>, Option<Text>),
    pair: &Pair,
    request: &Request,
) -> Row {
    let backwards = request.end.is_some();
    let outside = if backwards { "(entry)" } else { "(exit)" };
    let far = far.unwrap_or_else(|| outside.into());
    let (from, to) = if backwards { (Some(far), near) } else { (near, Some(far)) };
    let mut row = Row::new();
    row.insert("step".into(), json!(step));
    row.insert("from".into(), json!(from));
    row.insert("to".into(), json!(to));
    row.insert("visits".into(), json!(pair.visits));
    row.insert("visitors".into(), json!(pair.visitors));
    row
}

/// Finds out which pages are frequent at which position.
struct Nodes {
    sequence: Sequence,
    depth: usize,
}

impl Fold for Nodes {
    type State = Vec<Cells<u64>>;
    type Output = Vec<Cells<u64>>;
    const VERSION: u32 = 1;

    fn start(&self) -> Vec<Cells<u64>> {
        vec![Cells::default(); self.depth + 1]
    }

    fn visitor(&self, nodes: &mut Self::State, history: &History<'_>) -> Result<(), Error> {
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            for (cells, page) in nodes.iter_mut().zip(self.sequence.read(history, &visit)) {
                let name = |code| history.words(self.sequence.key()).get(code).cloned();
                *cells.of(page, name) += 1;
            }
        }
        Ok(())
    }

    fn merge(&self, nodes: &mut Self::State, other: Self::State) {
        for (cells, other) in nodes.iter_mut().zip(other) {
            cells.merge(other, |count, other| *count += other);
        }
    }

    fn finish(&self, nodes: Self::State) -> Self::Output {
        nodes
    }
}

/// Counts the steps between nodes.
struct Steps {
    sequence: Sequence,
    /// The pages that are told apart, by position.
    tops: Vec<HashSet<Text>>,
}

/// The code of the node where a visit has no further page, and of the rest of the pages.
const OUTSIDE: u32 = 0;
const OTHER: u32 = 1;
/// What a page's code is moved by to be the code of its node. The code of [`NULL`](crate::fold::NULL) is no page's, so the nodes of pages start
/// at 2, and no two nodes have one name: states merge by names.
const PAGES: u32 = 1;

/// The name of a node; `None` for the outside alone.
fn name_of(node: u32, page: impl Fn(u32) -> Option<Text>) -> Option<Text> {
    match node {
        OUTSIDE => None,
        OTHER => Some(Text::const_new("(other)")),
        node => page(node - PAGES),
    }
}

/// One step.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Pair {
    visits: u64,
    visitors: u64,
    #[serde(skip)]
    last_visitor: Stamp,
}

/// What is known after some visitors.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counted {
    steps: Vec<Pairs<Pair>>,
    #[serde(skip)]
    visitors: u32,
    /// The node of each page's code, by position, once it was looked up.
    #[serde(skip)]
    nodes: Vec<Vec<Option<u32>>>,
}

impl Steps {
    /// The node of a page at a position.
    fn node(&self, counted: &mut Counted, history: &History<'_>, place: usize, page: u32) -> u32 {
        let nodes = &mut counted.nodes[place];
        if nodes.len() <= page as usize {
            nodes.resize(page as usize + 1, None);
        }
        *nodes[page as usize].get_or_insert_with(|| {
            let path = history.words(self.sequence.key()).get(page);
            let is_top = path.is_some_and(|path| self.tops[place].contains(path));
            if is_top { page + PAGES } else { OTHER }
        })
    }
}

impl Fold for Steps {
    type State = Counted;
    type Output = Vec<Pairs<Pair>>;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        let depth = self.tops.len().saturating_sub(1);
        Counted {
            steps: (0..depth).map(|_| Pairs::default()).collect(),
            visitors: 0,
            nodes: vec![Vec::new(); self.tops.len()],
        }
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        counted.visitors += 1;
        let turn = counted.visitors;
        let words = history.words(self.sequence.key());
        let name = |node| name_of(node, |page| words.get(page).cloned());
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let pages = self.sequence.read(history, &visit);
            for place in 0..pages.len().min(counted.steps.len()) {
                let near = self.node(counted, history, place, pages[place]);
                let far = match pages.get(place + 1) {
                    Some(page) => self.node(counted, history, place + 1, *page),
                    None => OUTSIDE,
                };
                let pair = counted.steps[place].of((near, far), (name, name));
                pair.visits += 1;
                pair.visitors += u64::from(pair.last_visitor.first(turn));
            }
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        for (pairs, other) in counted.steps.iter_mut().zip(other.steps) {
            pairs.merge(other, |pair, other| {
                pair.visits += other.visits;
                pair.visitors += other.visitors;
            });
        }
    }

    fn finish(&self, counted: Counted) -> Vec<Pairs<Pair>> {
        counted.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::NULL;

    /// Seen in the report `paths`: two threads both had visits that ended on a page, and the page had two steps to the exit.
    /// The code of null had been a node without a name, like that of the outside, and merging took one for the other.
    #[test]
    fn the_outside_is_the_only_node_without_a_name() {
        let page = |code: u32| (code != NULL).then(|| Text::from(format!("page {code}")));
        let name = |node| name_of(node, page);
        let state = || {
            let mut pairs: Pairs<u64> = Pairs::default();
            *pairs.of((NULL + 1 + PAGES, OUTSIDE), (name, name)) += 1;
            *pairs.of((NULL + 1 + PAGES, NULL + 3 + PAGES), (name, name)) += 1;
            pairs
        };
        let (mut one, other) = (state(), state());
        one.merge(other, |count, other| *count += other);
        let mut counts: Vec<u64> = one.into_named().into_iter().map(|(_, count)| count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [2, 2]);
    }
}
