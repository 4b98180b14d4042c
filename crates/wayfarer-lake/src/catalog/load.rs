//! Reads the newest snapshot: its data files with their spans, how far the log is sealed, and the files of ids.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};

use super::{Catalog, EVENTS, failed};
use crate::{Result, file::SiteSpan};

/// The catalog as it is now.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) snapshot: u64,
    /// Every event of the writer with a `seq` below this is in a file.
    pub(crate) next_seq: u64,
    /// The files that readers can use. Where another program deleted rows, these are still in them.
    pub(crate) files: Vec<FileRow>,
    /// What waits to be adopted.
    pub(crate) strange: Vec<Strange>,
    /// The names of all data files, also of those that only older snapshots have.
    pub(crate) named: HashSet<String>,
    pub(crate) id_files: Vec<IdFileRow>,
}

/// A live data file that another program wrote, or from which it deleted.
#[derive(Debug)]
pub(crate) struct Strange {
    pub(crate) file: FileRow,
    /// Its delete files, relative to the folder of the table, or absolute.
    pub(crate) deletes: Vec<String>,
}

/// A live data file.
#[derive(Clone, Debug)]
pub(crate) struct FileRow {
    pub(crate) id: u64,
    /// Relative to the folder of the table, or absolute.
    pub(crate) path: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// CRC-32C of the file; none when another program wrote it.
    pub(crate) crc: Option<u32>,
    pub(crate) spans: Vec<SiteSpan>,
}

/// A file of fingerprints of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdFileRow {
    pub(crate) name: String,
    pub(crate) ledger: bool,
    pub(crate) ids: u64,
    /// When its newest id was sealed, in microseconds.
    pub(crate) newest: i64,
}

impl Catalog {
    /// Reads the newest snapshot, for this writer.
    pub(crate) async fn load(&self, writer: u64) -> Result<Loaded> {
        let doing = "cannot read the catalog";
        let mut connection = self.lock().await;
        // One transaction, so that all is of one moment.
        let mut transaction = connection.begin().await.map_err(failed(doing))?;
        let loaded = load(&mut transaction, writer).await.map_err(failed(doing))?;
        transaction.commit().await.map_err(failed(doing))?;
        Ok(loaded)
    }
}

impl Catalog {
    /// The rows and bytes that the table has by its statistics.
    pub(crate) async fn table_counts(&self) -> Result<(u64, u64)> {
        let mut connection = self.lock().await;
        let row = sqlx::query(
            "SELECT record_count, file_size_bytes FROM ducklake_table_stats WHERE table_id = ?",
        )
        .bind(EVENTS)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("cannot read the catalog"))?;
        let Some(row) = row else { return Ok((0, 0)) };
        let counts = || Ok((unsigned(&row, 0)?, unsigned(&row, 1)?));
        counts().map_err(failed("cannot read the catalog"))
    }
}

/// The delete files of other programs, by the data file that they belong to.
async fn load_deletes(
    connection: &mut SqliteConnection,
) -> sqlx::Result<HashMap<u64, Vec<String>>> {
    let rows = sqlx::query(
        "SELECT data_file_id, path FROM ducklake_delete_file
         WHERE table_id = ? AND end_snapshot IS NULL",
    )
    .bind(EVENTS)
    .fetch_all(connection)
    .await?;
    let mut deletes: HashMap<u64, Vec<String>> = HashMap::new();
    for row in rows {
        deletes.entry(unsigned(&row, 0)?).or_default().push(row.try_get(1)?);
    }
    Ok(deletes)
}

async fn load(connection: &mut SqliteConnection, writer: u64) -> sqlx::Result<Loaded> {
    let snapshot: i64 = sqlx::query_scalar("SELECT max(snapshot_id) FROM ducklake_snapshot")
        .fetch_one(&mut *connection)
        .await?;
    let next_seq: Option<i64> =
        sqlx::query_scalar("SELECT next_seq FROM wayfarer_writer WHERE writer = ?")
            .bind(writer.cast_signed())
            .fetch_optional(&mut *connection)
            .await?;
    let mut spans = load_spans(connection).await?;
    let files = sqlx::query(
        "SELECT data_file_id, path, record_count, file_size_bytes, crc32c
         FROM ducklake_data_file LEFT JOIN wayfarer_file USING (data_file_id)
         WHERE table_id = ? AND end_snapshot IS NULL ORDER BY data_file_id",
    )
    .bind(EVENTS)
    .fetch_all(&mut *connection)
    .await?;
    let file = |row: &SqliteRow| {
        let id = unsigned(row, 0)?;
        Ok(FileRow {
            id,
            path: row.try_get(1)?,
            rows: unsigned(row, 2)?,
            bytes: unsigned(row, 3)?,
            crc: row.try_get(4)?,
            spans: spans.remove(&id).unwrap_or_default(),
        })
    };
    let files = files.iter().map(file).collect::<sqlx::Result<Vec<FileRow>>>()?;
    let mut deletes = load_deletes(connection).await?;
    let mut strange = Vec::new();
    let mut usable = Vec::with_capacity(files.len());
    for file in files {
        let ours = file.spans.iter().map(|span| span.rows).sum::<u64>() == file.rows;
        let deletes = deletes.remove(&file.id).unwrap_or_default();
        if !ours || !deletes.is_empty() {
            strange.push(Strange { file: file.clone(), deletes });
        }
        usable.extend(ours.then_some(file));
    }
    let id_files = load_id_files(connection).await?;
    let named: Vec<String> =
        sqlx::query_scalar("SELECT path FROM ducklake_data_file").fetch_all(connection).await?;
    let named = named.into_iter().collect();
    let next_seq = next_seq.unwrap_or(1).unsigned_abs();
    let (snapshot, files) = (snapshot.unsigned_abs(), usable);
    Ok(Loaded { snapshot, next_seq, files, strange, named, id_files })
}

async fn load_spans(
    connection: &mut SqliteConnection,
) -> sqlx::Result<HashMap<u64, Vec<SiteSpan>>> {
    let rows = sqlx::query(
        "SELECT data_file_id, site, first_row, rows,
                least_visitor, greatest_visitor, least_ts, greatest_ts
         FROM wayfarer_span ORDER BY data_file_id, first_row",
    )
    .fetch_all(connection)
    .await?;
    let mut spans: HashMap<u64, Vec<SiteSpan>> = HashMap::new();
    for row in rows {
        let visitor = |at: usize| row.try_get::<i64, _>(at).map(i64::cast_unsigned);
        spans.entry(unsigned(&row, 0)?).or_default().push(SiteSpan {
            site: row.try_get(1)?,
            first_row: unsigned(&row, 2)?,
            rows: unsigned(&row, 3)?,
            visitors: visitor(4)?..=visitor(5)?,
            times: row.try_get(6)?..=row.try_get(7)?,
        });
    }
    Ok(spans)
}

async fn load_id_files(connection: &mut SqliteConnection) -> sqlx::Result<Vec<IdFileRow>> {
    let rows =
        sqlx::query("SELECT name, ledger, ids, newest FROM wayfarer_id_file ORDER BY newest, name")
            .fetch_all(connection)
            .await?;
    let id_file = |row: &SqliteRow| {
        Ok(IdFileRow {
            name: row.try_get(0)?,
            ledger: row.try_get(1)?,
            ids: unsigned(row, 2)?,
            newest: row.try_get(3)?,
        })
    };
    rows.iter().map(id_file).collect()
}

fn unsigned(row: &SqliteRow, at: usize) -> sqlx::Result<u64> {
    Ok(row.try_get::<i64, _>(at)?.unsigned_abs())
}

impl FileRow {
    /// Where the file lies.
    pub(crate) fn resolve(&self, table: &Path) -> PathBuf {
        table.join(&self.path)
    }
}
