//! `transitions`: which page comes right after which, inside visits, and how two segments differ in that.
//!
//! The filter chooses page views, and what comes right after one is the next that it chooses. With `against` there are two
//! segments, and each filter chooses visits, as in `step-matrix`: those that have an event which it selects take part with
//! all their pages.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wayfarer_event::Text;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Fold, History, NULL, Pairs, Plan, Stamp, TestSlot, Visit},
    job::{Job, read},
    metric::ratio,
    sequence::Places,
};

/// How many pairs of pages one report holds.
const PAIRS: usize = 5_000_000;
/// How many pairs are told unless the request says it.
const TOP: usize = 100;

pub(super) const REPORT: Report = Report {
    name: "transitions",
    doc: "Which page comes right after which, inside visits that start in the period, and how two segments differ in that",
    looks_at_now: false,
    parameters: &[
        Parameter::Unit,
        Parameter::By,
        Parameter::Group,
        Parameter::Top,
        Parameter::Against,
    ],
    fields: &[
        ("from", "the page"),
        ("to", "the page viewed right after it in the same visit"),
        ("count", "how often"),
        ("visitors", "by how many visitors"),
        ("rate", "with `against`: the share of the segment's transitions, 0-1"),
        ("against_count", "with `against`: how often in the other segment"),
        ("against_visitors", "with `against`: by how many visitors there"),
        ("against_rate", "with `against`: the share of the other segment's transitions, 0-1"),
        ("difference", "with `against`: `rate` less `against_rate`; the largest come first"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let against = read("against", request.against.as_deref())?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let pages = job.filter.as_ref().filter(|_| against.is_none());
    let follow = Follow {
        places: Places::new(&mut plan, request, pages)?,
        segments: against.as_ref().map(|against| {
            [job.filter.as_ref(), Some(against)].map(|filter| filter.map(|it| plan.test(it)))
        }),
    };
    let top = request.top.unwrap_or(TOP);
    let segments = job.walk(plan, &follow)?.segments;
    let totals = segments.each_ref().map(|pairs| pairs.cells().map(|pair| pair.count).sum());
    let (all, joined) = joined(segments, totals, top);
    let mut pairs = joined.into_named();
    pairs.sort_unstable_by(|a, b| {
        weight(&b.1, totals).cmp(&weight(&a.1, totals)).then_with(|| a.0.cmp(&b.0))
    });
    let mut meta = Row::new();
    meta.insert("pairs".into(), json!(all));
    meta.insert("count".into(), json!(totals[0]));
    if follow.segments.is_some() {
        meta.insert("against_count".into(), json!(totals[1]));
    }
    pairs.truncate(top);
    let row = |pair| row(pair, follow.segments.is_some().then_some(totals));
    Ok(job.answer(pairs.iter().map(row).collect(), meta))
}

/// Two pages, and how often one came after the other in each segment.
type Named = ((Option<Text>, Option<Text>), [Pair; 2]);

/// What both segments have, as far as it may be among so many that come first, and how many pairs there are in all.
fn joined(
    [mut one, other]: [Pairs<Pair>; 2],
    totals: [u64; 2],
    top: usize,
) -> (usize, Pairs<[Pair; 2]>) {
    let none = Pair::default();
    if other.is_empty() {
        let all = one.len();
        one.keep_greatest(top, |pair| pair.count);
        return (all, one.map(|pair| [pair, none]));
    }
    let mut both = one.map(|pair| [pair, none]);
    both.merge(other.map(|pair| [none, pair]), |pairs, others| {
        pairs.iter_mut().zip(others).for_each(|(pair, other)| pair.add(other));
    });
    let all = both.len();
    both.keep_greatest(top, |pair| weight(pair, totals));
    (all, both)
}

/// What comes first: the largest difference of shares, in whole numbers, or where it cannot be told the largest count.
fn weight([one, other]: &[Pair; 2], [total, against]: [u64; 2]) -> (u128, u64) {
    let part = |pair: &Pair, total: u64| u128::from(pair.count) * u128::from(total);
    (part(one, against).abs_diff(part(other, total)), one.count + other.count)
}

fn row(((from, to), [one, other]): &Named, totals: Option<[u64; 2]>) -> Row {
    let mut row = Row::new();
    row.insert("from".into(), json!(from));
    row.insert("to".into(), json!(to));
    row.insert("count".into(), json!(one.count));
    row.insert("visitors".into(), json!(one.visitors));
    if let Some([total, against]) = totals {
        let rates = [ratio(one.count as f64, total), ratio(other.count as f64, against)];
        let difference = rates[0].as_f64().zip(rates[1].as_f64()).map(|(one, other)| one - other);
        let [rate, against_rate] = rates;
        row.insert("rate".into(), rate);
        row.insert("against_count".into(), json!(other.count));
        row.insert("against_visitors".into(), json!(other.visitors));
        row.insert("against_rate".into(), against_rate);
        row.insert("difference".into(), difference.map_or(Value::Null, |rate| json!(rate)));
    }
    row
}

/// Counts pairs of pages.
struct Follow {
    places: Places,
    /// What chooses the visits of two segments; all visits are of the first where there are no two.
    segments: Option<[Option<TestSlot>; 2]>,
}

/// How often one page came after another. As small as it may be: there are hundreds of thousands, in no order.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Pair {
    count: u64,
    visitors: u32,
    #[serde(skip)]
    last_visitor: Stamp,
}

impl Pair {
    /// Takes what was counted of other visitors, or in the other segment.
    fn add(&mut self, other: Pair) {
        self.count += other.count;
        self.visitors = self.visitors.saturating_add(other.visitors);
    }
}

/// What is known after some visitors.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counted {
    /// The pairs of each segment by themselves: what a cell takes is what counting waits for.
    segments: [Pairs<Pair>; 2],
    visitors: u32,
}

impl Follow {
    /// To which of the two segments a visit belongs.
    fn belongs(&self, history: &History<'_>, visit: &Visit) -> [bool; 2] {
        let Some(segments) = self.segments else { return [true, false] };
        segments.map(|segment| history.selects_visit(segment, visit))
    }
}

impl Fold for Follow {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 3;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        counted.visitors += 1;
        let (is_place, place) = (history.test(self.places.test), history.key(self.places.key));
        let name = |code| history.words(self.places.key).get(code).cloned();
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let belongs = self.belongs(history, &visit);
            if belongs == [false; 2] {
                continue;
            }
            let mut before = NULL;
            for row in visit.rows.filter(|row| is_place[*row] && place[*row] != NULL) {
                if before != NULL {
                    let segments = counted.segments.iter_mut().zip(belongs);
                    for (pairs, _) in segments.filter(|(_, belongs)| *belongs) {
                        let pair = pairs.of((before, place[row]), (name, name));
                        pair.count += 1;
                        pair.visitors += u32::from(pair.last_visitor.first(counted.visitors));
                    }
                }
                before = place[row];
            }
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.visitors = counted.visitors.saturating_add(other.visitors);
        for (pairs, other) in counted.segments.iter_mut().zip(other.segments) {
            pairs.merge(other, Pair::add);
        }
    }

    fn check(&self, counted: &Counted) -> Result<(), Error> {
        if counted.segments.iter().map(Pairs::len).sum::<usize>() > PAIRS {
            return Err(Error::TooMany { what: "pairs of pages", limit: PAIRS });
        }
        if counted.visitors == u32::MAX {
            return Err(Error::TooMany { what: "visitors", limit: u32::MAX as usize });
        }
        Ok(())
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
