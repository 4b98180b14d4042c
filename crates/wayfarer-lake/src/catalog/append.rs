//! Appends data files in one transaction: a new snapshot, the files, DuckLake's statistics, and our own tables.

use std::path::Path;

use sqlx::{Connection, Row, SqliteConnection};
use wayfarer_event::Column;

use super::{Catalog, EVENTS, IdFileRow, failed, time_text};
use crate::{
    Error, ErrorKind, Result,
    file::{
        schema::column_id,
        stats::{Bound, ColumnStats},
        write::Written,
    },
};

/// What a seal changes.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) writer: u64,
    /// How far the log was sealed before, and how far it is now.
    pub(crate) seqs: (u64, u64),
    pub(crate) files: Vec<Written>,
    pub(crate) id_files: Vec<IdFileRow>,
    pub(crate) id_files_gone: Vec<String>,
    pub(crate) now: jiff::Timestamp,
}

impl Catalog {
    /// Commits a seal. After an error it may have happened or not: [`load`](Catalog::load) tells.
    pub(crate) async fn append(&self, append: &Append) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut connection = self.lock().await;
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        let moved = move_writer(&mut transaction, append).await.map_err(failed(doing))?;
        if !moved {
            let text = "the log is sealed further than this process knows: is another one writing?";
            return Err(Error::new(ErrorKind::Catalog, text));
        }
        add_all(&mut transaction, append).await.map_err(failed(doing))?;
        transaction.commit().await.map_err(failed(doing))
    }
}

async fn move_writer(connection: &mut SqliteConnection, append: &Append) -> sqlx::Result<bool> {
    let done =
        sqlx::query("UPDATE wayfarer_writer SET next_seq = ?3 WHERE writer = ?1 AND next_seq = ?2")
            .bind(append.writer.cast_signed())
            .bind(append.seqs.0.cast_signed())
            .bind(append.seqs.1.cast_signed())
            .execute(connection)
            .await?;
    Ok(done.rows_affected() == 1)
}

async fn add_all(connection: &mut SqliteConnection, append: &Append) -> sqlx::Result<()> {
    let (snapshot, first_file) = next_snapshot(connection).await?;
    let mut row_id = next_row_id(connection).await?;
    for (file, id) in append.files.iter().zip(first_file..) {
        add_file(connection, file, id, snapshot, row_id).await?;
        row_id += file.rows.cast_signed();
    }
    add_to_table(connection, &append.files).await?;
    let changes = format!("inserted_into_table:{EVENTS}");
    add_snapshot(connection, snapshot, append.files.len(), append.now, (&changes, "seal")).await?;
    change_id_files(connection, &append.id_files, &append.id_files_gone).await
}

/// The number of the next snapshot, and the id of its first file.
pub(super) async fn next_snapshot(connection: &mut SqliteConnection) -> sqlx::Result<(i64, i64)> {
    let head = sqlx::query(
        "SELECT snapshot_id, next_file_id FROM ducklake_snapshot
         ORDER BY snapshot_id DESC LIMIT 1",
    )
    .fetch_one(connection)
    .await?;
    Ok((head.try_get::<i64, _>(0)? + 1, head.try_get(1)?))
}

pub(super) async fn next_row_id(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    let known: Option<i64> =
        sqlx::query_scalar("SELECT next_row_id FROM ducklake_table_stats WHERE table_id = ?")
            .bind(EVENTS)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(row_id) = known {
        return Ok(row_id);
    }
    sqlx::query("INSERT INTO ducklake_table_stats VALUES (?, 0, 0, 0)")
        .bind(EVENTS)
        .execute(connection)
        .await?;
    Ok(0)
}

pub(super) async fn add_file(
    connection: &mut SqliteConnection,
    file: &Written,
    id: i64,
    snapshot: i64,
    row_id: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO ducklake_data_file VALUES
         (?, ?, ?, NULL, NULL, ?, 1, 'parquet', ?, ?, ?, ?, NULL, NULL, NULL, NULL)",
    )
    .bind(id)
    .bind(EVENTS)
    .bind(snapshot)
    .bind(file_name(&file.path))
    .bind(file.rows.cast_signed())
    .bind(file.bytes.cast_signed())
    .bind(file.footer_bytes.cast_signed())
    .bind(row_id)
    .execute(&mut *connection)
    .await?;
    for (&column, stats) in Column::ALL.iter().zip(&file.columns) {
        add_file_stats(connection, id, column, stats).await?;
    }
    sqlx::query("INSERT INTO wayfarer_file VALUES (?, ?)")
        .bind(id)
        .bind(file.crc)
        .execute(&mut *connection)
        .await?;
    for span in &file.spans {
        sqlx::query("INSERT INTO wayfarer_span VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(id)
            .bind(span.first_row.cast_signed())
            .bind(span.rows.cast_signed())
            .bind(&span.site)
            .bind(span.visitors.start().cast_signed())
            .bind(span.visitors.end().cast_signed())
            .bind(*span.times.start())
            .bind(*span.times.end())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn add_file_stats(
    connection: &mut SqliteConnection,
    file: i64,
    column: Column,
    stats: &ColumnStats,
) -> sqlx::Result<()> {
    let (least, greatest) = bound_texts(stats);
    sqlx::query("INSERT INTO ducklake_file_column_stats VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)")
        .bind(file)
        .bind(EVENTS)
        .bind(column_id(column))
        .bind(stats.bytes.cast_signed())
        .bind(stats.values.cast_signed())
        .bind(stats.nulls.cast_signed())
        .bind(least)
        .bind(greatest)
        .bind(nan(column, stats))
        .execute(connection)
        .await?;
    Ok(())
}

fn bound_texts(stats: &ColumnStats) -> (Option<String>, Option<String>) {
    match &stats.bounds {
        Some((least, greatest)) => (Some(least.to_string()), Some(greatest.to_string())),
        None => (None, None),
    }
}

/// Only columns of numbers with a fraction say whether they hold a NaN.
fn nan(column: Column, stats: &ColumnStats) -> Option<bool> {
    (column.kind() == wayfarer_event::Kind::F64).then_some(stats.nan)
}

async fn add_to_table(connection: &mut SqliteConnection, files: &[Written]) -> sqlx::Result<()> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    sqlx::query(
        "UPDATE ducklake_table_stats SET record_count = record_count + ?2,
             next_row_id = next_row_id + ?2, file_size_bytes = file_size_bytes + ?3
         WHERE table_id = ?1",
    )
    .bind(EVENTS)
    .bind(rows.cast_signed())
    .bind(bytes.cast_signed())
    .execute(&mut *connection)
    .await?;
    for (index, &column) in Column::ALL.iter().enumerate() {
        let mut all = ColumnStats::default();
        for stats in files.iter().filter_map(|file| file.columns.get(index)) {
            all.nulls += stats.nulls;
            all.nan |= stats.nan;
            if let Some(bounds) = &stats.bounds {
                all.widen(bounds);
            }
        }
        widen_table(connection, column, all).await?;
    }
    Ok(())
}

/// Makes the table's statistics hold what was added. DuckDB answers from them that nothing lies beyond.
pub(super) async fn widen_table(
    connection: &mut SqliteConnection,
    column: Column,
    mut added: ColumnStats,
) -> sqlx::Result<()> {
    let known = sqlx::query(
        "SELECT contains_null, contains_nan, min_value, max_value
         FROM ducklake_table_column_stats WHERE table_id = ? AND column_id = ?",
    )
    .bind(EVENTS)
    .bind(column_id(column))
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(known) = known {
        added.nulls += u64::from(known.try_get::<Option<bool>, _>(0)?.unwrap_or(true));
        added.nan |= known.try_get::<Option<bool>, _>(1)?.unwrap_or(false);
        let bound = |at: usize| -> sqlx::Result<Option<Bound>> {
            let text: Option<String> = known.try_get(at)?;
            Ok(text.and_then(|text| Bound::parse(column, &text)))
        };
        if let (Some(least), Some(greatest)) = (bound(2)?, bound(3)?) {
            added.widen(&(least, greatest));
        }
        sqlx::query("DELETE FROM ducklake_table_column_stats WHERE table_id = ? AND column_id = ?")
            .bind(EVENTS)
            .bind(column_id(column))
            .execute(&mut *connection)
            .await?;
    }
    let (least, greatest) = bound_texts(&added);
    sqlx::query("INSERT INTO ducklake_table_column_stats VALUES (?, ?, ?, ?, ?, ?, NULL)")
        .bind(EVENTS)
        .bind(column_id(column))
        .bind(added.nulls > 0)
        .bind(nan(column, &added))
        .bind(least)
        .bind(greatest)
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds the snapshot after the newest one, which takes `files` new file ids.
pub(super) async fn add_snapshot(
    connection: &mut SqliteConnection,
    snapshot: i64,
    files: usize,
    now: jiff::Timestamp,
    (changes, message): (&str, &str),
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO ducklake_snapshot
         SELECT ?1, ?2, schema_version, next_catalog_id, next_file_id + ?3
         FROM ducklake_snapshot WHERE snapshot_id = ?1 - 1",
    )
    .bind(snapshot)
    .bind(time_text(now))
    .bind(files as i64)
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO ducklake_snapshot_changes VALUES (?, ?, 'wayfarer', ?, NULL)")
        .bind(snapshot)
        .bind(changes)
        .bind(message)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn change_id_files(
    connection: &mut SqliteConnection,
    added: &[IdFileRow],
    gone: &[String],
) -> sqlx::Result<()> {
    for name in gone {
        sqlx::query("DELETE FROM wayfarer_id_file WHERE name = ?")
            .bind(name)
            .execute(&mut *connection)
            .await?;
    }
    for file in added {
        sqlx::query("INSERT INTO wayfarer_id_file VALUES (?, ?, ?, ?)")
            .bind(&file.name)
            .bind(file.ledger)
            .bind(file.ids.cast_signed())
            .bind(file.newest)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
