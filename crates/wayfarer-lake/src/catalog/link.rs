//! A connection to the catalog's database, SQLite or PostgreSQL, and what is the same for both.
//!
//! Both number the values of a statement `$1`, `$2`, …, so nearly every statement is written once. What differs is how times,
//! UUIDs and truths are kept ([`Value`]), how writers wait for each other ([`Link::write`]), and a handful of statements that
//! ask [`Dialect`].

#[cfg(feature = "postgres")]
use std::time::Duration;

use sqlx::{
    Connection, Row as _, SqliteConnection, Transaction,
    sqlite::{SqliteArguments, SqliteRow},
};
#[cfg(feature = "postgres")]
use sqlx::{
    PgConnection,
    postgres::{PgArguments, PgRow},
};
use uuid::Uuid;

#[cfg(feature = "postgres")]
use super::postgres;

/// What speaks to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// A value that goes into a statement.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Number(i64),
    Text(&'a str),
    OwnText(String),
    MaybeText(Option<String>),
    Truth(bool),
    MaybeTruth(Option<bool>),
    Bytes(Vec<u8>),
    /// SQLite keeps it as text.
    Time(jiff::Timestamp),
    /// SQLite keeps it as text.
    Uuid(Uuid),
}

macro_rules! from {
    ($($type:ty => $kind:ident,)*) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from(value: $type) -> Value<'a> {
                Value::$kind(value)
            }
        })*
    };
}

from! {
    i64 => Number,
    &'a str => Text,
    String => OwnText,
    Option<String> => MaybeText,
    bool => Truth,
    Option<bool> => MaybeTruth,
    Vec<u8> => Bytes,
    jiff::Timestamp => Time,
}

/// Unsigned numbers are kept as the same 64 bits with a sign.
impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Value::Number(value.cast_signed())
    }
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
}

macro_rules! cells {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty,)*) => {
        impl Row {
            $($(#[doc = $doc])* pub(super) fn $name(&self, at: usize) -> sqlx::Result<$type> {
                match self {
                    Row::Sqlite(row) => row.try_get(at),
                    #[cfg(feature = "postgres")]
                    Row::Postgres(row) => row.try_get(at),
                }
            })*
        }
    };
}

cells! {
    number: i64,
    maybe_number: Option<i64>,
    text: String,
    maybe_text: Option<String>,
    truth: bool,
    maybe_truth: Option<bool>,
    bytes: Vec<u8>,
}

impl Row {
    /// A number that is never negative.
    pub(super) fn count(&self, at: usize) -> sqlx::Result<u64> {
        Ok(self.number(at)?.unsigned_abs())
    }
}

/// A function that binds values to a statement: times and UUIDs as this database keeps them, all others as both do.
macro_rules! query {
    ($name:ident, $database:ty, $arguments:ty, $time:expr, $uuid:expr) => {
        fn $name<'a>(
            statement: &'static str,
            values: &'a [Value<'a>],
        ) -> sqlx::query::Query<'a, $database, $arguments> {
            values.iter().fold(sqlx::query(statement), |query, value| match value {
                Value::Number(number) => query.bind(*number),
                Value::Text(text) => query.bind(*text),
                Value::OwnText(text) => query.bind(text),
                Value::MaybeText(text) => query.bind(text),
                Value::Truth(truth) => query.bind(*truth),
                Value::MaybeTruth(truth) => query.bind(*truth),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Time(time) => query.bind($time(*time)),
                Value::Uuid(uuid) => query.bind($uuid(*uuid)),
            })
        }
    };
}

query!(sqlite_query, sqlx::Sqlite, SqliteArguments, super::time_text, |id: Uuid| id.to_string());
#[cfg(feature = "postgres")]
query!(postgres_query, sqlx::Postgres, PgArguments, postgres::Time, postgres::Uuid);

/// How long a call to another machine may take. What comes later is taken for lost, with the connection.
#[cfg(feature = "postgres")]
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a server's answer, but not for ever.
#[cfg(feature = "postgres")]
async fn in_time<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Link {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

impl Link {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Link::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins a transaction that changes something. Ours wait for each other here, so none fails because of another; a
    /// program that does not know of the lock, such as DuckDB, meets the primary key of the snapshots.
    pub(super) async fn write(&mut self) -> sqlx::Result<Work<'_>> {
        match self {
            Link::Sqlite(link) => Ok(Work::Sqlite(link.begin_with("BEGIN IMMEDIATE").await?)),
            #[cfg(feature = "postgres")]
            Link::Postgres(link) => {
                let mut work = Work::Postgres(in_time(link.begin()).await?);
                work.rows(postgres::LOCK_WRITES, &[]).await?;
                Ok(work)
            }
        }
    }

    /// Begins a transaction in which all answers are of one moment.
    pub(super) async fn read(&mut self) -> sqlx::Result<Work<'_>> {
        match self {
            Link::Sqlite(link) => Ok(Work::Sqlite(link.begin().await?)),
            #[cfg(feature = "postgres")]
            Link::Postgres(link) => {
                let begin = link.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
                Ok(Work::Postgres(in_time(begin).await?))
            }
        }
    }

    /// Moves all that a database has in its own log out of it. False when a reader kept some of it there.
    pub(super) async fn empty_log(&mut self) -> sqlx::Result<bool> {
        match self {
            Link::Sqlite(link) => {
                let busy = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)");
                Ok(busy.fetch_one(link).await.map(|busy: i64| busy == 0)?)
            }
            #[cfg(feature = "postgres")]
            Link::Postgres(_) => Ok(true),
        }
    }

    /// Runs statements of our own outside of a transaction.
    pub(super) async fn script(&mut self, statements: &'static str) -> sqlx::Result<()> {
        match self {
            Link::Sqlite(link) => sqlx::raw_sql(statements).execute(link).await.map(drop),
            #[cfg(feature = "postgres")]
            Link::Postgres(link) => {
                in_time(sqlx::raw_sql(statements).execute(link)).await.map(drop)
            }
        }
    }
}

/// A transaction. Dropped before its commit, it takes everything back.
pub(super) enum Work<'c> {
    Sqlite(Transaction<'c, sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Transaction<'c, sqlx::Postgres>),
}

impl Work<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Work::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Work::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement and says how many rows it changed.
    pub(super) async fn change(
        &mut self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> sqlx::Result<u64> {
        match self {
            Work::Sqlite(work) => {
                Ok(sqlite_query(statement, values).execute(&mut **work).await?.rows_affected())
            }
            #[cfg(feature = "postgres")]
            Work::Postgres(work) => {
                let done = in_time(postgres_query(statement, values).execute(&mut **work)).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Asks for rows.
    pub(super) async fn rows(
        &mut self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> sqlx::Result<Vec<Row>> {
        match self {
            Work::Sqlite(work) => {
                let rows = sqlite_query(statement, values).fetch_all(&mut **work).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            #[cfg(feature = "postgres")]
            Work::Postgres(work) => {
                let rows = postgres_query(statement, values).fetch_all(&mut **work);
                Ok(in_time(rows).await?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Asks for one row, which may not be there.
    pub(super) async fn row(
        &mut self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> sqlx::Result<Option<Row>> {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }

    /// Runs statements of our own that take no values.
    pub(super) async fn script(&mut self, statements: String) -> sqlx::Result<()> {
        let script = sqlx::raw_sql(sqlx::AssertSqlSafe(statements));
        match self {
            Work::Sqlite(work) => script.execute(&mut **work).await.map(drop),
            #[cfg(feature = "postgres")]
            Work::Postgres(work) => in_time(script.execute(&mut **work)).await.map(drop),
        }
    }

    pub(super) async fn commit(self) -> sqlx::Result<()> {
        match self {
            Work::Sqlite(work) => work.commit().await,
            #[cfg(feature = "postgres")]
            Work::Postgres(work) => in_time(work.commit()).await,
        }
    }
}
