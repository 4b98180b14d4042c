//! The engine where it must refuse, stop, or do two things at once.

use wayfarer_analysis::{
    Context, Error, Request, answer,
    filter::{self, Field},
    fold::{
        Blocks, Cells, Fold, History, KeySlot, Plan, Source, TestSlot, Walk, pack, run, unpack,
    },
};
use wayfarer_event::{Column, Event, Micros, Text, VisitorId};
use wayfarer_lake::{Block, Error as LakeError, Position, Scan, Stored};

use super::{
    among::complete,
    memory::{Layout, Memory},
    world::SITE,
};

fn row(visitor: u64, ts: i64, seq: u64, path: &str) -> Stored {
    let event = Event {
        site: SITE.into(),
        visitor: VisitorId(visitor),
        name: "page_view".into(),
        path: Some(path.into()),
        ts: Micros(ts),
        ..Event::default()
    };
    Stored { event, writer: 1, seq }
}

pub(crate) fn rows() -> Vec<Stored> {
    let row_of = |nth: u64| row(nth % 7, nth as i64, nth, ["/", "/a", "/b"][nth as usize % 3]);
    (0..100).map(row_of).collect()
}

pub(crate) fn memory(rows: Vec<Stored>) -> Memory {
    Memory::new(rows, Layout { runs: 2, block: 5, share_dictionaries: true })
}

/// Counts rows by path.
struct Paths {
    path: KeySlot,
    wanted: TestSlot,
}

impl Paths {
    fn new(plan: &mut Plan, filter: &str) -> Paths {
        let wanted = plan.test(&filter::parse(filter).unwrap());
        Paths { path: plan.key(&Field::Column(Column::Path)), wanted }
    }
}

impl Fold for Paths {
    type State = Cells<u64>;
    type Output = Vec<(Option<Text>, u64)>;
    const VERSION: u32 = 7;

    fn start(&self) -> Cells<u64> {
        Cells::default()
    }

    fn visitor(&self, cells: &mut Cells<u64>, history: &History<'_>) -> Result<(), Error> {
        for (&code, &wanted) in history.key(self.path).iter().zip(history.test(self.wanted)) {
            let name = |code| history.words(self.path).get(code).cloned();
            *cells.of(code, name) += u64::from(wanted);
        }
        Ok(())
    }

    fn merge(&self, cells: &mut Cells<u64>, other: Cells<u64>) {
        cells.merge(other, |count, other| *count += other);
    }

    fn finish(&self, cells: Cells<u64>) -> Self::Output {
        let mut counts: Vec<_> = cells.into_iter().filter(|(_, count)| *count > 0).collect();
        counts.sort();
        counts
    }
}

pub(crate) fn walk<'a>(
    source: &'a dyn Source,
    plan: Plan,
    hooks: &'a wayfarer_analysis::fold::Hooks,
) -> Walk<'a> {
    Walk {
        source,
        site: SITE,
        period: (Micros(0), Micros::MAX),
        visitors: 0..=u64::MAX,
        plan,
        bots: false,
        threads: 3,
        hooks,
    }
}

fn counts(of: [u64; 3]) -> Vec<(Option<Text>, u64)> {
    ["/", "/a", "/b"].map(|path| Some(path.into())).into_iter().zip(of).collect()
}

#[test]
fn two_folds_share_one_walk() {
    let (source, hooks, mut plan) = (memory(rows()), Default::default(), Plan::default());
    let folds =
        (Paths::new(&mut plan, "seq >= 0"), Paths::new(&mut plan, "visitor != '0000000000000000'"));
    let (all, some) = run(&walk(&source, plan, &hooks), &folds).unwrap();
    assert_eq!(all, counts([34, 33, 33]));
    let of_others =
        |path: usize| (0..100).filter(|nth| nth % 7 != 0 && nth % 3 == path).count() as u64;
    assert_eq!(some, counts([of_others(0), of_others(1), of_others(2)]));
    assert_eq!(hooks.rows(), 100);
}

#[test]
fn partial_states_go_over_the_wire() {
    let (source, hooks, mut plan) = (memory(rows()), Default::default(), Plan::default());
    let fold = Paths::new(&mut plan, "seq >= 0");
    let walk = walk(&source, plan, &hooks);
    let mut merged = fold.start();
    for visitors in [4..=u64::MAX, 0..=2, 3..=3] {
        let bytes = pack::<Paths>(&walk.part(&fold, visitors).unwrap()).unwrap();
        fold.merge(&mut merged, unpack::<Paths>(&bytes).unwrap());
    }
    assert_eq!(fold.finish(merged), counts([34, 33, 33]));
}

#[test]
fn a_state_of_another_version_is_refused() {
    let mut bytes = pack::<Paths>(&Cells::default()).unwrap();
    bytes[1] = 8;
    let error = unpack::<Paths>(&bytes).unwrap_err();
    assert!(matches!(error, Error::StateVersion { found: 8, expected: 7 }), "{error}");
    assert!(matches!(unpack::<Paths>(&[]), Err(Error::State(_))));
    assert!(matches!(unpack::<Paths>(&[1, 7, 255]), Err(Error::State(_))));
}

#[test]
fn a_caller_can_give_up() {
    let (source, mut plan) = (memory(rows()), Plan::default());
    let hooks = wayfarer_analysis::fold::Hooks::default();
    let fold = Paths::new(&mut plan, "seq >= 0");
    hooks.cancel();
    assert!(matches!(run(&walk(&source, plan, &hooks), &fold), Err(Error::Cancelled)));
}

/// Gives one block again and again, so that the second is out of order.
struct Twice(Memory);

impl Source for Twice {
    fn runs(&self, scan: &Scan) -> Result<Vec<Box<dyn Blocks>>, LakeError> {
        let run = |mut run: Box<dyn Blocks>| -> Box<dyn Blocks> {
            let block = run.next_block().ok().flatten();
            Box::new(Again { block, times: 2 })
        };
        Ok(self.0.runs(scan)?.into_iter().map(run).collect())
    }

    fn time_range(&self, site: &str) -> Option<(Micros, Micros)> {
        self.0.time_range(site)
    }

    fn position(&self) -> Position {
        self.0.position()
    }
}

struct Again {
    block: Option<Block>,
    times: usize,
}

impl Blocks for Again {
    fn next_block(&mut self) -> Result<Option<Block>, LakeError> {
        self.times = self.times.saturating_sub(1);
        Ok(self
            .block
            .clone()
            .filter(|_| self.times > 0 || self.block.is_none())
            .or_else(|| self.block.take()))
    }
}

#[test]
fn rows_out_of_order_are_no_answer() {
    let (source, hooks, mut plan) = (Twice(memory(rows())), Default::default(), Plan::default());
    let fold = Paths::new(&mut plan, "seq >= 0");
    let error = run(&walk(&source, plan, &hooks), &fold).unwrap_err();
    assert!(matches!(error, Error::OutOfOrder { .. }), "{error}");
}

fn ask(request: Request) -> Result<wayfarer_analysis::Answer, Error> {
    let context = Context::new(memory(rows()), jiff::tz::TimeZone::UTC, Micros(1_000));
    answer(&context, &Request { site: SITE.into(), ..request })
}

fn problem(request: Request) -> String {
    let error = ask(request).unwrap_err();
    assert!(error.is_request(), "{error}");
    error.to_string()
}

#[test]
fn a_request_that_cannot_be_understood_says_why() {
    let request = |report: &str| Request { report: report.into(), ..Request::default() };
    assert_eq!(
        problem(request("overveiw")),
        "there is no report `overveiw`, did you mean `overview`?"
    );
    let by = Request { by: Some("path".into()), ..request("overview") };
    assert_eq!(problem(by), "`by` is not a parameter of the report `overview`");
    assert_eq!(problem(request("breakdown")), "`by` is required: name a dimension, such as path");
    let by = Request { by: Some("paht".into()), ..request("breakdown") };
    assert_eq!(problem(by), "`by` names no dimension `paht`, did you mean `path`?");
    let metrics = Request { metrics: vec!["visitor".into()], ..request("trend") };
    assert_eq!(problem(metrics), "`metrics` names no metric `visitor`, did you mean `visitors`?");
    let filter = Request { filter: Some("path =".into()), ..request("overview") };
    assert_eq!(problem(filter), "cannot read the filter in `filter`");
    let days = Request {
        from: Some("2026-02-02".into()),
        to: Some("2026-02-01".into()),
        ..request("trend")
    };
    assert_eq!(problem(days), "`to` is before `from`");
    assert_eq!(problem(request("funnel")), "`steps` are 0: give one to 63 filters");
    let far = Request { from: Some("9998-01-01".into()), ..request("overview") };
    assert_eq!(ask(far).unwrap().rows[0]["visitors"], 0);
}

#[test]
fn an_empty_site_is_answered() {
    for report in wayfarer_analysis::reports() {
        let context = Context::new(memory(Vec::new()), jiff::tz::TimeZone::UTC, Micros(1_000));
        let request = complete(report, Request { site: "nobody".into(), ..Request::default() });
        let answer = answer(&context, &request).unwrap();
        assert_eq!((answer.from, answer.to), (None, None));
        assert!(answer.exact);
    }
}

#[test]
fn a_number_that_no_two_events_share_is_no_key() {
    let mut rows = rows();
    for row in &mut rows {
        (row.event.value, row.event.latency_ms) = (Some(2.5), Some(7.0));
        (row.event.scroll, row.event.status) = (Some(50), Some(200));
    }
    let context = Context::new(memory(rows), jiff::tz::TimeZone::UTC, Micros(1000));
    let ask = |report: &str, by: &str| {
        let steps = if report == "funnel" { vec!["path is not null".to_owned()] } else { vec![] };
        let request = Request {
            report: report.into(),
            site: SITE.into(),
            by: Some(by.into()),
            steps,
            ..Request::default()
        };
        answer(&context, &request)
    };
    for report in ["funnel", "retention", "paths", "transitions", "step-matrix"] {
        for by in ["value", "latency_ms", "visitor", "writer", "seq"] {
            let problem = ask(report, by).unwrap_err().to_string();
            let expected = format!("`by` is `{by}`, a number that tells no groups apart");
            assert!(problem.starts_with(&expected), "{report}: {problem}");
        }
    }
    for (by, key) in [("status", "200"), ("scroll", "50"), ("name", "page_view")] {
        assert_eq!(ask("funnel", by).unwrap().rows[0]["key"], key);
    }
    for by in ["ts", "received_at"] {
        assert!(!ask("funnel", by).unwrap().rows[0]["key"].is_null(), "{by}");
    }
}
