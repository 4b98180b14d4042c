//! The tables of the control store, as the list of steps that made them.
//!
//! A step that has been released never changes; a later version of the store is one more step.

use std::path::Path;

use sqlx::{AssertSqlSafe, SqlitePool};

use crate::OpenError;

/// `PRAGMA application_id` of a control store: "WAYF".
const APPLICATION: i64 = 0x5741_5946;

/// Step `n` (from 0) brings a store of version `n` to version `n + 1`.
pub(super) const STEPS: &[&str] = &[
    "
    CREATE TABLE secret (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT;
    CREATE TABLE site (
        name TEXT PRIMARY KEY,
        timezone TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE site_host (
        site TEXT NOT NULL REFERENCES site (name) ON DELETE CASCADE,
        host TEXT NOT NULL,
        PRIMARY KEY (site, host)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE token (
        id TEXT PRIMARY KEY,
        site TEXT NOT NULL REFERENCES site (name) ON DELETE CASCADE,
        scope TEXT NOT NULL CHECK (scope IN ('browser', 'server')),
        hash BLOB NOT NULL UNIQUE,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE daily_salt (
        day TEXT PRIMARY KEY,
        salt BLOB NOT NULL,
        used_at INTEGER NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE site ADD COLUMN keep_days INTEGER;
",
    "
    CREATE TABLE saved (
        site TEXT NOT NULL REFERENCES site (name) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('goal', 'segment')),
        name TEXT NOT NULL,
        definition TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (site, kind, name)
    ) STRICT, WITHOUT ROWID;
",
];

/// Brings the store to the version of `steps`, after a copy of an older one was put beside it.
pub(super) async fn migrate(
    pool: &SqlitePool,
    file: &Path,
    steps: &[&'static str],
) -> Result<(), OpenError> {
    let found = version(pool).await?;
    let known = steps.len();
    if found > known {
        return Err(OpenError::Newer {
            what: "control store",
            path: file.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        back_up(pool, file, found).await?;
    }
    run(pool, steps.get(found..).unwrap_or_default(), known).await
}

async fn version(pool: &SqlitePool) -> Result<usize, OpenError> {
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

async fn back_up(pool: &SqlitePool, file: &Path, version: usize) -> Result<(), OpenError> {
    let copy = file.with_extension(format!("v{version}.backup.sqlite"));
    if copy.exists() {
        return Ok(());
    }
    sqlx::query("VACUUM INTO ?").bind(copy.to_string_lossy().as_ref()).execute(pool).await?;
    Ok(())
}

/// Takes all steps or none, and waits for the disk once.
async fn run(pool: &SqlitePool, steps: &[&'static str], version: usize) -> Result<(), OpenError> {
    let mut transaction = pool.begin().await?;
    for step in steps {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {version}");
    sqlx::raw_sql(AssertSqlSafe(marks)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}
