//! What an erasure needs of the catalog: rules, statistics worked out anew, and a database without traces.

use sqlx::{Connection, Row, SqliteConnection};
use wayfarer_event::Column;

use super::{
    Catalog, EVENTS, IdFileRow,
    append::{change_id_files, widen_table},
    failed,
};
use crate::{
    Result,
    file::{
        schema::column_id,
        stats::{Bound, ColumnStats},
    },
    ids::Fingerprint,
};

impl Catalog {
    /// The rules that decline what erased persons did, each with the time up to which it holds.
    pub(crate) async fn rules(&self) -> Result<Vec<(Fingerprint, i64)>> {
        let doing = "cannot read the catalog";
        let mut connection = self.lock().await;
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as("SELECT print, until FROM wayfarer_erased")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(doing))?;
        let rule = |(print, until): (Vec<u8>, i64)| {
            Some((u128::from_be_bytes(*print.first_chunk::<16>()?), until))
        };
        Ok(rows.into_iter().filter_map(rule).collect())
    }

    /// Adds rules.
    pub(crate) async fn add_rules(&self, rules: &[Fingerprint], until: i64) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut connection = self.lock().await;
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        for rule in rules {
            sqlx::query("INSERT OR REPLACE INTO wayfarer_erased VALUES (?, ?)")
                .bind(rule.to_be_bytes().to_vec())
                .bind(until)
                .execute(&mut *transaction)
                .await
                .map_err(failed(doing))?;
        }
        transaction.commit().await.map_err(failed(doing))
    }

    /// Puts files of ids in the place of others.
    pub(crate) async fn replace_id_files(
        &self,
        added: &[IdFileRow],
        gone: &[String],
    ) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut connection = self.lock().await;
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        change_id_files(&mut transaction, added, gone).await.map_err(failed(doing))?;
        transaction.commit().await.map_err(failed(doing))
    }

    /// Works the table's statistics out from its live files: they may hold a value that was erased.
    pub(crate) async fn narrow(&self) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut connection = self.lock().await;
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        narrow(&mut transaction).await.map_err(failed(doing))?;
        transaction.commit().await.map_err(failed(doing))
    }

    /// Writes the database again without the pages that are free, and empties its log.
    pub(crate) async fn vacuum(&self) -> Result<()> {
        let mut connection = self.lock().await;
        sqlx::raw_sql("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
            .execute(&mut *connection)
            .await
            .map_err(failed("cannot rewrite the catalog"))?;
        Ok(())
    }
}

async fn narrow(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM ducklake_table_column_stats WHERE table_id = ?")
        .bind(EVENTS)
        .execute(&mut *connection)
        .await?;
    for &column in Column::ALL {
        let files = sqlx::query(
            "SELECT null_count, contains_nan, min_value, max_value
             FROM ducklake_file_column_stats JOIN ducklake_data_file USING (data_file_id)
             WHERE column_id = ? AND end_snapshot IS NULL",
        )
        .bind(column_id(column))
        .fetch_all(&mut *connection)
        .await?;
        let mut all = ColumnStats::default();
        for file in files {
            all.nulls += file.try_get::<i64, _>(0)?.unsigned_abs();
            all.nan |= file.try_get::<Option<bool>, _>(1)?.unwrap_or(false);
            let bound = |at: usize| -> sqlx::Result<Option<Bound>> {
                let text: Option<String> = file.try_get(at)?;
                Ok(text.and_then(|text| Bound::parse(column, &text)))
            };
            if let (Some(least), Some(greatest)) = (bound(2)?, bound(3)?) {
                all.widen(&(least, greatest));
            }
        }
        widen_table(connection, column, all).await?;
    }
    Ok(())
}
