//! SQL beside the reports: the same questions, asked of two engines that share no code, over one lake with files and hot rows.

#![cfg(feature = "datafusion")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use arrow_array::{Int64Array, cast::AsArray as _};
use serde_json::{Value, json};
use wayfarer_analysis::{Context, Request, VisitRule, answer};
use wayfarer_event::{Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::{Ids, Lake, Options};
use wayfarer_query::{Answer, Error, Limits, query};

const NAMES: [&str; 5] = ["page_view", "page_view", "click", "purchase", "engagement"];
const PATHS: [&str; 4] = ["/", "/a", "/b", "/b/1"];

/// The seeds of the lakes to try: one, or as many as `WAYFARER_CASES` says.
fn seeds() -> std::ops::Range<u64> {
    let cases = std::env::var("WAYFARER_CASES").map_or(1, |cases| cases.parse().unwrap());
    7..7 + cases
}

/// Events of some hundred visitors: ties, repeats, pauses of just the limit, bots. The same for everybody.
fn events(count: u64) -> Vec<Event> {
    events_of(7, count)
}

fn events_of(seed: u64, count: u64) -> Vec<Event> {
    let mut state = seed;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let start = Micros::parse("2026-03-01T00:00:00Z").unwrap();
    let mut times = vec![start; 200];
    let mut event = |_| {
        let visitor = next(200);
        let pauses = [0, 1, 700, 1799, 1800, 1801, 40_000];
        let ts = &mut times[visitor as usize];
        *ts = ts.plus(pauses[next(7) as usize] * Micros::SECOND);
        Event {
            site: ["shop", "blog"][usize::from(visitor % 10 == 0)].into(),
            visitor: VisitorId(visitor * 0x0123_4567_89ab_cdef),
            visitor_kind: VisitorKind::FirstParty,
            name: NAMES[next(5) as usize].into(),
            path: Some(PATHS[next(4) as usize].into()),
            bot_reason: (next(20) == 0).then(|| "user agent".into()),
            value: (next(3) == 0).then(|| next(100) as f64 / 4.0),
            ts: *ts,
            received_at: *ts,
            ..Event::default()
        }
    };
    (0..count).map(&mut event).collect()
}

struct House {
    lake: Lake,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    house_of(7).await
}

/// A lake with two files and hot rows.
async fn house_of(seed: u64) -> House {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path(), Options::default()).await.unwrap();
    let events = events_of(seed, 9000);
    for (nth, part) in events.chunks(3000).enumerate() {
        lake.append(part.to_vec(), Ids::Window).await.unwrap();
        if nth < 2 {
            lake.seal().await.unwrap();
        }
    }
    House { lake, _folder: folder }
}

impl House {
    async fn sql(&self, sql: &str, limits: &Limits) -> Result<Answer, Error> {
        query(Arc::new(self.lake.view()), VisitRule::default(), sql, limits).await
    }

    /// The rows of an answer that has whole numbers alone.
    async fn numbers(&self, sql: &str) -> Vec<Vec<i64>> {
        let answer = self
            .sql(sql, &Limits::default())
            .await
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
        let mut rows = Vec::new();
        for batch in &answer.batches {
            for row in 0..batch.num_rows() {
                let number = |column: &Arc<dyn arrow_array::Array>| -> i64 {
                    let column: &Int64Array = column.as_primitive();
                    column.value(row)
                };
                rows.push(batch.columns().iter().map(number).collect());
            }
        }
        rows
    }

    async fn text(&self, sql: &str, limits: &Limits) -> String {
        self.sql(sql, limits).await.unwrap_err().to_string()
    }

    fn report(&self, request: Request) -> wayfarer_analysis::Answer {
        let now = Micros::parse("2027-01-01T00:00:00Z").unwrap();
        let context = Context::new(self.lake.view(), jiff::tz::TimeZone::UTC, now);
        answer(&context, &Request { site: "shop".into(), ..request }).unwrap()
    }
}

fn numbers(rows: &[serde_json::Map<String, Value>], fields: &[&str]) -> Vec<Vec<i64>> {
    rows.iter()
        .map(|row| fields.iter().map(|field| row[*field].as_i64().unwrap()).collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_there_once() {
    let house = house().await;
    assert_eq!(house.numbers("select count(*) from events").await, [[9000]]);
    let sites = house.numbers("select count(*) from events where site = 'blog'").await;
    assert_eq!(
        sites[0][0] as usize,
        events(9000).iter().filter(|event| event.site == "blog").count()
    );
    let distinct =
        "select count(*), count(distinct id) from (select distinct writer, seq, id from events)";
    assert_eq!(house.numbers(distinct).await, [[9000, 9000]]);
    let day =
        "select count(*) from events where ts >= '2026-03-02' and ts < '2026-03-03T00:00:00Z'";
    let bounds =
        ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"].map(|text| Micros::parse(text).unwrap());
    let inside =
        events(9000).iter().filter(|event| (bounds[0]..bounds[1]).contains(&event.ts)).count();
    assert_eq!(house.numbers(day).await, [[inside as i64]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_and_the_reports_count_the_same() {
    for seed in seeds() {
        counts_are_the_same(&house_of(seed).await).await;
    }
}

async fn counts_are_the_same(house: &House) {
    let people = "from events where site = 'shop' and bot_reason is null";
    let breakdown = house.report(Request {
        report: "breakdown".into(),
        by: Some("path".into()),
        metrics: vec!["visitors".into(), "events".into()],
        order: Some("key".into()),
        ..Request::default()
    });
    let mut told = numbers(&breakdown.rows, &["visitors", "events"]);
    told.reverse();
    let sql =
        format!("select count(distinct visitor), count(*) {people} group by path order by path");
    assert_eq!(house.numbers(&sql).await, told);

    let overview = house.report(Request { report: "overview".into(), ..Request::default() });
    let visits = "select count(*), cast(sum(pageviews) as bigint), sum(case when bounce then 1 else 0 end), \
                  count(distinct visitor) from visits where site = 'shop'";
    let found = house.numbers(visits).await.remove(0);
    let row = &overview.rows[0];
    assert_eq!(
        json!([found[0], found[1], found[3]]),
        json!([row["visits"], row["pageviews"], row["visitors"]])
    );
    assert!(
        (found[2] as f64 / found[0] as f64 - row["bounce_rate"].as_f64().unwrap()).abs() < 1e-12
    );
    // The rule of visits, written once more as a window function.
    let sessions = format!(
        "select cast(sum(visits) as bigint) from (select max(visit) as visits from (select visitor, \
         sessionize(ts, 1800) over (partition by visitor order by ts, seq) as visit {people}) group by visitor)"
    );
    assert_eq!(house.numbers(&sessions).await, [[found[0]]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_funnel_is_the_funnel() {
    for seed in seeds() {
        funnels_are_the_same(&house_of(seed).await).await;
    }
}

async fn funnels_are_the_same(house: &House) {
    for window in [0, 1, 1800, 90_000] {
        let steps =
            ["name = 'page_view'", "path = '/b'", "name = 'page_view'", "name = 'purchase'"];
        let funnel = house.report(Request {
            report: "funnel".into(),
            steps: steps.map(Into::into).into(),
            window: Some(format!("{window}s")),
            ..Request::default()
        });
        let sql = format!(
            "select step, count(*) from (select window_funnel({window}, ts, seq, {}) as depth from events \
             where site = 'shop' and bot_reason is null group by visitor), (values (1), (2), (3), (4)) as steps(step) \
             where depth >= step group by step order by step",
            steps.join(", ")
        );
        let told = numbers(&funnel.rows, &["step", "visitors"]);
        let told: Vec<Vec<i64>> = told.into_iter().filter(|row| row[1] > 0).collect();
        assert!(told.len() > 1 || window == 0, "{told:?}");
        assert_eq!(house.numbers(&sql).await, told, "{window} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_is_the_retention() {
    for seed in seeds() {
        retentions_are_the_same(&house_of(seed).await).await;
    }
}

async fn retentions_are_the_same(house: &House) {
    let retention = house.report(Request {
        report: "retention".into(),
        interval: Some("day".into()),
        ..Request::default()
    });
    let first = &retention.rows[0]["cohort"].as_str().unwrap().to_owned();
    let cohort: Vec<i64> = retention
        .rows
        .iter()
        .filter(|row| row["cohort"] == json!(first))
        .map(|row| row["visitors"].as_i64().unwrap())
        .take(3)
        .collect();
    let sql = format!(
        "select sum(cast(r[1] as bigint)), sum(cast(r[2] as bigint)), sum(cast(r[3] as bigint)) from (\
         select retention(date_trunc('day', ts) = '{first}', date_trunc('day', ts) = timestamp '{first}' + interval '1 day', \
         date_trunc('day', ts) = timestamp '{first}' + interval '2 days') as r from events \
         where site = 'shop' and bot_reason is null group by visitor)"
    );
    assert_eq!(house.numbers(&sql).await, [cohort]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_changed() {
    let house = house().await;
    for sql in [
        "insert into events select * from events",
        "delete from events",
        "update events set path = '/'",
        "drop table events",
        "create table mine as select 1",
        "create external table passwd stored as csv location '/etc/passwd'",
        "copy events to '/tmp/events.csv'",
        "set datafusion.execution.target_partitions = 1",
        "select 1; drop table events",
        "select * from '/etc/passwd'",
    ] {
        let error = house.sql(sql, &Limits::default()).await.unwrap_err();
        assert!(error.is_query(), "{sql}: {error}");
    }
    assert_eq!(house.numbers("select count(*) from events").await, [[9000]]);
    let unknown = house.text("select paht from events", &Limits::default()).await;
    assert!(unknown.contains("paht"), "{unknown}");
}

/// The first and the last instant that there are lie further apart than a number of microseconds can tell.
#[tokio::test(flavor = "multi_thread")]
async fn functions_bear_the_ends_of_time() {
    let house = house().await;
    let ends = "(values (arrow_cast(-9223372036854775808, 'Timestamp(Microsecond, Some(\"UTC\"))'), \
                arrow_cast(1, 'UInt64')), \
                (arrow_cast(9223372036854775807, 'Timestamp(Microsecond, Some(\"UTC\"))'), \
                arrow_cast(2, 'UInt64'))) as t (ts, seq)";
    let depth = format!("select window_funnel(1, ts, seq, seq = 1, seq = 2) from {ends}");
    assert_eq!(house.numbers(&depth).await, [[1]]);
    let visits = format!("select sessionize(ts, 1800) over (order by ts, seq) from {ends}");
    assert_eq!(house.numbers(&visits).await, [[1], [2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_keeps_to_its_limits() {
    let house = house().await;
    let limits = Limits { rows: 8999, ..Limits::default() };
    assert!(house.text("select ts from events", &limits).await.contains("more than 8999 rows"));
    let all = Limits { rows: 9000, ..Limits::default() };
    let rows: usize = house
        .sql("select ts from events", &all)
        .await
        .unwrap()
        .batches
        .iter()
        .map(arrow_array::RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, 9000);

    // What cannot go to the disk is refused by name; what can goes there.
    let limits = Limits { memory: 200_000, ..Limits::default() };
    let join = "select count(*) from events a join events b on a.id = b.id";
    let error = house.text(join, &limits).await;
    assert!(error.contains("more memory than 200000 bytes"), "{error}");
    let limits = Limits { memory: 3 << 20, threads: 1, ..Limits::default() };
    let sorted = house
        .sql("select id, path, name, visitor, ts from events order by id desc", &limits)
        .await
        .unwrap();
    assert_eq!(sorted.batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>(), 9000);
}

/// A query that computes without ever waiting: it ends at its limit, and nothing of it works on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_query_ends_at_its_time() {
    let house = house().await;
    for threads in [1, 2] {
        for sql in [
            // One call that takes long, already while it is planned.
            "select levenshtein(repeat('a', 4000), repeat('b', 4000))",
            "select sum(value % 7) from generate_series(1, 1000000000000000)",
            "select count(*) from events a, events b, events c where a.seq + b.seq <> c.seq",
            "select count(*) from visits a, visits b, visits c, events d where a.events + b.events <> c.events + d.seq",
        ] {
            let limits = Limits { time: Duration::from_millis(100), threads, ..Limits::default() };
            let view = Arc::new(house.lake.view());
            let working = Arc::downgrade(&view);
            let answer = query(view, VisitRule::default(), sql, &limits).await;
            assert!(matches!(answer, Err(Error::Time { .. })), "{sql}: {answer:?}");
            let ended = async {
                while working.strong_count() > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
            assert!(ended.is_ok(), "still working: {sql}");
        }
    }
}
