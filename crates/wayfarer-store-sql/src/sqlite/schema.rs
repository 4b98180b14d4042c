//! The table of native sessions, and how a database gets it.
//!
//! Its version stands in a table of its own, because the rest of the database belongs to the application. A step is applied
//! once, in order, all steps in one transaction. A database that has more steps than this program knows is left alone.

use sqlx::{SqlitePool, raw_sql};
use wayfarer_session::{StoreError, StoreErrorKind};

use super::trouble;

/// Step 1 leads to version 1, and so on. Steps are never edited, only added.
const STEPS: &[&str] = &[include_str!("001_sessions.sql")];

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS wayfarer_session_schema (
    version INTEGER NOT NULL PRIMARY KEY
) STRICT";

pub(super) async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let wrong = |error| trouble("migrate", error);
    let mut all = pool.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
    raw_sql(VERSIONS).execute(&mut *all).await.map_err(wrong)?;
    let version: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM wayfarer_session_schema")
            .fetch_one(&mut *all)
            .await
            .map_err(wrong)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > STEPS.len() {
        let knows = STEPS.len();
        let why = format!("its sessions are of version {version}, this program knows {knows}");
        return Err(StoreError::new(StoreErrorKind::Unreadable, "migrate", why));
    }
    for (version, step) in (1_i64..).zip(STEPS).skip(done) {
        raw_sql(*step).execute(&mut *all).await.map_err(wrong)?;
        sqlx::query("INSERT INTO wayfarer_session_schema (version) VALUES (?)")
            .bind(version)
            .execute(&mut *all)
            .await
            .map_err(wrong)?;
    }
    all.commit().await.map_err(wrong)
}
