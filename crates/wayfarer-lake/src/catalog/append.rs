//! Appends data files in one transaction: a new snapshot, the files, DuckLake's statistics, and our own tables.

use std::{collections::HashSet, path::Path};

use wayfarer_event::Column;

use super::{
    Catalog, EVENTS, IdFileRow, failed,
    link::{Value, Work},
};
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
    /// Where other nodes write too: the files of ids that were asked, and how often the others asked for something. Nothing
    /// is changed when there is more of either by now.
    pub(crate) seen: Option<(HashSet<String>, u64)>,
}

impl Catalog {
    /// Commits a seal. After an error it may have happened or not: [`load`](Catalog::load) tells.
    ///
    /// # Errors
    /// [`Busy`](ErrorKind::Busy) when another node came before; nothing is changed then, and the seal has to look again.
    pub(crate) async fn append(&self, append: &Append) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        if !move_writer(&mut work, append).await.map_err(failed(doing))? {
            let text = "the log is sealed further than this process knows: is another one writing?";
            return Err(Error::new(ErrorKind::Catalog, text));
        }
        if !has_seen_all(&mut work, append).await.map_err(failed(doing))? {
            return Err(Error::new(ErrorKind::Busy, "another node sealed or erased meanwhile"));
        }
        let changed = change_id_files(&mut work, &append.id_files, &append.id_files_gone).await;
        if !changed.map_err(failed(doing))? {
            return Err(Error::new(ErrorKind::Busy, "another node merged files of ids meanwhile"));
        }
        add_all(&mut work, append).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))
    }
}

async fn move_writer(work: &mut Work<'_>, append: &Append) -> sqlx::Result<bool> {
    let moved = work
        .change(
            "UPDATE wayfarer_writer SET next_seq = $3 WHERE writer = $1 AND next_seq = $2",
            &[append.writer.into(), append.seqs.0.into(), append.seqs.1.into()],
        )
        .await?;
    Ok(moved == 1)
}

async fn has_seen_all(work: &mut Work<'_>, append: &Append) -> sqlx::Result<bool> {
    let Some((names, known)) = &append.seen else { return Ok(true) };
    for row in work.rows("SELECT name FROM wayfarer_id_file", &[]).await? {
        if !names.contains(&row.text(0)?) {
            return Ok(false);
        }
    }
    let asked = "SELECT asked FROM wayfarer_writer WHERE writer = $1";
    let asked = work.row(asked, &[append.writer.into()]).await?;
    Ok(asked.map(|row| row.count(0)).transpose()? == Some(*known))
}

async fn add_all(work: &mut Work<'_>, append: &Append) -> sqlx::Result<()> {
    let (snapshot, first_file) = next_snapshot(work).await?;
    let mut row_id = next_row_id(work).await?;
    for (file, id) in append.files.iter().zip(first_file..) {
        add_file(work, file, id, snapshot, row_id).await?;
        row_id += file.rows.cast_signed();
    }
    add_to_table(work, &append.files).await?;
    let changes = format!("inserted_into_table:{EVENTS}");
    add_snapshot(work, snapshot, append.files.len(), append.now, (&changes, "seal")).await?;
    Ok(())
}

/// The number of the next snapshot, and the id of its first file.
pub(super) async fn next_snapshot(work: &mut Work<'_>) -> sqlx::Result<(i64, i64)> {
    let head = work
        .row(
            "SELECT snapshot_id, next_file_id FROM ducklake_snapshot
             ORDER BY snapshot_id DESC LIMIT 1",
            &[],
        )
        .await?
        .ok_or(sqlx::Error::RowNotFound)?;
    Ok((head.number(0)? + 1, head.number(1)?))
}

pub(super) async fn next_row_id(work: &mut Work<'_>) -> sqlx::Result<i64> {
    let known = work
        .row("SELECT next_row_id FROM ducklake_table_stats WHERE table_id = $1", &[EVENTS.into()])
        .await?;
    if let Some(known) = known {
        return known.number(0);
    }
    work.change("INSERT INTO ducklake_table_stats VALUES ($1, 0, 0, 0)", &[EVENTS.into()]).await?;
    Ok(0)
}

pub(super) async fn add_file(
    work: &mut Work<'_>,
    file: &Written,
    id: i64,
    snapshot: i64,
    row_id: i64,
) -> sqlx::Result<()> {
    let name = file_name(&file.path);
    work.change(
        "INSERT INTO ducklake_data_file VALUES
         ($1, $2, $3, NULL, NULL, $4, TRUE, 'parquet', $5, $6, $7, $8, NULL, NULL, NULL, NULL)",
        &[
            id.into(),
            EVENTS.into(),
            snapshot.into(),
            name.into(),
            file.rows.into(),
            file.bytes.into(),
            file.footer_bytes.into(),
            row_id.into(),
        ],
    )
    .await?;
    for (&column, stats) in Column::ALL.iter().zip(&file.columns) {
        add_file_stats(work, id, column, stats).await?;
    }
    let crc = i64::from(file.crc);
    work.change("INSERT INTO wayfarer_file VALUES ($1, $2)", &[id.into(), crc.into()]).await?;
    for span in &file.spans {
        work.change(
            "INSERT INTO wayfarer_span VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                id.into(),
                span.first_row.into(),
                span.rows.into(),
                span.site.as_str().into(),
                (*span.visitors.start()).into(),
                (*span.visitors.end()).into(),
                (*span.times.start()).into(),
                (*span.times.end()).into(),
            ],
        )
        .await?;
    }
    Ok(())
}

async fn add_file_stats(
    work: &mut Work<'_>,
    file: i64,
    column: Column,
    stats: &ColumnStats,
) -> sqlx::Result<()> {
    let (least, greatest) = bound_texts(stats);
    work.change(
        "INSERT INTO ducklake_file_column_stats VALUES
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL)",
        &[
            file.into(),
            EVENTS.into(),
            column_id(column).into(),
            stats.bytes.into(),
            stats.values.into(),
            stats.nulls.into(),
            least.into(),
            greatest.into(),
            nan(column, stats).into(),
        ],
    )
    .await?;
    Ok(())
}

/// The bounds as texts. PostgreSQL keeps no text with a zero byte in it; what is cut off there still bounds all values.
fn bound_texts(stats: &ColumnStats) -> (Option<String>, Option<String>) {
    let Some((least, greatest)) = &stats.bounds else { return (None, None) };
    let (mut least, mut greatest) = (least.to_string(), greatest.to_string());
    if let Some(zero) = least.find('\0') {
        least.truncate(zero);
    }
    if let Some(zero) = greatest.find('\0') {
        greatest.truncate(zero);
        greatest.push('\u{1}');
    }
    (Some(least), Some(greatest))
}

/// Only columns of numbers with a fraction say whether they hold a NaN.
fn nan(column: Column, stats: &ColumnStats) -> Option<bool> {
    (column.kind() == wayfarer_event::Kind::F64).then_some(stats.nan)
}

async fn add_to_table(work: &mut Work<'_>, files: &[Written]) -> sqlx::Result<()> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    work.change(
        "UPDATE ducklake_table_stats SET record_count = record_count + $2,
             next_row_id = next_row_id + $2, file_size_bytes = file_size_bytes + $3
         WHERE table_id = $1",
        &[EVENTS.into(), rows.into(), bytes.into()],
    )
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
        widen_table(work, column, all).await?;
    }
    Ok(())
}

/// Makes the table's statistics hold what was added. DuckDB answers from them that nothing lies beyond.
pub(super) async fn widen_table(
    work: &mut Work<'_>,
    column: Column,
    mut added: ColumnStats,
) -> sqlx::Result<()> {
    let of_column: [Value<'_>; 2] = [EVENTS.into(), column_id(column).into()];
    let known = work
        .row(
            "SELECT contains_null, contains_nan, min_value, max_value
             FROM ducklake_table_column_stats WHERE table_id = $1 AND column_id = $2",
            &of_column,
        )
        .await?;
    if let Some(known) = known {
        added.nulls += u64::from(known.maybe_truth(0)?.unwrap_or(true));
        added.nan |= known.maybe_truth(1)?.unwrap_or(false);
        let bound = |at: usize| -> sqlx::Result<Option<Bound>> {
            Ok(known.maybe_text(at)?.and_then(|text| Bound::parse(column, &text)))
        };
        if let (Some(least), Some(greatest)) = (bound(2)?, bound(3)?) {
            added.widen(&(least, greatest));
        }
        work.change(
            "DELETE FROM ducklake_table_column_stats WHERE table_id = $1 AND column_id = $2",
            &of_column,
        )
        .await?;
    }
    let (least, greatest) = bound_texts(&added);
    work.change(
        "INSERT INTO ducklake_table_column_stats VALUES ($1, $2, $3, $4, $5, $6, NULL)",
        &[
            EVENTS.into(),
            column_id(column).into(),
            (added.nulls > 0).into(),
            nan(column, &added).into(),
            least.into(),
            greatest.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Adds the snapshot after the newest one, which takes `files` new file ids.
pub(super) async fn add_snapshot(
    work: &mut Work<'_>,
    snapshot: i64,
    files: usize,
    now: jiff::Timestamp,
    (changes, message): (&str, &str),
) -> sqlx::Result<()> {
    work.change(
        "INSERT INTO ducklake_snapshot
         SELECT $1, $2, schema_version, next_catalog_id, next_file_id + $3
         FROM ducklake_snapshot WHERE snapshot_id = $1 - 1",
        &[snapshot.into(), now.into(), (files as i64).into()],
    )
    .await?;
    work.change(
        "INSERT INTO ducklake_snapshot_changes VALUES ($1, $2, 'wayfarer', $3, NULL)",
        &[snapshot.into(), changes.into(), message.into()],
    )
    .await?;
    Ok(())
}

/// Puts files of ids in the place of others. False when one of those is not there any more.
pub(super) async fn change_id_files(
    work: &mut Work<'_>,
    added: &[IdFileRow],
    gone: &[String],
) -> sqlx::Result<bool> {
    let mut all = true;
    for name in gone {
        let statement = "DELETE FROM wayfarer_id_file WHERE name = $1";
        all &= work.change(statement, &[name.as_str().into()]).await? == 1;
    }
    for file in added {
        work.change(
            "INSERT INTO wayfarer_id_file VALUES ($1, $2, $3, $4)",
            &[file.name.as_str().into(), file.ledger.into(), file.ids.into(), file.newest.into()],
        )
        .await?;
    }
    Ok(all)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
