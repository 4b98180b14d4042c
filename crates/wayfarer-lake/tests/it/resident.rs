//! Rows that stay in memory: the same as from the files, within their bounds, and gone with their files.

use std::{collections::HashMap, fs::File, path::Path};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use wayfarer_event::{Column, Event, Micros, VisitorId};
use wayfarer_lake::{Block, Ids, Lake, Options, Person, Scan, Values, View};

use crate::support::{event_with_id, options};

const SITE: &str = "a.example";
/// Text with and without nulls, text that is the same throughout, whole numbers, fractions, and what has no value at all.
const COLUMNS: [Column; 8] = [
    Column::Name,
    Column::Path,
    Column::Title,
    Column::Site,
    Column::ActiveMs,
    Column::Value,
    Column::Seq,
    Column::BotReason,
];

/// A row: visitor, ts, seq, writer, and the columns.
type Row = (u64, i64, (u64, u64), Vec<String>);

fn cell(values: &Values, row: usize) -> String {
    match values {
        Values::Null { .. } => "null".into(),
        Values::Text { codes, .. } if codes[row] == Values::NULL => "null".into(),
        Values::Text { codes, dictionary } => dictionary.value(codes[row] as usize).to_owned(),
        Values::Int { nulls, .. } | Values::Float { nulls, .. }
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) =>
        {
            "null".into()
        }
        Values::Int { values, .. } => values[row].to_string(),
        Values::Float { values, .. } => values[row].to_string(),
        Values::Unsigned { values } => values[row].to_string(),
    }
}

fn rows(block: &Block) -> impl Iterator<Item = Row> {
    let row = |(row, visitor): (usize, u64)| {
        let cells = block.columns.iter().map(|values| cell(values, row)).collect();
        (visitor, block.ts[row], block.arrival.of(row).unwrap(), cells)
    };
    block.visitors.each().enumerate().map(row).collect::<Vec<_>>().into_iter()
}

/// The rows of each run, which must be in order.
fn runs(view: &View, scan: &Scan) -> Vec<Vec<Row>> {
    let mut all = Vec::new();
    for mut run in view.runs(scan).unwrap() {
        let mut own: Vec<Row> = Vec::new();
        while let Some(block) = run.next_block().unwrap() {
            own.extend(rows(&block));
        }
        assert!(own.is_sorted_by_key(|(visitor, ts, arrival, _)| (*visitor, *ts, *arrival)));
        all.push(own);
    }
    all
}

fn sorted(runs: Vec<Vec<Row>>) -> Vec<Row> {
    let mut all: Vec<Row> = runs.into_iter().flatten().collect();
    all.sort_unstable();
    all
}

fn prepare(view: &View, scan: &Scan) {
    view.prepare(scan, 2, &|| true).unwrap();
}

/// A lake of many small files whose times overlap, with ties between them, and of hot rows.
async fn lake(folder: &std::path::Path, options: Options) -> Lake {
    let lake = Lake::open(folder, options).await.unwrap();
    for part in 0..7 {
        let batch = (0..60).map(|n| Event {
            // In every part the same few instants.
            ts: Micros(1_767_225_600_000_000 + (n as i64 % 13) * 60_000_000),
            ..event_with_id(SITE, part * 100 + n)
        });
        lake.append(batch.collect(), Ids::Window).await.unwrap();
        if part < 6 {
            lake.seal().await.unwrap();
        }
    }
    lake
}

#[tokio::test]
async fn what_is_in_memory_is_what_lies_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path(), options()).await;
    let view = lake.view();
    let whole = Scan::new(SITE, &COLUMNS);
    let at = |minute: i64| Some(Micros(1_767_225_600_000_000 + minute * 60_000_000));
    let scans = [
        whole.clone(),
        Scan { from: at(3), until: at(9), ..whole.clone() },
        Scan { visitors: 1 << 62..=3 << 62, ..whole.clone() },
        Scan { until: at(1), visitors: 0..=1 << 63, ..whole.clone() },
        Scan { columns: vec![Column::Path], from: at(12), ..whole.clone() },
        Scan { from: at(100), ..whole.clone() },
    ];
    let before: Vec<_> = scans.iter().map(|scan| runs(&view, scan)).collect();
    assert_eq!(view.resident_bytes(), 0);
    prepare(&view, &whole);
    assert!(view.resident_bytes() > 0);
    for (scan, before) in scans.iter().zip(before) {
        let after = runs(&view, scan);
        assert!(after.len() < before.len().max(2), "{} runs", after.len());
        assert_eq!(sorted(after), sorted(before), "{scan:?}");
    }
}

/// The file that was sealed later begins earlier, and ends when the other begins.
#[tokio::test]
async fn where_files_meet_the_order_of_arrival_decides() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path(), options()).await.unwrap();
    for (part, minutes) in [(0, [5, 6, 7]), (1, [3, 4, 5])] {
        let event = |(n, minute): (usize, i64)| Event {
            visitor: VisitorId(7),
            ts: Micros(1_767_225_600_000_000 + minute * 60_000_000),
            ..event_with_id(SITE, part * 100 + n as u64)
        };
        let batch = minutes.into_iter().enumerate().map(event).collect();
        lake.append(batch, Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    let (view, scan) = (lake.view(), Scan::new(SITE, &COLUMNS));
    let before = sorted(runs(&view, &scan));
    prepare(&view, &scan);
    let after = runs(&view, &scan);
    assert_eq!(after.len(), 1);
    assert_eq!(after.concat(), before);
}

/// A report on a few days decodes no more than these, until such reports have read as much as there is.
#[tokio::test]
async fn what_is_wanted_again_and_again_comes_to_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path(), options()).await.unwrap();
    let minute = |minute: i64| Micros(1_767_225_600_000_000 + minute * 60_000_000);
    for part in 0..4_u64 {
        let event =
            |n: u64| Event { ts: minute(part as i64), ..event_with_id(SITE, part * 100 + n) };
        lake.append((0..50).map(event).collect(), Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    let (view, whole) = (lake.view(), Scan::new(SITE, &COLUMNS));
    let narrow = Scan { from: Some(minute(1)), until: Some(minute(2)), ..whole.clone() };
    let before = sorted(runs(&view, &narrow));
    assert_eq!(before.len(), 50);
    prepare(&view, &narrow);
    assert_eq!(view.resident_bytes(), 0, "a quarter of the rows was wanted");
    assert_eq!(sorted(runs(&view, &narrow)), before);
    prepare(&view, &narrow);
    assert!(view.resident_bytes() > 0, "half of the rows were wanted by now");
    assert_eq!(sorted(runs(&view, &narrow)), before);
    assert_eq!(runs(&view, &whole).len(), 1, "all of them are there");
}

#[tokio::test]
async fn memory_has_its_bound_and_may_be_none() {
    let folder = tempfile::tempdir().unwrap();
    lake(folder.path(), options()).await.close().await.unwrap();
    let mut most = 0;
    for resident_bytes in [0, 100, 2_000, 9_000, 1 << 20] {
        let options = Options { resident_bytes, ..options() };
        let lake = Lake::open(folder.path(), options).await.unwrap();
        let view = lake.view();
        for column in COLUMNS {
            let scan = Scan::new(SITE, &[column]);
            let before = sorted(runs(&view, &scan));
            prepare(&view, &scan);
            assert_eq!(sorted(runs(&view, &scan)), before);
            assert!(view.resident_bytes() <= resident_bytes, "{}", view.resident_bytes());
            most = most.max(view.resident_bytes());
        }
        lake.close().await.unwrap();
    }
    assert!(most > 9_000, "{most}");
}

/// Where nobody comes twice into a file, to put rows in order takes more memory than they do.
#[tokio::test]
async fn what_takes_more_order_than_rows_stays_in_its_files() {
    for (visitors, stays_in_memory) in [(20, true), (200, false)] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { resident_bytes: 16_000, ..options() };
        let lake = Lake::open(folder.path(), options).await.unwrap();
        for part in 0..2 {
            let batch = (0..200).map(|n| Event {
                visitor: VisitorId((n % visitors) << 32),
                ..event_with_id(SITE, part * 200 + n)
            });
            lake.append(batch.collect(), Ids::Window).await.unwrap();
            lake.seal().await.unwrap();
        }
        let (view, scan) = (lake.view(), Scan::new(SITE, &[Column::Name]));
        let before = sorted(runs(&view, &scan));
        for _ in 0..2 {
            prepare(&view, &scan);
            assert_eq!(view.resident_bytes() > 0, stays_in_memory, "{visitors} visitors");
            assert_eq!(sorted(runs(&view, &scan)), before);
        }
    }
}

/// Writes the second half of a file's rows before the first.
fn swap_halves(file: &Path) {
    let open = || ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let batches: Vec<RecordBatch> = open().build().unwrap().map(Result::unwrap).collect();
    let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    let half = rows.num_rows() / 2;
    let mut writer =
        ArrowWriter::try_new(File::create(file).unwrap(), rows.schema(), None).unwrap();
    writer.write(&rows.slice(half, rows.num_rows() - half)).unwrap();
    writer.write(&rows.slice(0, half)).unwrap();
    writer.close().unwrap();
}

/// Folded as they lie, such rows would give wrong numbers.
#[tokio::test]
async fn files_that_are_out_of_order_are_refused_into_memory_and_block_by_block() {
    for (visitors, files) in [(1, 1_u64), (1, 2), (10, 1), (10, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path(), options()).await.unwrap();
        for part in 0..files {
            let event = |n: u64| Event {
                visitor: VisitorId((n % visitors) << 32),
                ts: Micros(1_767_225_600_000_000 + (part * 100 + n) as i64 * 1_000_000),
                ..event_with_id(SITE, part * 100 + n)
            };
            lake.append((0..100).map(event).collect(), Ids::Window).await.unwrap();
            lake.seal().await.unwrap();
        }
        lake.close().await.unwrap();
        let data = folder.path().join("lake/main/events");
        let mut names: Vec<_> = data.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        swap_halves(names.last().unwrap());
        let lake = Lake::open(folder.path(), options()).await.unwrap();
        let (view, scan) = (lake.view(), Scan::new(SITE, &[Column::Name]));
        let mut runs = view.runs(&scan).unwrap().into_iter();
        let walked = runs.try_for_each(|mut run| {
            while run.next_block()?.is_some() {}
            Ok::<(), wayfarer_lake::Error>(())
        });
        for refused in [walked, view.prepare(&scan, 2, &|| true)] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("not in order"), "{visitors} visitors: {error}");
            assert!(error.contains(&*names.last().unwrap().to_string_lossy()), "{error}");
        }
    }
}

#[tokio::test]
async fn files_that_leave_the_lake_leave_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path(), options()).await;
    let scan = Scan::new(SITE, &COLUMNS);
    let old = lake.view();
    prepare(&old, &scan);
    let visitor = VisitorId(runs(&old, &scan)[0][0].0);
    lake.erase(&[SITE.to_owned()], &Person::Visitor(visitor)).await.unwrap();
    assert_eq!(lake.view().resident_bytes(), 0);
    let view = lake.view();
    prepare(&view, &scan);
    assert!(runs(&view, &scan).iter().flatten().all(|row| row.0 != visitor.0));
    assert!(view.resident_bytes() > 0);
    lake.compact().await.unwrap();
    assert_eq!(lake.view().resident_bytes(), 0);
    // A view from before does not bring back what left.
    prepare(&view, &scan);
    assert_eq!(lake.view().resident_bytes(), 0);
    lake.retain(&HashMap::new()).await.unwrap();
}
