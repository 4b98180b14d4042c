//! The clickstream: made by the generator, read from its Parquet file, put into a lake through the lake's own door.

use std::{fs::File, path::PathBuf, process::Command, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use arrow_array::{
    Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde::Serialize;
use wayfarer_bench_measure::Stopwatch;
use wayfarer_event::{Event, Micros, Text, VisitorId, VisitorKind};
use wayfarer_lake::{ErrorKind, Ids, Lake, Options, Status};

use crate::{Arguments, clicks_file};

/// The site that the clickstream belongs to.
pub(crate) const SITE: &str = "shop";

/// How many events go into the lake at once.
const BATCH: usize = 5_000;

/// The most events of a stream; of more, it is taken several times.
pub(crate) const LARGEST: u64 = 20_000_000;

/// How many files lie there that were not merged yet.
const SMALL_FILES: u64 = 50;

/// The end of the stream's 90 days.
const END: i64 = 1_767_225_600_000_000 + 90 * Micros::DAY;

/// What it took to get the clickstream into the lake.
#[derive(Debug, Serialize)]
pub(crate) struct Loaded {
    seconds: f64,
    events_per_second: f64,
    status: Status,
}

/// The file with the clickstream; it is made if it is not there.
pub(crate) fn clickstream(arguments: &Arguments) -> Result<PathBuf> {
    let (rows, _) = stream(arguments);
    let file = clicks_file(&arguments.folder, rows);
    if file.exists() {
        return Ok(file);
    }
    let script = arguments.scripts.join("clickstream.py");
    let status = Command::new(&arguments.python)
        .arg(&script)
        .arg(rows.to_string())
        .arg(&file)
        .status()
        .with_context(|| format!("could not run {}", script.display()))?;
    ensure!(status.success(), "{} ended with {status}", script.display());
    Ok(file)
}

/// How a lake is kept here: as a server keeps it on the day after the stream's last, but merging only when it is told to.
pub(crate) fn options() -> Options {
    let day = Duration::from_secs(86_400);
    Options {
        clock: Arc::new(|| Micros(END)),
        seal_after: day,
        compact_after: day,
        ..Options::default()
    }
}

/// The file of the stream that a lake of so many events is made of, and how many times it is taken.
fn stream(arguments: &Arguments) -> (u64, u64) {
    let copies = arguments.rows.div_ceil(LARGEST).max(1);
    (arguments.rows / copies, copies)
}

/// The same, with no file left that was merged into another.
pub(crate) fn options_at_rest() -> Options {
    Options { keep_snapshots: Duration::ZERO, ..options() }
}

/// Puts every row into the lake, and checks that they are all there.
///
/// The lake is left as it lives: nine tenths of the rows in files of a day, a week or a month, then [`SMALL_FILES`] that nobody has
/// merged yet, and the last of a tenth in memory.
pub(crate) async fn load(lake: &Lake, arguments: &Arguments) -> Result<Loaded> {
    let rows = arguments.rows;
    let reader = batches(arguments)?;
    let watch = Stopwatch::start();
    let mut events = 0;
    let compacted = rows / 10 * 9;
    let (mut next_seal, each) = (compacted, (rows - compacted) / (SMALL_FILES + 1));
    for batch in reader {
        events += append_batch(lake, arguments, &batch?).await?;
        if events >= next_seal && events + each <= rows {
            lake.seal().await?;
            if next_seal == compacted {
                lake.compact().await?;
            }
            next_seal += each.max(1);
        }
    }
    let seconds = watch.stop(1, 0).wall_ns / 1e9;
    let there = lake.view().rows(Some(SITE));
    ensure!(there == events, "{events} events were appended, and {there} are there");
    Ok(Loaded { seconds, events_per_second: events as f64 / seconds, status: lake.status() })
}

/// Puts every row into the lake, and merges them all: none is in memory, and no file is left that was merged into another.
pub(crate) async fn load_at_rest(lake: &Lake, arguments: &Arguments) -> Result<()> {
    for batch in batches(arguments)? {
        append_batch(lake, arguments, &batch?).await?;
    }
    lake.seal().await?;
    lake.compact().await?;
    Ok(())
}

/// The stream, [`BATCH`] events at a time.
fn batches(arguments: &Arguments) -> Result<ParquetRecordBatchReader> {
    let clicks = clickstream(arguments)?;
    let file =
        File::open(&clicks).with_context(|| format!("could not open {}", clicks.display()))?;
    Ok(ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH).build()?)
}

/// Appends a batch of the stream as often as the stream is taken, and says how many events that were.
async fn append_batch(lake: &Lake, arguments: &Arguments, batch: &RecordBatch) -> Result<u64> {
    let (columns, (_, copies)) = (Columns::of(batch)?, stream(arguments));
    let mut events = 0;
    for copy in 0..copies {
        let batch = columns.events(copy);
        events += batch.len() as u64;
        append(lake, batch).await?;
    }
    Ok(events)
}

/// Appends, and waits where the lake says that it is busy: it took nothing then.
async fn append(lake: &Lake, events: Vec<Event>) -> Result<()> {
    loop {
        match lake.append(events.clone(), Ids::Window).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Busy => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The columns of a batch, by their types.
struct Columns {
    ts: TimestampMicrosecondArray,
    visitor: Int64Array,
    user: Int64Array,
    event: StringArray,
    path: StringArray,
    referrer: StringArray,
    country: StringArray,
    device: StringArray,
    value: Float64Array,
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Columns> {
        Ok(Columns {
            ts: column(batch, "ts")?,
            visitor: column(batch, "visitor")?,
            user: column(batch, "user")?,
            event: column(batch, "event")?,
            path: column(batch, "path")?,
            referrer: column(batch, "referrer")?,
            country: column(batch, "country")?,
            device: column(batch, "device")?,
            value: column(batch, "value")?,
        })
    }

    /// The events, of other visitors in each copy.
    fn events(&self, copy: u64) -> Vec<Event> {
        (0..self.ts.len()).map(|row| self.event(row, copy << 48)).collect()
    }

    fn event(&self, row: usize, visitors: u64) -> Event {
        let user = Some(self.user.value(row)).filter(|user| *user != 0);
        Event {
            site: Text::const_new(SITE),
            visitor: VisitorId(spread(self.visitor.value(row) as u64 | visitors)),
            visitor_kind: VisitorKind::FirstParty,
            user: user.map(|user| Text::from(user.to_string())),
            name: self.event.value(row).into(),
            ts: Micros(self.ts.value(row)),
            received_at: Micros(self.ts.value(row)),
            path: text(&self.path, row),
            referrer: text(&self.referrer, row),
            country: text(&self.country, row),
            device: text(&self.device, row),
            value: Some(self.value.value(row)).filter(|value| *value > 0.0),
            ..Event::default()
        }
    }
}

/// The text of a row; an empty one means that there is none.
fn text(column: &StringArray, row: usize) -> Option<Text> {
    Some(column.value(row)).filter(|text| !text.is_empty()).map(Text::from)
}

fn column<T: Array + Clone + 'static>(batch: &RecordBatch, name: &str) -> Result<T> {
    let column = batch.column_by_name(name).with_context(|| format!("there is no {name}"))?;
    match column.as_any().downcast_ref::<T>() {
        Some(column) => Ok(column.clone()),
        None => bail!("{name} is a {}", column.data_type()),
    }
}

/// Visitors of a lake are hashes: spread over all 64 bits, one to one (the finish of SplitMix64).
fn spread(visitor: u64) -> u64 {
    let mixed = (visitor ^ (visitor >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
