//! What the stores ask of a database: to run one statement, or several as one step, and to have their tables.
//!
//! A [`Database`] is its connections and its dialect. [`connections!`] writes the part that is the same for every driver.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{FromRow, Pool};
use wayfarer_session::{StoreError, StoreErrorKind};

/// A value that goes into a statement.
pub enum Value<'a> {
    Text(&'a str),
    OwnText(String),
    MaybeText(Option<String>),
    Bytes(&'a [u8]),
    Number(i64),
    /// A key of Django's table. MySQL compares text without regard to case, so its statements take a key twice: once for
    /// the index, once to compare the bytes.
    Key(&'a str),
}

/// A statement with its values.
pub(crate) type Step<'a> = (&'static str, Vec<Value<'a>>);

/// The statements of a table of native sessions. The values go in in the order in which they are named here.
pub struct NativeSql {
    /// key, version, data, end, subject, user. A key in use changes nothing.
    pub create: &'static str,
    /// key, now
    pub load: &'static str,
    /// data, end, subject, user, key, version, now
    pub save: &'static str,
    /// end, key, now
    pub touch: &'static str,
    /// key, now
    pub end: &'static str,
    /// key, version, now
    pub end_version: &'static str,
    /// user, now, limit
    pub list: &'static str,
    /// key to begin after, now, limit
    pub scan: &'static str,
    /// now, limit
    pub purge: &'static str,
}

/// The statements of Django's table. The values go in in the order in which they are named here.
pub struct DjangoSql {
    /// key, data, end. A key in use changes nothing.
    pub create: &'static str,
    /// key, now
    pub load: &'static str,
    /// data, end, key, data before, now
    pub save: &'static str,
    /// end, key, now
    pub touch: &'static str,
    /// key, now
    pub delete: &'static str,
    /// key, data before, now
    pub delete_state: &'static str,
    /// key to begin after, now, limit
    pub scan: &'static str,
    /// now, limit
    pub purge: &'static str,
}

/// How the tables get into a database.
pub(crate) struct Tables {
    /// Keeps other processes from doing the same at the same time. Within the transaction, where there is one.
    pub(crate) lock: &'static str,
    /// Lets them again, where the end of the transaction does not.
    pub(crate) unlock: &'static str,
    /// Makes the table `wayfarer_session_schema`, where it is missing.
    pub(crate) versions: &'static str,
    /// The highest version in it, or 0.
    pub(crate) version: &'static str,
    /// Notes a version in it.
    pub(crate) note: &'static str,
    /// Step 1 leads to version 1 of the native table, and so on. Steps are never edited, only added.
    pub(crate) steps: &'static [&'static str],
    /// Which of `django_session` and `django_migrations` are there.
    pub(crate) django_tables: &'static str,
    /// Makes `django_session` as Django does.
    pub(crate) django: &'static str,
    /// Notes in `django_migrations` that it is made, or else Django would try to make it again.
    pub(crate) django_note: &'static str,
}

/// The connections to a database, and its dialect.
pub trait Database: Clone + fmt::Debug + Send + Sync + 'static {
    /// What the driver calls a row.
    type Row: sqlx::Row;

    /// The statements of native sessions.
    const NATIVE: NativeSql;
    /// The statements of Django's sessions.
    const DJANGO: DjangoSql;
    /// The most bytes that a value may have.
    const MAX_BYTES: usize;

    /// Runs a statement and says how many rows it changed.
    fn change(&self, call: Call, step: Step<'_>) -> impl Future<Output = Answer<u64>> + Send;

    /// Asks for rows, of the latest state.
    fn rows<R>(&self, call: Call, step: Step<'_>) -> impl Future<Output = Answer<Vec<R>>> + Send
    where
        R: for<'r> FromRow<'r, Self::Row> + Send + Unpin;

    /// Runs all steps, each of which must change a row, in one transaction. `Some` is the step that changed none, because of
    /// which nothing was changed.
    fn all_or_nothing(
        &self,
        call: Call,
        steps: Vec<Step<'_>>,
    ) -> impl Future<Output = Answer<Option<usize>>> + Send;

    /// Makes the table of native sessions, or brings it up to date.
    fn provide_native(&self) -> impl Future<Output = Answer<()>> + Send;

    /// Makes Django's table where it is missing.
    fn provide_django(&self) -> impl Future<Output = Answer<()>> + Send;

    /// Closes the connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// The name of a store's method, for errors.
pub(crate) type Call = &'static str;

/// What a database answers.
pub(crate) type Answer<T> = Result<T, StoreError>;

/// Open connections: those that change, and those that ask, which may be the same.
#[derive(Debug)]
pub(crate) struct Connections<D: sqlx::Database> {
    pub(crate) writer: Pool<D>,
    pub(crate) readers: Pool<D>,
    /// The database, as errors name it.
    pub(crate) at: Arc<str>,
    /// No call takes longer.
    pub(crate) patience: Duration,
}

/// A driver's type need not be `Clone` for this.
impl<D: sqlx::Database> Clone for Connections<D> {
    fn clone(&self) -> Connections<D> {
        let (writer, readers) = (self.writer.clone(), self.readers.clone());
        Connections { writer, readers, at: self.at.clone(), patience: self.patience }
    }
}

impl<D: sqlx::Database> Connections<D> {
    /// Gives `work` up when it takes too long, and names the database in its error.
    pub(crate) async fn within<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Answer<T> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(done) => done.map_err(|error| self.trouble(call, error)),
            Err(_) => {
                let why = format!("{}: no answer within {:?}", self.at, self.patience);
                Err(StoreError::new(StoreErrorKind::Unavailable, call, why))
            }
        }
    }

    pub(crate) fn trouble(&self, call: Call, error: sqlx::Error) -> StoreError {
        trouble(call, &self.at, error)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Names the kind of a failure, and the database. A column that is not what it should be is not a matter of trying again.
pub(crate) fn trouble(call: Call, at: &str, source: sqlx::Error) -> StoreError {
    let kind = match &source {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_) => StoreErrorKind::Unreadable,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, call, Trouble { at: at.to_owned(), source })
}

/// How many rows were changed. A key in use is an error in some dialects; here it is a statement that changed nothing.
pub(crate) fn changed(rows: Result<u64, sqlx::Error>) -> Result<u64, sqlx::Error> {
    match rows {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(0),
        rows => rows,
    }
}

/// A failure, with the place where it happened and what may help.
#[derive(Debug)]
struct Trouble {
    at: String,
    source: sqlx::Error,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.source)?;
        match &self.source {
            sqlx::Error::Io(_) => f.write_str(": is it running, and can it be reached from here?"),
            sqlx::Error::PoolTimedOut => {
                f.write_str(": is it running? If so, allow more connections or more patience")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What a newer program made is left alone.
pub(crate) fn newer(at: &str, version: i64, known: usize) -> StoreError {
    let why = format!("the sessions in {at} are of version {version}, this program knows {known}");
    StoreError::new(StoreErrorKind::Unreadable, "migrate", why)
}

/// Makes a driver's connections a [`Database`], by the constants `NATIVE`, `DJANGO`, `TABLES` and `MAX_BYTES` of the module.
/// The methods differ between drivers in their types alone, and in how often a key goes into a statement.
macro_rules! connections {
    ($name:ident, $driver:ty, $row:ty, $arguments:ty, begin: $begin:literal, keys: $keys:literal) => {
        fn query(step: $crate::database::Step<'_>) -> sqlx::query::Query<'_, $driver, $arguments> {
            use $crate::database::Value;
            let (statement, values) = step;
            values.into_iter().fold(sqlx::query(statement), |query, value| match value {
                Value::Text(text) => query.bind(text),
                Value::OwnText(text) => query.bind(text),
                Value::MaybeText(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Number(number) => query.bind(number),
                Value::Key(key) => (0..$keys).fold(query, |query, _| query.bind(key)),
            })
        }

        impl $crate::database::Database for $name {
            type Row = $row;

            const NATIVE: $crate::database::NativeSql = NATIVE;
            const DJANGO: $crate::database::DjangoSql = DJANGO;
            const MAX_BYTES: usize = MAX_BYTES;

            async fn change(
                &self,
                call: $crate::database::Call,
                step: $crate::database::Step<'_>,
            ) -> $crate::database::Answer<u64> {
                let work = async {
                    let done = query(step).execute(&self.0.writer).await;
                    $crate::database::changed(done.map(|done| done.rows_affected()))
                };
                self.0.within(call, work).await
            }

            async fn rows<R>(
                &self,
                call: $crate::database::Call,
                step: $crate::database::Step<'_>,
            ) -> $crate::database::Answer<Vec<R>>
            where
                R: for<'r> sqlx::FromRow<'r, $row> + Send + Unpin,
            {
                let rows = self.0.within(call, query(step).fetch_all(&self.0.readers)).await?;
                let rows: Result<Vec<R>, _> = rows.iter().map(R::from_row).collect();
                rows.map_err(|error| self.0.trouble(call, error))
            }

            async fn all_or_nothing(
                &self,
                call: $crate::database::Call,
                steps: Vec<$crate::database::Step<'_>>,
            ) -> $crate::database::Answer<Option<usize>> {
                let work = async {
                    // Dropped before its commit, a transaction takes everything back.
                    let mut all = self.0.writer.begin_with($begin).await?;
                    for (number, step) in steps.into_iter().enumerate() {
                        let done = query(step).execute(&mut *all).await;
                        let rows = done.map(|done| done.rows_affected());
                        if $crate::database::changed(rows)? == 0 {
                            all.rollback().await?;
                            return Ok(Some(number));
                        }
                    }
                    all.commit().await.map(|()| None)
                };
                self.0.within(call, work).await
            }

            async fn provide_native(&self) -> $crate::database::Answer<()> {
                let wrong = |error| self.0.trouble("migrate", error);
                let mut all = self.0.writer.begin_with($begin).await.map_err(wrong)?;
                sqlx::raw_sql(TABLES.lock).execute(&mut *all).await.map_err(wrong)?;
                sqlx::raw_sql(TABLES.versions).execute(&mut *all).await.map_err(wrong)?;
                let asked = sqlx::query_scalar(TABLES.version).fetch_one(&mut *all).await;
                let version: i64 = asked.map_err(wrong)?;
                let done = usize::try_from(version).unwrap_or(usize::MAX);
                if done > TABLES.steps.len() {
                    return Err($crate::database::newer(&self.0.at, version, TABLES.steps.len()));
                }
                for (version, step) in (1_i64..).zip(TABLES.steps).skip(done) {
                    sqlx::raw_sql(*step).execute(&mut *all).await.map_err(wrong)?;
                    let note = sqlx::query(TABLES.note).bind(version).execute(&mut *all).await;
                    note.map_err(wrong)?;
                }
                sqlx::raw_sql(TABLES.unlock).execute(&mut *all).await.map_err(wrong)?;
                all.commit().await.map_err(wrong)
            }

            async fn provide_django(&self) -> $crate::database::Answer<()> {
                let work = async {
                    let mut all = self.0.writer.begin_with($begin).await?;
                    sqlx::raw_sql(TABLES.lock).execute(&mut *all).await?;
                    let there: Vec<String> =
                        sqlx::query_scalar(TABLES.django_tables).fetch_all(&mut *all).await?;
                    let has = |name: &str| there.iter().any(|table| table == name);
                    if !has("django_session") {
                        sqlx::raw_sql(TABLES.django).execute(&mut *all).await?;
                        if has("django_migrations") {
                            sqlx::raw_sql(TABLES.django_note).execute(&mut *all).await?;
                        }
                    }
                    sqlx::raw_sql(TABLES.unlock).execute(&mut *all).await?;
                    all.commit().await
                };
                work.await.map_err(|error| self.0.trouble("migrate", error))
            }

            async fn close(&self) {
                self.0.close().await;
            }
        }
    };
}
pub(crate) use connections;
