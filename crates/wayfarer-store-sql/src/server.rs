//! The connections to a database server, by sqlx.
//!
//! [`connections!`] makes a driver's connections a [`Database`](crate::database::Database): the drivers differ in their types
//! and statements alone.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use sqlx::Pool;
use wayfarer_session::{StoreError, StoreErrorKind};

use crate::database::{Answer, Call, Trouble};

/// Open connections.
#[derive(Debug)]
pub(crate) struct Connections<D: sqlx::Database> {
    pub(crate) pool: Pool<D>,
    /// The database, as errors name it.
    pub(crate) at: Arc<str>,
    /// No call takes longer.
    pub(crate) patience: Duration,
}

/// A driver's type need not be `Clone` for this.
impl<D: sqlx::Database> Clone for Connections<D> {
    fn clone(&self) -> Connections<D> {
        Connections { pool: self.pool.clone(), at: self.at.clone(), patience: self.patience }
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
        self.pool.close().await;
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
    let help = help(&source);
    let trouble = Trouble { at: at.to_owned(), help, source: source.into() };
    StoreError::new(kind, call, trouble)
}

/// What a person may do about a failure, as the end of its text.
fn help(source: &sqlx::Error) -> &'static str {
    match source {
        sqlx::Error::Io(error) => match error.kind() {
            ErrorKind::NotFound => ": is the file there that the address names?",
            // So rustls tells of whom it does not trust; the driver hides whose error it is.
            _ if error.to_string().contains("invalid peer certificate") => {
                of_certificate(&error.to_string())
            }
            _ => ": is it running, and can it be reached from here?",
        },
        sqlx::Error::Tls(_) if !cfg!(feature = "tls") => {
            ": the address wants TLS, which is not built in: turn on the feature `tls`"
        }
        sqlx::Error::PoolTimedOut => {
            ": is it running? If so, allow more connections or more patience"
        }
        _ => "",
    }
}

/// Whether the signature is of an authority that is not known, or of one that has the name of a known one: an authority of
/// one's own that was made again.
fn of_a_stranger(what: &str) -> bool {
    what.contains("UnknownIssuer") || what.contains("BadSignature")
}

/// The same, about a certificate.
fn of_certificate(what: &str) -> &'static str {
    if of_a_stranger(what) {
        ": if you trust who signed it, name that authority in the address, by `sslrootcert=FILE` \
         for PostgreSQL, `ssl-ca=FILE` for MySQL and MariaDB"
    } else if what.contains("not valid for name") {
        ": the address must name the host as the certificate does"
    } else {
        ": the server needs another certificate"
    }
}

/// How many rows were changed. A key in use is an error in some dialects; here it is a statement that changed nothing.
pub(crate) fn changed(rows: Result<u64, sqlx::Error>) -> Result<u64, sqlx::Error> {
    match rows {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(0),
        rows => rows,
    }
}

/// Makes a driver's connections a `Database`, by the constants `NATIVE`, `DJANGO`, `HISTORY`, `EPOCHS`,
/// `TABLES` and `MAX_BYTES` of the module.
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

        impl $crate::database::Row for $row {
            fn number(&self, column: &str) -> Result<i64, wayfarer_session::BoxError> {
                Ok(sqlx::Row::try_get(self, column)?)
            }

            fn text(&self, column: &str) -> Result<String, wayfarer_session::BoxError> {
                Ok(sqlx::Row::try_get(self, column)?)
            }

            fn maybe_text(
                &self,
                column: &str,
            ) -> Result<Option<String>, wayfarer_session::BoxError> {
                Ok(sqlx::Row::try_get(self, column)?)
            }

            fn bytes(&self, column: &str) -> Result<Vec<u8>, wayfarer_session::BoxError> {
                Ok(sqlx::Row::try_get(self, column)?)
            }
        }

        impl $crate::database::Database for $name {
            const NATIVE: $crate::database::NativeSql = NATIVE;
            const DJANGO: $crate::database::DjangoSql = DJANGO;
            const HISTORY: $crate::database::HistorySql = HISTORY;
            const EPOCHS: $crate::database::EpochSql = EPOCHS;
            const MAX_BYTES: usize = MAX_BYTES;

            async fn change(
                &self,
                call: $crate::database::Call,
                step: $crate::database::Step<'_>,
            ) -> $crate::database::Answer<u64> {
                let work = async {
                    let done = query(step).execute(&self.0.pool).await;
                    $crate::server::changed(done.map(|done| done.rows_affected()))
                };
                self.0.within(call, work).await
            }

            async fn rows<R: $crate::database::FromRow>(
                &self,
                call: $crate::database::Call,
                step: $crate::database::Step<'_>,
            ) -> $crate::database::Answer<Vec<R>> {
                let rows = self.0.within(call, query(step).fetch_all(&self.0.pool)).await?;
                let rows: Result<Vec<R>, _> = rows.iter().map(R::from_row).collect();
                rows.map_err(|error| $crate::database::unreadable(call, &self.0.at, error))
            }

            async fn row<R: $crate::database::FromRow>(
                &self,
                call: $crate::database::Call,
                step: $crate::database::Step<'_>,
            ) -> $crate::database::Answer<Option<R>> {
                Ok(self.rows(call, step).await?.into_iter().next())
            }

            async fn all_or_nothing(
                &self,
                call: $crate::database::Call,
                steps: Vec<$crate::database::Step<'_>>,
            ) -> $crate::database::Answer<Option<usize>> {
                let work = async {
                    // Dropped before its commit, a transaction takes everything back.
                    let mut all = self.0.pool.begin_with($begin).await?;
                    for (number, step) in steps.into_iter().enumerate() {
                        let done = query(step).execute(&mut *all).await;
                        let rows = done.map(|done| done.rows_affected());
                        if $crate::server::changed(rows)? == 0 {
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
                let mut all = self.0.pool.begin_with($begin).await.map_err(wrong)?;
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
                    let mut all = self.0.pool.begin_with($begin).await?;
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
