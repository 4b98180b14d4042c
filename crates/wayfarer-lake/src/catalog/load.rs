//! Reads the newest snapshot: its data files with their spans, how far the log is sealed, and the files of ids.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

#[cfg(feature = "postgres")]
use super::nodes::load_others;
use super::{
    Catalog, Dialect, EVENTS, failed,
    link::{Row, Work},
    nodes::Others,
};
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
    named: HashSet<String>,
    pub(crate) id_files: Vec<IdFileRow>,
    /// Where several nodes share the catalog.
    pub(crate) others: Option<Others>,
}

impl Loaded {
    /// Whether a file of this name is part of the lake: of rows, in any snapshot, or of ids.
    pub(crate) fn names(&self, file: &str) -> bool {
        self.named.contains(file) || self.id_files.iter().any(|ids| ids.name == file)
    }
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
        let mut link = self.link().await?;
        // One transaction, so that all is of one moment.
        let mut work = link.read().await.map_err(failed(doing))?;
        let loaded = load(&mut work, writer).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))?;
        Ok(loaded)
    }

    /// The rows and bytes that the table has by its statistics.
    pub(crate) async fn table_counts(&self) -> Result<(u64, u64)> {
        let doing = "cannot read the catalog";
        let mut link = self.link().await?;
        let mut work = link.read().await.map_err(failed(doing))?;
        let row = work
            .row(
                "SELECT record_count, file_size_bytes FROM ducklake_table_stats
                 WHERE table_id = $1",
                &[EVENTS.into()],
            )
            .await
            .map_err(failed(doing))?;
        let Some(row) = row else { return Ok((0, 0)) };
        let counts = || Ok((row.count(0)?, row.count(1)?));
        counts().map_err(failed(doing))
    }
}

/// The delete files of other programs, by the data file that they belong to.
async fn load_deletes(work: &mut Work<'_>) -> sqlx::Result<HashMap<u64, Vec<String>>> {
    let rows = work
        .rows(
            "SELECT data_file_id, path FROM ducklake_delete_file
             WHERE table_id = $1 AND end_snapshot IS NULL",
            &[EVENTS.into()],
        )
        .await?;
    let mut deletes: HashMap<u64, Vec<String>> = HashMap::new();
    for row in rows {
        deletes.entry(row.count(0)?).or_default().push(row.text(1)?);
    }
    Ok(deletes)
}

async fn load(work: &mut Work<'_>, writer: u64) -> sqlx::Result<Loaded> {
    let snapshot = work.row("SELECT max(snapshot_id) FROM ducklake_snapshot", &[]).await?;
    let snapshot = snapshot.ok_or(sqlx::Error::RowNotFound)?.count(0)?;
    let own = "SELECT next_seq FROM wayfarer_writer WHERE writer = $1";
    let next_seq = work.row(own, &[writer.into()]).await?.map(|row| row.count(0)).transpose()?;
    let mut spans = load_spans(work).await?;
    let files = work
        .rows(
            "SELECT data_file_id, path, record_count, file_size_bytes, crc32c
             FROM ducklake_data_file LEFT JOIN wayfarer_file USING (data_file_id)
             WHERE table_id = $1 AND end_snapshot IS NULL ORDER BY data_file_id",
            &[EVENTS.into()],
        )
        .await?;
    let mut file = |row: &Row| {
        let id = row.count(0)?;
        Ok(FileRow {
            id,
            path: row.text(1)?,
            rows: row.count(2)?,
            bytes: row.count(3)?,
            crc: row.maybe_number(4)?.and_then(|crc| u32::try_from(crc).ok()),
            spans: spans.remove(&id).unwrap_or_default(),
        })
    };
    let files = files.iter().map(&mut file).collect::<sqlx::Result<Vec<FileRow>>>()?;
    let mut deletes = load_deletes(work).await?;
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
    let id_files = load_id_files(work).await?;
    let named = work.rows("SELECT path FROM ducklake_data_file", &[]).await?;
    let named = named.iter().map(|row| row.text(0)).collect::<sqlx::Result<HashSet<String>>>()?;
    let next_seq = next_seq.unwrap_or(1);
    let others = match work.dialect() {
        Dialect::Sqlite => None,
        #[cfg(feature = "postgres")]
        Dialect::Postgres if writer > 0 => Some(load_others(work, writer).await?),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => None,
    };
    Ok(Loaded { snapshot, next_seq, files: usable, strange, named, id_files, others })
}

async fn load_spans(work: &mut Work<'_>) -> sqlx::Result<HashMap<u64, Vec<SiteSpan>>> {
    let rows = work
        .rows(
            "SELECT data_file_id, site, first_row, rows,
                    least_visitor, greatest_visitor, least_ts, greatest_ts
             FROM wayfarer_span ORDER BY data_file_id, first_row",
            &[],
        )
        .await?;
    let mut spans: HashMap<u64, Vec<SiteSpan>> = HashMap::new();
    for row in rows {
        let visitor = |at: usize| row.number(at).map(i64::cast_unsigned);
        spans.entry(row.count(0)?).or_default().push(SiteSpan {
            site: row.text(1)?,
            first_row: row.count(2)?,
            rows: row.count(3)?,
            visitors: visitor(4)?..=visitor(5)?,
            times: row.number(6)?..=row.number(7)?,
        });
    }
    Ok(spans)
}

async fn load_id_files(work: &mut Work<'_>) -> sqlx::Result<Vec<IdFileRow>> {
    let statement = "SELECT name, ledger, ids, newest FROM wayfarer_id_file ORDER BY newest, name";
    let id_file = |row: &Row| {
        Ok(IdFileRow {
            name: row.text(0)?,
            ledger: row.truth(1)?,
            ids: row.count(2)?,
            newest: row.number(3)?,
        })
    };
    work.rows(statement, &[]).await?.iter().map(id_file).collect()
}

impl FileRow {
    /// Where the file lies.
    pub(crate) fn resolve(&self, table: &Path) -> PathBuf {
        table.join(&self.path)
    }
}
