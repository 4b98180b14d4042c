//! Measures a lake in a folder: how fast it takes events, how fast a scan decodes them, and what it costs in memory.
//!
//! `cargo run --release -p wayfarer-lake --example measure -- FOLDER EVENTS BATCH TASKS [ids]`

use std::{path::PathBuf, time::Instant};

use wayfarer_event::{Column, Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::{Ids, Lake, Options, Scan, Values};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SITE: &str = "shop.example";
const NAMES: [&str; 5] = ["page_view", "page_view", "click", "add_to_cart", "purchase"];
const BROWSERS: [&str; 4] = ["Chrome", "Firefox", "Safari", "Edge"];
const COUNTRIES: [&str; 6] = ["DE", "FR", "US", "CN", "JP", "BR"];

struct Load {
    events: u64,
    batch: u64,
    tasks: u64,
    ids: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: u64| args.get(at).and_then(|n| n.parse().ok()).unwrap_or(or);
    let folder: PathBuf = args.first().ok_or("which folder?")?.into();
    let load = Load {
        events: number(1, 2_000_000),
        batch: number(2, 1000),
        tasks: number(3, 8),
        ids: args.get(4).is_some(),
    };
    let lake = Lake::open(&folder, Options::default()).await?;
    let before = lake.view().rows(Some(SITE));
    append(&lake, load).await?;
    let start = Instant::now();
    lake.seal().await?;
    println!("last seal: {:.2} s; memory: {} MB", start.elapsed().as_secs_f64(), memory());
    println!("{}", serde_json::to_string(&lake.status())?);
    let columns: [&[Column]; 4] = [
        &[],
        &[Column::Name],
        &[Column::Name, Column::Path],
        &[Column::Name, Column::Path, Column::Status, Column::Country, Column::Id],
    ];
    for columns in columns {
        let lake = lake.clone();
        tokio::task::spawn_blocking(move || scan(&lake, columns)).await??;
    }
    println!("rows before {before}, now {}", lake.view().rows(Some(SITE)));
    lake.close().await?;
    Ok(())
}

async fn append(lake: &Lake, load: Load) -> Result<(), Failure> {
    let (start, busy) = (Instant::now(), processor());
    let share = load.events / load.tasks;
    let tasks = (0..load.tasks).map(|task| {
        let lake = lake.clone();
        tokio::spawn(async move {
            let mut waits: Vec<f64> = Vec::new();
            let mut first = task * share;
            while first < (task + 1) * share {
                let batch: Vec<Event> =
                    (first..first + load.batch).map(|n| event(n, load.ids)).collect();
                let sent = Instant::now();
                while let Err(error) = lake.append(batch.clone(), Ids::Window).await {
                    if error.kind() != wayfarer_lake::ErrorKind::Busy {
                        return Err(error);
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                waits.push(sent.elapsed().as_secs_f64());
                first += load.batch;
            }
            Ok(waits)
        })
    });
    let mut waits = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        waits.extend(task.await??);
    }
    let seconds = start.elapsed().as_secs_f64();
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    println!(
        "append: {:.0} events/s, {:.0} by processor time, acknowledged in {:.1} ms (median), {:.1} ms (p99); memory {} MB",
        load.events as f64 / seconds,
        load.events as f64 / (processor() - busy),
        at(0.5) * 1e3,
        at(0.99) * 1e3,
        memory()
    );
    Ok(())
}

fn scan(lake: &Lake, columns: &[Column]) -> Result<(), wayfarer_lake::Error> {
    let (start, busy) = (Instant::now(), processor());
    let mut rows = 0;
    let mut sum = 0;
    for mut run in lake.view().runs(&Scan::new(SITE, columns))? {
        while let Some(block) = run.next_block()? {
            rows += block.len();
            if let Some(Values::Text { codes, .. }) = block.columns.first() {
                sum += codes.iter().map(|&code| u64::from(code)).sum::<u64>();
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = rows as f64 / seconds / 1e6;
    let busy = rows as f64 / (processor() - busy) / 1e6;
    println!("scan {columns:?}: {rate:.1} M rows/s, {busy:.1} by processor time ({sum})");
    Ok(())
}

fn event(n: u64, ids: bool) -> Event {
    // A few mixed bits of n, so that visitors and pages repeat as they do on a site.
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pick = |shift: u32, of: u64| ((mixed >> shift) % of) as usize;
    let text = |of: &[&str], at: usize| of.get(at).map(|text| (*text).into());
    Event {
        site: SITE.into(),
        visitor: VisitorId((mixed >> 20) % 50_000 * 0x1234_5678_9abc),
        visitor_kind: VisitorKind::Daily,
        name: text(&NAMES, pick(8, 5)).unwrap_or_default(),
        ts: Micros(1_767_225_600_000_000 + n as i64 * 50_000),
        received_at: Micros(1_767_225_600_000_000 + n as i64 * 50_000 + 900),
        id: ids.then(|| format!("{mixed:016x}").into()),
        host: Some(SITE.into()),
        path: Some(format!("/product/{}", pick(30, 2000)).into()),
        method: Some("GET".into()),
        status: Some(200),
        latency_ms: Some(pick(40, 1000) as f64 / 8.0),
        country: text(&COUNTRIES, pick(44, 6)),
        browser: text(&BROWSERS, pick(48, 4)),
        os: Some("Linux".into()),
        device: Some("desktop".into()),
        ..Event::default()
    }
}

/// Seconds of processor time that this process took, in ticks of 10 ms.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Resident memory in MB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
