use std::fs;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::{
    Array as _,
    cast::AsArray as _,
    types::{Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type},
};
use wayfarer_event::{Micros, VisitorId};

use super::*;

fn rows() -> Vec<Stored> {
    let event = Event {
        site: "shop".into(),
        visitor: VisitorId(u64::MAX),
        name: "purchase".into(),
        ts: Micros(1_767_225_600_500_000),
        id: Some("a,\"b".into()),
        path: Some("/结账".into()),
        status: Some(404),
        value: Some(19.5),
        props: Some(r#"{"plan":"pro"}"#.into()),
        ..Event::default()
    };
    let other = Event { value: None, props: None, status: None, ..event.clone() };
    vec![Stored { event, writer: 7, seq: 1 }, Stored { event: other, writer: 7, seq: u64::MAX }]
}

fn written(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut file = EventFile::create(&path, Format::of(&path).unwrap()).unwrap();
    rows().iter().for_each(|row| file.row(row).unwrap());
    assert!(!path.exists(), "the file has its name before it is whole");
    file.finish().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    (folder, path)
}

#[test]
fn a_format_is_found_by_the_name_of_the_file() {
    for (name, extension) in
        [("a.parquet", "parquet"), ("a.b.CSV", "csv"), ("x/a.ndjson", "ndjson")]
    {
        assert_eq!(Format::of(Path::new(name)).unwrap().extension, extension);
    }
    for name in ["a", "a.json", ".csv", ""] {
        assert!(Format::of(Path::new(name)).is_none(), "{name}");
    }
}

#[test]
fn csv_is_quoted_and_null_is_empty() {
    let (_folder, path) = written("events.csv");
    let mut csv = ::csv::Reader::from_path(path).unwrap();
    let heading: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    assert!(heading.iter().map(String::as_str).eq(Column::ALL.iter().map(|column| column.name())));
    let lines: Vec<_> = csv.records().map(Result::unwrap).collect();
    let cell = |line: usize, column: Column| lines[line].get(column.index()).unwrap();
    assert_eq!(cell(0, Column::Id), "a,\"b");
    assert_eq!(cell(0, Column::Visitor), "18446744073709551615");
    assert_eq!(cell(0, Column::Ts), "2026-01-01T00:00:00.5Z");
    assert_eq!(cell(0, Column::Value), "19.5");
    assert_eq!(cell(0, Column::Props), r#"{"plan":"pro"}"#);
    assert_eq!((cell(1, Column::Value), cell(1, Column::Status)), ("", ""));
    assert_eq!(cell(1, Column::Seq), "18446744073709551615");
}

#[test]
fn ndjson_names_every_column() {
    let (_folder, path) = written("events.ndjson");
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].as_object().unwrap().len(), Column::ALL.len());
    assert_eq!(lines[0]["visitor"], u64::MAX);
    assert_eq!(lines[0]["path"], "/结账");
    assert_eq!(lines[0]["props"]["plan"], "pro");
    assert_eq!(lines[1]["props"], serde_json::Value::Null);
    assert_eq!(lines[1]["seq"], u64::MAX);
}

#[test]
fn parquet_keeps_the_types() {
    let (_folder, path) = written("events.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let column = |column: Column| batch.column(column.index());
    assert_eq!(batch.num_rows(), 2);
    assert_eq!(column(Column::Visitor).as_primitive::<UInt64Type>().value(0), u64::MAX);
    assert_eq!(
        column(Column::Ts).as_primitive::<TimestampMicrosecondType>().value(0),
        1_767_225_600_500_000
    );
    assert_eq!(column(Column::Status).as_primitive::<Int64Type>().value(0), 404);
    assert_eq!(column(Column::Value).as_primitive::<Float64Type>().value(0), 19.5);
    assert!(column(Column::Value).is_null(1));
    assert_eq!(column(Column::Path).as_string::<i32>().value(0), "/结账");
}

#[test]
fn a_file_that_is_given_up_leaves_nothing_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    fs::write(&path, "old").unwrap();
    let mut file = EventFile::create(&path, Format::of(&path).unwrap()).unwrap();
    rows().iter().for_each(|row| file.row(row).unwrap());
    drop(file);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
