//! Replaces data files by others with the same rows, lets old snapshots go, and says which files may be removed then.

use super::{
    Catalog, Dialect, EVENTS,
    append::{add_file, add_snapshot, next_row_id, next_snapshot},
    failed,
    link::Work,
};
use crate::{Error, ErrorKind, Result, file::write::Written};

/// What a compaction changes.
#[derive(Debug)]
pub(crate) struct Replace {
    /// The ids of the files that are replaced.
    pub(crate) gone: Vec<u64>,
    /// The delete files of other programs that the new files heed.
    pub(crate) heeded: Vec<String>,
    pub(crate) files: Vec<Written>,
    pub(crate) now: jiff::Timestamp,
    pub(crate) reason: Reason,
}

/// Why files are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Their rows lie better in other files.
    Compact,
    /// A person's rows are left out.
    Erase,
    /// Rows that are too old are left out.
    Retain,
    /// Another program wrote them, or deleted from them.
    Adopt,
}

impl Reason {
    /// DuckLake's name of the change, and the message of the snapshot.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Reason::Compact => ("merge_adjacent", "compact"),
            Reason::Erase => ("rewrite_delete", "erase"),
            Reason::Retain => ("rewrite_delete", "retain"),
            Reason::Adopt => ("rewrite_delete", "adopt"),
        }
    }
}

impl Catalog {
    /// Commits a compaction. Readers of older snapshots still find the old files.
    ///
    /// # Errors
    /// When one of the old files is no longer live, so that rows would be doubled, or when another program deleted rows from it
    /// that the new ones have; nothing is changed then.
    pub(crate) async fn replace(&self, replace: &Replace) -> Result<()> {
        if self.again(|| self.try_to_replace(replace)).await? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Busy, "somebody else changed these files meanwhile"))
    }

    async fn try_to_replace(&self, replace: &Replace) -> Result<bool> {
        let doing = "cannot write the catalog";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        let swapped = swap(&mut work, replace).await.map_err(failed(doing))?;
        if swapped {
            work.commit().await.map_err(failed(doing))?;
        }
        Ok(swapped)
    }

    /// Lets go of all snapshots up to `until` but the newest, and of none that another node reads, as far as it said so in the
    /// last ten minutes. Schedules the files that only they had for deletion, and says how many snapshots they were.
    pub(crate) async fn expire(&self, until: jiff::Timestamp, now: jiff::Timestamp) -> Result<u64> {
        self.expire_but(until, now, HELD).await
    }

    /// Lets go of all snapshots but the newest, whoever reads them, and whatever time a wrong clock gave them.
    pub(crate) async fn expire_all(&self, now: jiff::Timestamp) -> Result<u64> {
        self.expire_but(jiff::Timestamp::MAX, now, HELD_BY_NOBODY).await
    }

    async fn expire_but(
        &self,
        until: jiff::Timestamp,
        now: jiff::Timestamp,
        held: &'static str,
    ) -> Result<u64> {
        let doing = "cannot expire snapshots";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        let held = self.is_shared().then_some(held);
        let gone = expire(&mut work, until, now, held).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))?;
        Ok(gone)
    }

    /// The files that are scheduled for deletion, relative to the folder of all data.
    pub(crate) async fn scheduled(&self) -> Result<Vec<String>> {
        let doing = "cannot read the catalog";
        let mut link = self.link().await?;
        let mut work = link.read().await.map_err(failed(doing))?;
        let statement =
            "SELECT path FROM ducklake_files_scheduled_for_deletion WHERE path_is_relative";
        let rows = work.rows(statement, &[]).await.map_err(failed(doing))?;
        rows.iter().map(|row| row.text(0)).collect::<sqlx::Result<_>>().map_err(failed(doing))
    }

    /// Forgets files that were scheduled for deletion and are gone.
    pub(crate) async fn forget(&self, paths: &[String]) -> Result<()> {
        let doing = "cannot write the catalog";
        if paths.is_empty() {
            return Ok(());
        }
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        for path in paths {
            let statement = "DELETE FROM ducklake_files_scheduled_for_deletion WHERE path = $1";
            work.change(statement, &[path.as_str().into()]).await.map_err(failed(doing))?;
        }
        work.commit().await.map_err(failed(doing))
    }
}

async fn swap(work: &mut Work<'_>, replace: &Replace) -> sqlx::Result<bool> {
    let (snapshot, first_file) = next_snapshot(work).await?;
    let mut row_id = next_row_id(work).await?;
    for &gone in &replace.gone {
        let ended = work
            .change(
                "UPDATE ducklake_data_file SET end_snapshot = $1
                 WHERE data_file_id = $2 AND end_snapshot IS NULL",
                &[snapshot.into(), gone.into()],
            )
            .await?;
        if ended != 1 || (!replace.files.is_empty() && !is_heeded(work, gone, replace).await?) {
            return Ok(false);
        }
        work.change(
            "UPDATE ducklake_delete_file SET end_snapshot = $1
             WHERE data_file_id = $2 AND end_snapshot IS NULL",
            &[snapshot.into(), gone.into()],
        )
        .await?;
    }
    for (file, id) in replace.files.iter().zip(first_file..) {
        add_file(work, file, id, snapshot, row_id).await?;
        row_id += file.rows.cast_signed();
    }
    let (change, message) = replace.reason.texts();
    let changes = format!("{change}:{EVENTS}");
    let files = replace.files.len();
    add_snapshot(work, snapshot, files, replace.now, (&changes, message)).await?;
    measure_table(work, row_id).await?;
    Ok(true)
}

/// Whether nobody deleted rows from a file but in the ways that were heeded.
async fn is_heeded(work: &mut Work<'_>, gone: u64, replace: &Replace) -> sqlx::Result<bool> {
    let statement = "SELECT path FROM ducklake_delete_file
         WHERE data_file_id = $1 AND end_snapshot IS NULL";
    let deletes = work.rows(statement, &[gone.into()]).await?;
    let paths = deletes.iter().map(|row| row.text(0)).collect::<sqlx::Result<Vec<String>>>()?;
    Ok(paths.iter().all(|path| replace.heeded.contains(path)))
}

/// Counts the table's rows and bytes again; its row ids moved on.
async fn measure_table(work: &mut Work<'_>, next_row_id: i64) -> sqlx::Result<()> {
    work.change(
        "UPDATE ducklake_table_stats SET next_row_id = $2, (record_count, file_size_bytes) =
             (SELECT CAST(coalesce(sum(record_count), 0) AS BIGINT),
                     CAST(coalesce(sum(file_size_bytes), 0) AS BIGINT)
              FROM ducklake_data_file WHERE table_id = $1 AND end_snapshot IS NULL)
         WHERE table_id = $1",
        &[EVENTS.into(), next_row_id.into()],
    )
    .await?;
    Ok(())
}

async fn expire(
    work: &mut Work<'_>,
    until: jiff::Timestamp,
    now: jiff::Timestamp,
    held: Option<&'static str>,
) -> sqlx::Result<u64> {
    let oldest = match held {
        Some(held) => work.row(held, &[]).await?.map_or(Ok(None), |row| row.maybe_number(0))?,
        None => None,
    };
    let values = [until.into(), oldest.unwrap_or(i64::MAX).into()];
    let gone = work.change(expiry(work.dialect()), &values).await?;
    work.change(
        "INSERT INTO ducklake_files_scheduled_for_deletion
         SELECT data_file_id, 'main/events/' || path, path_is_relative, $1
         FROM ducklake_data_file
         WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot)
             AND path_is_relative
         UNION ALL
         SELECT delete_file_id, 'main/events/' || path, path_is_relative, $1
         FROM ducklake_delete_file
         WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot)
             AND path_is_relative",
        &[now.into()],
    )
    .await?;
    for statement in FORGET_EXPIRED {
        work.change(statement, &[]).await?;
    }
    Ok(gone)
}

/// The oldest snapshot that a node reads. One that is gone for ten minutes reads nothing any more.
const HELD: &str =
    "SELECT min(reads) FROM wayfarer_writer WHERE seen > now() - interval '10 minutes'";
const HELD_BY_NOBODY: &str = "SELECT CAST(NULL AS BIGINT)";

/// To the second: how fractions are written differs between programs.
fn expiry(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "DELETE FROM ducklake_snapshot
             WHERE substr(snapshot_time, 1, 19) <= substr($1, 1, 19)
                 AND snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshot)
                 AND snapshot_id < $2"
        }
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            "DELETE FROM ducklake_snapshot
             WHERE date_trunc('second', snapshot_time) <= date_trunc('second', $1)
                 AND snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshot)
                 AND snapshot_id < $2"
        }
    }
}

/// What only snapshots had that are gone.
const FORGET_EXPIRED: [&str; 6] = [
    "DELETE FROM ducklake_snapshot_changes
         WHERE snapshot_id NOT IN (SELECT snapshot_id FROM ducklake_snapshot)",
    "DELETE FROM ducklake_data_file
         WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot)",
    "DELETE FROM ducklake_delete_file
         WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot)",
    "DELETE FROM ducklake_file_column_stats
         WHERE data_file_id NOT IN (SELECT data_file_id FROM ducklake_data_file)",
    "DELETE FROM wayfarer_file
         WHERE data_file_id NOT IN (SELECT data_file_id FROM ducklake_data_file)",
    "DELETE FROM wayfarer_span
         WHERE data_file_id NOT IN (SELECT data_file_id FROM ducklake_data_file)",
];
