//! Makes an empty catalog: the tables, the schema `main`, the table `main.events` and its order.

use sqlx::{Connection, SqliteConnection};
use wayfarer_event::Column;

use super::{Catalog, EVENTS, VERSION, failed, time_text};
use crate::{
    Error, ErrorKind, Random, Result,
    file::schema::{column_id, ducklake_type},
};

const TABLES: &str = include_str!("schema.sql");

impl Catalog {
    /// Makes what is missing, and refuses what is newer.
    pub(super) async fn prepare(&self, random: &Random, now: jiff::Timestamp) -> Result<()> {
        let mut connection = self.lock().await;
        if exists(&mut connection).await.map_err(failed("cannot read the catalog"))? {
            return check_version(&mut connection).await;
        }
        let doing = "cannot make the catalog";
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        sqlx::raw_sql(TABLES).execute(&mut *transaction).await.map_err(failed(doing))?;
        fill(&mut transaction, random, now).await.map_err(failed(doing))?;
        transaction.commit().await.map_err(failed(doing))
    }

    /// The number of the folder's writer; it is drawn when the folder is new.
    pub(crate) async fn writer(&self, random: &Random) -> Result<u64> {
        let doing = "cannot read the writer";
        let mut connection = self.lock().await;
        let known: Option<i64> = sqlx::query_scalar("SELECT writer FROM wayfarer_writer LIMIT 1")
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed(doing))?;
        if let Some(writer) = known {
            return Ok(writer.unsigned_abs());
        }
        // 52 bits, so that the number is exact in JSON and has a short own_id.
        let writer = (random() >> 12).max(1);
        sqlx::query("INSERT INTO wayfarer_writer VALUES (?, 1)")
            .bind(writer.cast_signed())
            .execute(&mut *connection)
            .await
            .map_err(failed(doing))?;
        Ok(writer)
    }
}

async fn exists(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'ducklake_metadata'",
    )
    .fetch_one(connection)
    .await?;
    Ok(count > 0)
}

async fn check_version(connection: &mut SqliteConnection) -> Result<()> {
    let doing = "cannot read the version of the catalog";
    let duck: Option<String> =
        sqlx::query_scalar(r#"SELECT "value" FROM ducklake_metadata WHERE "key" = 'version'"#)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed(doing))?;
    let own: Option<String> =
        sqlx::query_scalar(r#"SELECT "value" FROM wayfarer_meta WHERE "key" = 'version'"#)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed(doing))?;
    match own.as_deref().map(str::parse::<u32>) {
        Some(Ok(own)) if own <= VERSION && duck.as_deref() == Some("1.0") => Ok(()),
        Some(Ok(own)) if own <= VERSION => {
            let duck = duck.unwrap_or_default();
            let text = format!("the catalog is a DuckLake {duck:?} and this program reads 1.0");
            Err(Error::new(ErrorKind::NewerVersion, text))
        }
        Some(Ok(own)) => {
            let text =
                format!("the catalog has version {own} and this program reads up to {VERSION}");
            Err(Error::new(ErrorKind::NewerVersion, text))
        }
        _ => Err(Error::new(ErrorKind::Corrupt, "the catalog does not say its version")),
    }
}

async fn fill(
    connection: &mut SqliteConnection,
    random: &Random,
    now: jiff::Timestamp,
) -> sqlx::Result<()> {
    sqlx::raw_sql(
        r#"INSERT INTO ducklake_metadata VALUES
               ('version', '1.0', NULL, NULL),
               ('data_path', 'lake/', NULL, NULL),
               ('encrypted', 'false', NULL, NULL),
               ('data_inlining_row_limit', '0', NULL, NULL);
           INSERT INTO ducklake_snapshot_changes VALUES
               (0, 'created_schema:"main"', NULL, NULL, NULL),
               (1, 'created_table:"main"."events"', NULL, NULL, NULL);
           INSERT INTO ducklake_schema_versions VALUES (1, 1, 1);
           INSERT INTO ducklake_sort_info VALUES (2, 1, 1, NULL);
           INSERT INTO ducklake_sort_expression VALUES
               (2, 1, 0, 'site', 'duckdb', 'ASC', 'NULLS_LAST'),
               (2, 1, 1, 'visitor', 'duckdb', 'ASC', 'NULLS_LAST'),
               (2, 1, 2, 'ts', 'duckdb', 'ASC', 'NULLS_LAST'),
               (2, 1, 3, 'seq', 'duckdb', 'ASC', 'NULLS_LAST');"#,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO ducklake_metadata VALUES ('created_by', ?, NULL, NULL)")
        .bind(concat!("wayfarer ", env!("CARGO_PKG_VERSION")))
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO wayfarer_meta VALUES ('version', ?)")
        .bind(VERSION.to_string())
        .execute(&mut *connection)
        .await?;
    fill_table(connection, random, now).await
}

async fn fill_table(
    connection: &mut SqliteConnection,
    random: &Random,
    now: jiff::Timestamp,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO ducklake_snapshot VALUES (0, ?1, 0, 1, 0), (1, ?1, 1, 3, 0)")
        .bind(time_text(now))
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO ducklake_schema VALUES (0, ?, 0, NULL, 'main', 'main/', 1)")
        .bind(uuid(random))
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO ducklake_table VALUES (?, ?, 1, NULL, 0, 'events', 'events/', 1)")
        .bind(EVENTS)
        .bind(uuid(random))
        .execute(&mut *connection)
        .await?;
    for &column in Column::ALL {
        sqlx::query(
            "INSERT INTO ducklake_column
             VALUES (?1, 1, NULL, ?2, ?1, ?3, ?4, NULL, 'NULL', 1, NULL, 'literal', 'duckdb')",
        )
        .bind(column_id(column))
        .bind(EVENTS)
        .bind(column.name())
        .bind(ducklake_type(column))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// A random UUID, version 4.
fn uuid(random: &Random) -> String {
    let high = random() & !0xf000 | 0x4000;
    let low = random() >> 2 | 1 << 63;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}
