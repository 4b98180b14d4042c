//! Replaces data files by others with the same rows, lets old snapshots go, and says which files may be removed then.

use sqlx::{Connection, SqliteConnection};

use super::{
    Catalog, EVENTS,
    append::{add_file, add_snapshot, next_row_id, next_snapshot},
    failed, time_text,
};
use crate::{Error, ErrorKind, Result, file::write::Written};

/// What a compaction changes.
#[derive(Debug)]
pub(crate) struct Replace {
    /// The ids of the files that are replaced.
    pub(crate) gone: Vec<u64>,
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
    /// When one of the old files is no longer live, so that rows would be doubled; nothing is changed then.
    pub(crate) async fn replace(&self, replace: &Replace) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut connection = self.lock().await;
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        if !swap(&mut transaction, replace).await.map_err(failed(doing))? {
            let text = "somebody else replaced these files meanwhile";
            return Err(Error::new(ErrorKind::Busy, text));
        }
        transaction.commit().await.map_err(failed(doing))
    }

    /// Lets go of all snapshots up to `until` but the newest, and schedules the files that only they had for deletion. Says
    /// how many snapshots they were.
    pub(crate) async fn expire(&self, until: jiff::Timestamp, now: jiff::Timestamp) -> Result<u64> {
        let doing = "cannot expire snapshots";
        let mut connection = self.lock().await;
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        let gone = expire(&mut transaction, until, now).await.map_err(failed(doing))?;
        transaction.commit().await.map_err(failed(doing))?;
        Ok(gone)
    }

    /// The files that are scheduled for deletion, relative to the folder of all data.
    pub(crate) async fn scheduled(&self) -> Result<Vec<String>> {
        let mut connection = self.lock().await;
        sqlx::query_scalar(
            "SELECT path FROM ducklake_files_scheduled_for_deletion WHERE path_is_relative = 1",
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("cannot read the catalog"))
    }

    /// Forgets files that were scheduled for deletion and are gone.
    pub(crate) async fn forget(&self, paths: &[String]) -> Result<()> {
        let mut connection = self.lock().await;
        for path in paths {
            sqlx::query("DELETE FROM ducklake_files_scheduled_for_deletion WHERE path = ?")
                .bind(path)
                .execute(&mut *connection)
                .await
                .map_err(failed("cannot write the catalog"))?;
        }
        Ok(())
    }
}

async fn swap(connection: &mut SqliteConnection, replace: &Replace) -> sqlx::Result<bool> {
    let (snapshot, first_file) = next_snapshot(connection).await?;
    let mut row_id = next_row_id(connection).await?;
    for gone in &replace.gone {
        let ended = sqlx::query(
            "UPDATE ducklake_data_file SET end_snapshot = ?
             WHERE data_file_id = ? AND end_snapshot IS NULL",
        )
        .bind(snapshot)
        .bind(gone.cast_signed())
        .execute(&mut *connection)
        .await?;
        if ended.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE ducklake_delete_file SET end_snapshot = ?
             WHERE data_file_id = ? AND end_snapshot IS NULL",
        )
        .bind(snapshot)
        .bind(gone.cast_signed())
        .execute(&mut *connection)
        .await?;
    }
    for (file, id) in replace.files.iter().zip(first_file..) {
        add_file(connection, file, id, snapshot, row_id).await?;
        row_id += file.rows.cast_signed();
    }
    let (change, message) = replace.reason.texts();
    let changes = format!("{change}:{EVENTS}");
    let files = replace.files.len();
    add_snapshot(connection, snapshot, files, replace.now, (&changes, message)).await?;
    measure_table(connection, row_id).await?;
    Ok(true)
}

/// Counts the table's rows and bytes again; its row ids moved on.
async fn measure_table(connection: &mut SqliteConnection, next_row_id: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE ducklake_table_stats SET next_row_id = ?2, (record_count, file_size_bytes) =
             (SELECT coalesce(sum(record_count), 0), coalesce(sum(file_size_bytes), 0)
              FROM ducklake_data_file WHERE table_id = ?1 AND end_snapshot IS NULL)
         WHERE table_id = ?1",
    )
    .bind(EVENTS)
    .bind(next_row_id)
    .execute(connection)
    .await?;
    Ok(())
}

async fn expire(
    connection: &mut SqliteConnection,
    until: jiff::Timestamp,
    now: jiff::Timestamp,
) -> sqlx::Result<u64> {
    // To the second: how fractions are written differs between programs.
    let gone = sqlx::query(
        "DELETE FROM ducklake_snapshot
         WHERE substr(snapshot_time, 1, 19) <= substr(?, 1, 19)
             AND snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshot)",
    )
    .bind(time_text(until))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO ducklake_files_scheduled_for_deletion
         SELECT data_file_id, 'main/events/' || path, path_is_relative, ?1
         FROM ducklake_data_file
         WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot)
             AND path_is_relative = 1
         UNION ALL
         SELECT delete_file_id, 'main/events/' || path, path_is_relative, ?1
         FROM ducklake_delete_file
         WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot)
             AND path_is_relative = 1",
    )
    .bind(time_text(now))
    .execute(&mut *connection)
    .await?;
    sqlx::raw_sql(
        "DELETE FROM ducklake_snapshot_changes
             WHERE snapshot_id NOT IN (SELECT snapshot_id FROM ducklake_snapshot);
         DELETE FROM ducklake_data_file
             WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot);
         DELETE FROM ducklake_delete_file
             WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot);
         DELETE FROM ducklake_file_column_stats
             WHERE data_file_id NOT IN (SELECT data_file_id FROM ducklake_data_file);
         DELETE FROM wayfarer_file
             WHERE data_file_id NOT IN (SELECT data_file_id FROM ducklake_data_file);
         DELETE FROM wayfarer_span
             WHERE data_file_id NOT IN (SELECT data_file_id FROM ducklake_data_file);",
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
