//! `transitions`: which page comes right after which, inside visits.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Text};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::Field,
    fold::{Fold, History, KeySlot, NULL, Pairs, Plan, Stamp, TestSlot},
    job::{Job, page_view},
};

/// How many pairs of pages one report holds.
const PAIRS: usize = 5_000_000;
/// How many pairs are told unless the request says it.
const TOP: usize = 100;

pub(super) const REPORT: Report = Report {
    name: "transitions",
    doc: "Which page comes right after which, inside visits that start in the period",
    parameters: &[Parameter::Unit, Parameter::Top],
    fields: &[
        ("from", "the page"),
        ("to", "the page viewed right after it in the same visit"),
        ("count", "how often"),
        ("visitors", "by how many visitors"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let follow = Follow {
        page: plan.test(&page_view()),
        selected: job.filter.as_ref().map(|filter| plan.test(filter)),
        path: plan.key(&Field::Column(Column::Path)),
    };
    let mut pairs = job.walk(plan, &follow)?;
    pairs.sort_unstable_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
    let mut meta = Row::new();
    meta.insert("pairs".into(), json!(pairs.len()));
    meta.insert("count".into(), json!(pairs.iter().map(|(_, pair)| pair.count).sum::<u64>()));
    pairs.truncate(request.top.unwrap_or(TOP));
    Ok(job.answer(pairs.iter().map(row).collect(), meta))
}

/// Two pages, and how often one came after the other.
type Named = ((Option<Text>, Option<Text>), Pair);

fn row(((from, to), pair): &Named) -> Row {
    let mut row = Row::new();
    row.insert("from".into(), json!(from));
    row.insert("to".into(), json!(to));
    row.insert("count".into(), json!(pair.count));
    row.insert("visitors".into(), json!(pair.visitors));
    row
}

/// Counts pairs of pages.
struct Follow {
    page: TestSlot,
    selected: Option<TestSlot>,
    path: KeySlot,
}

/// How often one page came after another.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Pair {
    count: u64,
    visitors: u64,
    #[serde(skip)]
    last_visitor: Stamp,
}

/// What is known after some visitors.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counted {
    pairs: Pairs<Pair>,
    #[serde(skip)]
    visitors: u32,
}

impl Fold for Follow {
    type State = Counted;
    type Output = Vec<Named>;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        counted.visitors += 1;
        let (page, path) = (history.test(self.page), history.key(self.path));
        let selected = self.selected.map(|selected| history.test(selected));
        let name = |code| history.words(self.path).get(code).cloned();
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let mut before = NULL;
            for row in visit.rows {
                if !page[row] || path[row] == NULL || selected.is_some_and(|rows| !rows[row]) {
                    continue;
                }
                if before != NULL {
                    let pair = counted.pairs.of((before, path[row]), (name, name));
                    pair.count += 1;
                    pair.visitors += u64::from(pair.last_visitor.first(counted.visitors));
                }
                before = path[row];
            }
        }
        if counted.pairs.len() > PAIRS {
            return Err(Error::TooMany { what: "pairs of pages", limit: PAIRS });
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.pairs.merge(other.pairs, |pair, other| {
            pair.count += other.count;
            pair.visitors += other.visitors;
        });
    }

    fn finish(&self, counted: Counted) -> Self::Output {
        counted.pairs.into_named()
    }
}
