//! `wayfarer query` with an engine built in: the same rows from the folder and through its server, in every format, within
//! limits, and never more than a read.

use std::{fs::File, process::Stdio};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::{
    read::fill,
    run::{House, Server},
};

const PAGES: &str = "select path, count(*) as views, count(distinct visitor) as visitors, sum(value) as value \
                     from events where bot_reason is null group by path order by path nulls last";

/// A folder with some days of events, and the server that holds it.
fn served() -> (House, Server) {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    fill(&server, &token);
    (house, server)
}

/// What a query prints, whatever the format.
fn bytes(house: &House, arguments: &[&str]) -> Vec<u8> {
    let done = house.command(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

#[test]
fn an_answer_is_a_table_json_or_csv_and_the_same_through_a_server() {
    let (house, server) = served();
    let ask = |house: &House| {
        let formats = [&["--json"][..], &["--format", "csv"], &["--format", "json"], &[]];
        formats.map(|format| bytes(house, &[&["query", PAGES], format].concat()))
    };
    let through_server = ask(&house);
    let [json, csv, also_json, table] =
        through_server.clone().map(|b| String::from_utf8(b).unwrap());
    let row = |path: Option<&str>, views: u64, visitors: u64, value: Option<f64>| json!({ "path": path, "views": views, "visitors": visitors, "value": value });
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap(),
        json!([
            row(Some("/"), 6, 2, None),
            row(Some("/cart"), 6, 2, None),
            row(Some("/product/7"), 6, 2, None),
            row(None, 3, 1, Some(58.5)),
        ])
    );
    assert_eq!(also_json, json);
    assert_eq!(csv, "path,views,visitors,value\n/,6,2,\n/cart,6,2,\n/product/7,6,2,\n,3,1,58.5\n");
    assert_eq!(
        table,
        "path        views  visitors  value\n\
         /               6         2      —\n\
         /cart           6         2      —\n\
         /product/7      6         2      —\n\
         —               3         1   58.5\n"
    );
    server.stop();
    assert_eq!(ask(&house), through_server);
}

#[test]
fn parquet_keeps_the_types_of_columns() {
    let (house, server) = served();
    let sql = "select visitor, ts, events, bounce from visits cross join (select max(ts) as ts from events) order by start, visitor";
    let file = house.file("visits.parquet");
    let ask = || {
        std::fs::write(&file, bytes(&house, &["query", sql, "--format", "parquet"])).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap();
        let mut reader = reader.build().unwrap();
        reader.next().unwrap().unwrap()
    };
    let through_server = ask();
    let types: Vec<String> =
        through_server.schema().fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!(types, ["UInt64", "Timestamp(µs, \"UTC\")", "UInt64", "Boolean"]);
    assert_eq!(through_server.num_rows(), 6);
    server.stop();
    assert_eq!(ask(), through_server);
}

#[test]
fn no_rows_have_names_all_the_same() {
    let house = House::with_site("s");
    let none = ["query", "select visitor, path from events"];
    assert_eq!(house.run(&none).text(), "visitor  path\n");
    assert_eq!(house.run(&[&none[..], &["--format", "csv"]].concat()).text(), "visitor,path\n");
    assert_eq!(house.run(&[&none[..], &["--json"]].concat()).json(), json!([]));
    assert!(bytes(&house, &[&none[..], &["--format", "parquet"]].concat()).starts_with(b"PAR1"));
    let visitor = ["query", "select cast(18446744073709551615 as bigint unsigned) as rate"];
    assert_eq!(house.run(&visitor).text(), "                rate\n18446744073709551615\n");
}

#[test]
fn a_query_reads_and_keeps_within_its_limits_or_is_refused() {
    let (house, server) = served();
    // A single step of this takes minutes: nobody may wait for it to end.
    let endless = "select count(*) from generate_series(1, 2000000) a, generate_series(1, 2000000) b \
                   where a.value % 7 < b.value % 5";
    let greedy = "select count(*) from (select repeat(id, 2000) as long from events, generate_series(1, 400)) a \
                  join (select repeat(id, 2000) as long from events) b on a.long = b.long";
    let refused = |house: &House| {
        for (arguments, status, hint) in [
            (&["drop table events"][..], 2, "cannot be answered"),
            (&["insert into events (path) values ('/')"], 2, "cannot be answered"),
            (&["copy (select 1) to '/tmp/wayfarer-must-not-be.csv'"], 2, "cannot be answered"),
            (&["set datafusion.execution.batch_size = 1"], 2, "cannot be answered"),
            (&["selct 1"], 2, "selct"),
            (&["select pth from events"], 2, "path"),
            (&["select 1; select 2"], 2, "cannot be answered"),
            (&[endless, "--timeout", "1"], 1, "longer than 1 s"),
            (&["select * from events", "--max-rows", "23"], 1, "more than 23 rows: add LIMIT"),
            (&[greedy, "--max-memory", "1"], 1, "more memory than 1048576 bytes"),
        ] {
            let done = house.run(&[&["query"], arguments].concat());
            assert!(done.complaint(status).contains(hint), "{arguments:?}: {done:?}");
        }
        assert_eq!(
            house
                .run(&["query", "select id from events", "--max-rows", "24", "--json"])
                .json()
                .as_array()
                .unwrap()
                .len(),
            24
        );
    };
    refused(&house);
    server.stop();
    refused(&house);
    assert!(!std::path::Path::new("/tmp/wayfarer-must-not-be.csv").exists());
}
