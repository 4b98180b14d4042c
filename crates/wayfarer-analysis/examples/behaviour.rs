//! The behaviour questions of a clickstream over a lake, timed.
//!
//! ```text
//! cargo run --release -p wayfarer-analysis --example behaviour -- load EVENTS.parquet LAKE
//! cargo run --release -p wayfarer-analysis --example behaviour -- time LAKE [QUESTION]
//! ```
//!
//! The events have the columns ts, visitor, event, path, country, device and value. Each question is asked three times;
//! the best and the first time are told, then the answer in short.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench stops at the first thing that is wrong"
)]

use std::{
    env,
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use arrow_array::{
    Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use wayfarer_analysis::{Context, Request, answer};
use wayfarer_event::{Column, Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::{Ids, Lake, Options, Scan};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SITE: &str = "shop";

#[tokio::main]
async fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["load", events, lake] => load(Path::new(events), Path::new(lake)).await,
        ["time", lake] => time(Path::new(lake), "").await,
        ["time", lake, question] => time(Path::new(lake), question).await,
        _ => {
            eprintln!("usage: behaviour load EVENTS.parquet LAKE | behaviour time LAKE [QUESTION]");
        }
    }
}

async fn load(events: &Path, folder: &Path) {
    let began = Instant::now();
    let lake = Lake::open(folder, Options::default()).await.expect("open the lake");
    let file = File::open(events).expect("open the events");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("read the footer");
    let mut rows = 0;
    for batch in reader.with_batch_size(20_000).build().expect("read the events") {
        let batch = batch.expect("read a batch");
        rows += batch.num_rows();
        append(&lake, batch).await;
    }
    lake.seal().await.expect("seal");
    lake.compact().await.expect("compact");
    println!("{rows} events in {:.1} s: {:?}", began.elapsed().as_secs_f64(), lake.status());
    lake.close().await.expect("close the lake");
}

async fn append(lake: &Lake, batch: RecordBatch) {
    let mut events = events(&batch);
    loop {
        match lake.append(events, Ids::Window).await {
            Ok(_) => return,
            Err(error) if error.kind() == wayfarer_lake::ErrorKind::Busy => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                events = self::events(&batch);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> &'a T {
    let column = batch.column_by_name(name).expect(name);
    column.as_any().downcast_ref().expect(name)
}

/// Spreads numbers evenly, as the keyed hash of a visitor does.
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

fn events(batch: &RecordBatch) -> Vec<Event> {
    let ts: &TimestampMicrosecondArray = column(batch, "ts");
    let visitor: &Int64Array = column(batch, "visitor");
    let value: &Float64Array = column(batch, "value");
    let texts = ["event", "path", "referrer", "country", "device"];
    let [event, path, referrer, country, device] =
        texts.map(|name| column::<StringArray>(batch, name));
    let text = |column: &StringArray, row: usize| {
        Some(column.value(row)).filter(|text| !text.is_empty()).map(Into::into)
    };
    let event = |row: usize| Event {
        site: SITE.into(),
        visitor: VisitorId(mix(visitor.value(row) as u64)),
        visitor_kind: VisitorKind::FirstParty,
        name: event.value(row).into(),
        ts: Micros(ts.value(row)),
        received_at: Micros(ts.value(row)),
        path: text(path, row),
        referrer: text(referrer, row),
        country: text(country, row),
        device: text(device, row),
        value: Some(value.value(row)).filter(|value| *value > 0.0),
        ..Event::default()
    };
    (0..batch.num_rows()).map(event).collect()
}

fn questions() -> Vec<(&'static str, Request)> {
    let request =
        |report: &str| Request { report: report.into(), site: SITE.into(), ..Request::default() };
    let metrics = || vec!["pageviews".to_owned(), "visitors".to_owned()];
    let pages = Some("name = 'page_view'".to_owned());
    let funnel = || Request {
        steps: [
            "name = 'page_view' and path ~ '^/product/'",
            "name = 'add_to_cart'",
            "path = '/checkout'",
            "name = 'purchase'",
        ]
        .map(Into::into)
        .to_vec(),
        window: Some("1d".into()),
        ..request("funnel")
    };
    vec![
        ("timeseries", Request { metrics: metrics(), filter: pages.clone(), ..request("trend") }),
        (
            "top_pages",
            Request {
                by: Some("path".into()),
                metrics: metrics(),
                filter: pages,
                limit: Some(10),
                ..request("breakdown")
            },
        ),
        ("visits", Request { limit: Some(10), ..request("visits") }),
        ("overview", request("overview")),
        ("funnel", funnel()),
        ("funnel_by_country", Request { by: Some("country".into()), ..funnel() }),
        ("retention", Request { interval: Some("week".into()), ..request("retention") }),
        ("paths", Request { top: Some(20), ..request("transitions") }),
    ]
}

async fn time(folder: &Path, only: &str) {
    let day = Duration::from_secs(86_400);
    // The lake is left as it is.
    let options = Options { seal_after: day, compact_after: day, ..Options::default() };
    let lake = Lake::open(folder, options).await.expect("open the lake");
    println!("{:?}", lake.status());
    let now = Micros::parse("2026-04-05T00:00:00Z").expect("a time");
    decode(&lake);
    for (name, request) in questions().into_iter().filter(|(name, _)| name.starts_with(only)) {
        let mut seconds = Vec::new();
        let mut last = None;
        let worked = worked();
        for _ in 0..3 {
            let mut context = Context::new(lake.view(), jiff::tz::TimeZone::UTC, now);
            context.threads = 2;
            let began = Instant::now();
            last = Some(answer(&context, &request).expect(name));
            seconds.push(began.elapsed().as_secs_f64());
        }
        let worked = (self::worked() - worked) / 3.0;
        let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let answer = last.expect("an answer");
        let rows = serde_json::to_string(&answer.rows).expect("JSON");
        let meta = serde_json::to_string(&answer.meta).expect("JSON");
        let rows: String = rows.chars().take(420).collect();
        println!(
            "{name:18} best {best:.3} s, first {:.3} s, work {worked:.3} s  {rows} {meta}",
            seconds[0]
        );
    }
    lake.close().await.expect("close the lake");
}

/// Seconds of processor time that this process has used, all threads together: what other work on the machine does not
/// change much.
fn worked() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Reads columns without a fold: the floor.
fn decode(lake: &Lake) {
    for columns in [&[][..], &[Column::Name], &[Column::Name, Column::Path]] {
        let (began, before) = (Instant::now(), worked());
        let mut rows = 0;
        for mut run in lake.view().runs(&Scan::new(SITE, columns)).expect("open the runs") {
            while let Some(block) = run.next_block().expect("read a block") {
                rows += block.len();
            }
        }
        let worked = worked() - before;
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "decode {columns:?}: {rows} rows, {seconds:.3} s on one thread, work {worked:.3} s"
        );
    }
}
