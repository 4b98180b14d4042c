//! The tables of tower-sessions-sqlx-store: [`SqliteRows`], [`PostgresRows`].
//!
//! That crate builds on another version of sqlx, and two versions of SQLite do not go into one program; so its rows are read
//! here. A row is an id as text, a record, and the end of its life, which stands in the record too.

use async_trait::async_trait;
use tower_sessions_core::session::{Id, Record};
use wayfarer::session::BoxError;

use crate::{old::OldSessions, record};

/// Whether this may be put into a statement as the name of a table.
fn check(name: &str) -> Result<(), BoxError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || !name.bytes().all(fits) {
        return Err(format!("`{name}` is no name of a table: use letters, digits, - and _").into());
    }
    Ok(())
}

macro_rules! rows {
    ($name:ident, $pool:ty, $database:literal, $parameter:literal) => {
        #[doc = concat!("Old sessions in the table of tower-sessions-sqlx-store in ", $database, ".")]
        #[derive(Clone, Debug)]
        pub struct $name {
            pool: $pool,
            load: sqlx::SqlStr,
            forget: sqlx::SqlStr,
        }

        impl $name {
            fn over(pool: $pool, table: &str) -> $name {
                // The names were checked: nothing else of these texts comes from outside.
                let sql = |text: String| sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(text));
                $name {
                    pool,
                    load: sql(format!(
                        concat!("select data from {} where id = ", $parameter),
                        table
                    )),
                    forget: sql(format!(concat!("delete from {} where id = ", $parameter), table)),
                }
            }
        }

        #[async_trait]
        impl OldSessions for $name {
            async fn load(&self, id: &Id) -> Result<Option<Record>, BoxError> {
                let found = sqlx::query_as(self.load.clone()).bind(id.to_string());
                let row: Option<(Vec<u8>,)> = found.fetch_optional(&self.pool).await?;
                row.map_or(Ok(None), |(data,)| record::live(&data))
            }

            async fn forget(&self, id: &Id) -> Result<(), BoxError> {
                sqlx::query(self.forget.clone()).bind(id.to_string()).execute(&self.pool).await?;
                Ok(())
            }
        }
    };
}

#[cfg(feature = "sqlite")]
rows!(SqliteRows, sqlx::SqlitePool, "SQLite", "?");

#[cfg(feature = "postgres")]
rows!(PostgresRows, sqlx::PgPool, "PostgreSQL", "$1");

#[cfg(feature = "sqlite")]
impl SqliteRows {
    /// The table `tower_sessions` of the database in this file.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be opened.
    pub async fn open(path: &std::path::Path) -> Result<SqliteRows, BoxError> {
        SqliteRows::open_table(path, "tower_sessions").await
    }

    /// The table of this name.
    ///
    /// # Errors
    /// When there is no such file, it cannot be opened, or that is no name of a table.
    pub async fn open_table(path: &std::path::Path, table: &str) -> Result<SqliteRows, BoxError> {
        check(table)?;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let pool = sqlx::SqlitePool::connect_with(options).await?;
        Ok(SqliteRows::over(pool, &format!("\"{table}\"")))
    }
}

#[cfg(feature = "postgres")]
impl PostgresRows {
    /// The table `session` of the schema `tower_sessions`, which that crate makes.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn open(url: &str) -> Result<PostgresRows, BoxError> {
        PostgresRows::open_table(url, "tower_sessions", "session").await
    }

    /// The table of this name in this schema.
    ///
    /// # Errors
    /// When the server cannot be reached, or those are no names.
    pub async fn open_table(
        url: &str,
        schema: &str,
        table: &str,
    ) -> Result<PostgresRows, BoxError> {
        check(schema)?;
        check(table)?;
        let pool = sqlx::PgPool::connect(url).await?;
        Ok(PostgresRows::over(pool, &format!("\"{schema}\".\"{table}\"")))
    }
}
