//! The connections that ask a SQLite database.
//!
//! A look at one row by its key takes some microseconds, less than to hand it to another thread and back, so it is taken
//! where it is asked. What may take long, or would have to wait for a lock, goes to a thread that may block.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, ToSql, types::Value as Owned};
use tokio::{
    sync::Semaphore,
    task::{coop::consume_budget, spawn_blocking},
};
use wayfarer_session::BoxError;

use super::is_busy;
use crate::database::{FromRow, Row, Step};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// A row is not what it should be.
    Row(BoxError),
    /// The connections are closed.
    Closed,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sqlite(error)
    }
}

/// Connections that only read. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    patience: Duration,
    /// So many connections are kept, and so many questions that may take long are asked at once.
    most: usize,
    long: Semaphore,
    /// Connections that nobody uses. `None`: closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, most: usize, patience: Duration) -> Readers {
        let (long, idle) = (Semaphore::new(most), Mutex::new(Some(Vec::new())));
        Readers(Arc::new(Inner { path, patience, most, long, idle }))
    }

    /// Asks for the row that there may be, by its key.
    pub(super) async fn row<R: FromRow>(&self, step: Step<'_>) -> Result<Option<R>, Failure> {
        // What never waits must give way by itself, or one who only reads lets nobody else run, timers included.
        consume_budget().await;
        let rows = match self.0.rows(step.0, &step.1, Duration::ZERO) {
            // Somebody holds a lock: a project's database need not be in WAL mode.
            Err(Failure::Sqlite(error)) if is_busy(&error) => self.rows(step).await,
            rows => rows,
        };
        Ok(rows?.into_iter().next())
    }

    /// Asks for rows, however long that takes.
    pub(super) async fn rows<R: FromRow>(&self, step: Step<'_>) -> Result<Vec<R>, Failure> {
        let _turn = self.0.long.acquire().await.map_err(|_| Failure::Closed)?;
        let (inner, (statement, values)) = (Arc::clone(&self.0), step);
        let values: Vec<Owned> = values.into_iter().map(Owned::from).collect();
        let rows = spawn_blocking(move || inner.rows(statement, &values, inner.patience));
        rows.await.unwrap_or(Err(Failure::Closed))
    }

    /// Closes the connections. One that is in use is closed when it is given back.
    pub(super) fn close(&self) {
        self.0.long.close();
        self.0.idle().take();
    }
}

impl Inner {
    fn rows<R: FromRow>(
        &self,
        statement: &str,
        values: &[impl ToSql],
        patience: Duration,
    ) -> Result<Vec<R>, Failure> {
        let connection = self.connection()?;
        connection.busy_timeout(patience)?;
        let rows = ask(&connection, statement, values);
        self.give_back(connection);
        rows
    }

    fn connection(&self) -> Result<Connection, Failure> {
        let idle = self.idle().as_mut().ok_or(Failure::Closed)?.pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        // Without a lock of its own: it is never used by two at once.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Connection::open_with_flags(&self.path, flags)?)
    }

    fn give_back(&self, connection: Connection) {
        if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < self.most) {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        // Nothing happens under this lock but a move.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ask<R: FromRow>(
    connection: &Connection,
    statement: &str,
    values: &[impl ToSql],
) -> Result<Vec<R>, Failure> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        read.push(R::from_row(row).map_err(Failure::Row)?);
    }
    Ok(read)
}

impl Row for rusqlite::Row<'_> {
    fn number(&self, column: &str) -> Result<i64, BoxError> {
        Ok(self.get(column)?)
    }

    fn text(&self, column: &str) -> Result<String, BoxError> {
        Ok(self.get(column)?)
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>, BoxError> {
        Ok(self.get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, BoxError> {
        Ok(self.get(column)?)
    }
}
