//! The connection that changes a SQLite database, on a thread of its own, which waits for the disk so that nobody else has to.
//!
//! Whatever has come in while it was at work goes into one transaction, and so into one wait for the disk. Everybody is
//! answered only after the commit. Where one change fails, all are taken back and done again one by one, so that nobody
//! suffers from another's trouble.

use std::{
    fmt,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, types::Value as Owned};
use tokio::sync::oneshot;

use super::is_busy;
use crate::database::Step;

/// So many changes go into one transaction at the most.
const TOGETHER: usize = 128;

/// A statement with its values, on its way to the thread.
type OwnedStep = (&'static str, Vec<Owned>);

/// What a change came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// Every step changed rows, the last one so many.
    Changed(u64),
    /// This step found nothing to change, and so nothing was changed.
    Unchanged(usize),
}

/// Why a change was not made. Several changes may suffer from one failure.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Sqlite(Arc<rusqlite::Error>),
    /// It waited too long for its turn.
    Late,
    /// The connection is closed.
    Closed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Sqlite(error) => error.fmt(f),
            Failure::Late => f.write_str("too many changes wait for the disk"),
            Failure::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    fn is_busy(&self) -> bool {
        matches!(self, Failure::Sqlite(error) if is_busy(error))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sqlite(Arc::new(error))
    }
}

/// Steps of which all or none are done.
struct Change {
    steps: Vec<OwnedStep>,
    /// Nobody waits for it longer.
    until: Instant,
    answer: oneshot::Sender<Result<Outcome, Failure>>,
}

/// Work of another kind, which has the connection to itself.
type Work = Box<dyn FnOnce(&mut Connection) + Send>;

enum Order {
    Change(Change),
    Work(Work),
    Close(oneshot::Sender<()>),
}

/// The way to the thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    patience: Duration,
}

impl Writer {
    /// Starts the thread, which opens its connection by `open`.
    pub(super) async fn start(
        open: impl FnOnce() -> rusqlite::Result<Connection> + Send + 'static,
        patience: Duration,
    ) -> Result<Writer, Failure> {
        let (orders, queue) = mpsc::channel();
        let (opened, answer) = oneshot::channel();
        let run = move || match open() {
            Ok(connection) => {
                // The store may have been given up meanwhile; then the queue is closed, too.
                let _ = opened.send(Ok(()));
                serve(connection, &queue);
            }
            Err(error) => drop(opened.send(Err(error.into()))),
        };
        let thread = thread::Builder::new().name("wayfarer-sqlite".to_owned()).spawn(run);
        thread.map_err(|_| Failure::Closed)?;
        answer.await.unwrap_or(Err(Failure::Closed))?;
        Ok(Writer { orders, patience })
    }

    /// Does all of these steps, or none of them.
    pub(super) async fn change(&self, steps: Vec<Step<'_>>) -> Result<Outcome, Failure> {
        let steps = steps
            .into_iter()
            .map(|(statement, values)| (statement, values.into_iter().map(Owned::from).collect()));
        let (answer, outcome) = oneshot::channel();
        let until = Instant::now() + self.patience;
        self.order(Order::Change(Change { steps: steps.collect(), until, answer }))?;
        outcome.await.unwrap_or(Err(Failure::Closed))
    }

    /// Lets `work` have the connection.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, done) = oneshot::channel();
        let work = move |connection: &mut Connection| drop(answer.send(work(connection)));
        self.order(Order::Work(Box::new(work)))?;
        done.await.map_err(|_| Failure::Closed)
    }

    /// Closes the connection, after what was asked before.
    pub(super) async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.order(Order::Close(answer)).is_ok() {
            let _ = closed.await;
        }
    }

    fn order(&self, order: Order) -> Result<(), Failure> {
        self.orders.send(order).map_err(|_| Failure::Closed)
    }
}

/// Serves until it is told to close, or nobody is left who could ask.
fn serve(mut connection: Connection, queue: &mpsc::Receiver<Order>) {
    let mut changes = Vec::new();
    let mut next = queue.recv().ok();
    while let Some(order) = next.take() {
        match order {
            Order::Change(change) => {
                changes.push(change);
                while changes.len() < TOGETHER && next.is_none() {
                    match queue.try_recv() {
                        Ok(Order::Change(change)) => changes.push(change),
                        Ok(other) => next = Some(other),
                        Err(_) => break,
                    }
                }
                change_all(&connection, std::mem::take(&mut changes));
            }
            Order::Work(work) => work(&mut connection),
            Order::Close(answer) => {
                drop(connection);
                let _ = answer.send(());
                return;
            }
        }
        next = next.or_else(|| queue.recv().ok());
    }
}

/// Makes these changes, and answers each of them.
fn change_all(connection: &Connection, mut changes: Vec<Change>) {
    // Whoever has gone is not worth a change.
    changes.retain(|change| !change.answer.is_closed());
    let now = Instant::now();
    let (changes, late): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|change| change.until > now);
    for change in late {
        let _ = change.answer.send(Err(Failure::Late));
    }
    let outcomes = match together(connection, &changes) {
        Ok(outcomes) => outcomes,
        // Another process holds the lock, and did for as long as anybody has patience.
        Err(failure) if failure.is_busy() || changes.len() == 1 => {
            changes.iter().map(|_| Err(failure.clone())).collect()
        }
        Err(_) => changes.iter().map(|change| alone(connection, change)).collect(),
    };
    for (change, outcome) in changes.into_iter().zip(outcomes) {
        let _ = change.answer.send(outcome);
    }
}

fn alone(connection: &Connection, change: &Change) -> Result<Outcome, Failure> {
    together(connection, std::slice::from_ref(change))?.pop().unwrap_or(Err(Failure::Closed))
}

type Outcomes = Vec<Result<Outcome, Failure>>;

/// Makes these changes in one transaction. An error means that none of them was made.
fn together(connection: &Connection, changes: &[Change]) -> Result<Outcomes, Failure> {
    if let [Change { steps, .. }] = changes
        && let [step] = &steps[..]
    {
        // A statement is a transaction by itself.
        return Ok(vec![Ok(run(connection, step).map(|rows| outcome(0, rows))?)]);
    }
    // Immediate: a transaction that began as a reader may find that it cannot write any more.
    run(connection, &("BEGIN IMMEDIATE", Vec::new()))?;
    let made = changes.iter().map(|change| make(connection, change).map(Ok));
    let made = made.collect::<Result<Outcomes, Failure>>();
    let committed = made.and_then(|outcomes| {
        run(connection, &("COMMIT", Vec::new()))?;
        Ok(outcomes)
    });
    if committed.is_err() && !connection.is_autocommit() {
        run(connection, &("ROLLBACK", Vec::new()))?;
    }
    committed
}

/// Makes one change within a transaction.
fn make(connection: &Connection, change: &Change) -> Result<Outcome, Failure> {
    if let [step] = &change.steps[..] {
        return Ok(run(connection, step).map(|rows| outcome(0, rows))?);
    }
    run(connection, &("SAVEPOINT change", Vec::new()))?;
    let mut last = Outcome::Changed(0);
    for (number, step) in change.steps.iter().enumerate() {
        last = outcome(number, run(connection, step)?);
        if let Outcome::Unchanged(_) = last {
            run(connection, &("ROLLBACK TO change", Vec::new()))?;
            break;
        }
    }
    run(connection, &("RELEASE change", Vec::new()))?;
    Ok(last)
}

fn outcome(step: usize, rows: u64) -> Outcome {
    if rows == 0 { Outcome::Unchanged(step) } else { Outcome::Changed(rows) }
}

/// Runs a statement and says how many rows it changed. A key in use is a statement that changed nothing.
fn run(connection: &Connection, (statement, values): &OwnedStep) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(statement)?;
    match statement.execute(rusqlite::params_from_iter(values)) {
        Ok(rows) => Ok(u64::try_from(rows).unwrap_or(u64::MAX)),
        Err(rusqlite::Error::SqliteFailure(error, _)) if is_taken(error.extended_code) => Ok(0),
        Err(error) => Err(error),
    }
}

fn is_taken(code: i32) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);
    const INSERT: &str = "INSERT INTO kept VALUES (?, ?)";

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE kept (k PRIMARY KEY, v NOT NULL)").unwrap();
        connection
    }

    fn insert(k: i64, v: Owned) -> OwnedStep {
        (INSERT, vec![Owned::Integer(k), v])
    }

    type Answer = oneshot::Receiver<Result<Outcome, Failure>>;

    fn change(steps: Vec<OwnedStep>, until: Instant) -> (Change, Answer) {
        let (answer, outcome) = oneshot::channel();
        (Change { steps, until, answer }, outcome)
    }

    fn keys(connection: &Connection) -> Vec<i64> {
        let mut all = connection.prepare("SELECT k FROM kept ORDER BY k").unwrap();
        let keys = all.query_map((), |row| row.get(0)).unwrap();
        keys.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn changes_that_are_made_together_are_answered_each() {
        let connection = database();
        let until = Instant::now() + PATIENCE;
        let one = Owned::Integer(1);
        let (first, mut inserted) = change(vec![insert(1, one.clone())], until);
        let (again, mut taken) = change(vec![insert(1, one.clone())], until);
        let (both, mut half) = change(vec![insert(2, one.clone()), insert(1, one.clone())], until);
        let (late, mut too_late) = change(vec![insert(3, one.clone())], Instant::now());
        let (gone, _) = change(vec![insert(4, one.clone())], until);
        let (last, mut pair) = change(vec![insert(5, one.clone()), insert(6, one)], until);
        change_all(&connection, vec![first, again, both, late, gone, last]);
        assert!(matches!(inserted.try_recv(), Ok(Ok(Outcome::Changed(1)))));
        assert!(matches!(taken.try_recv(), Ok(Ok(Outcome::Unchanged(0)))));
        assert!(matches!(half.try_recv(), Ok(Ok(Outcome::Unchanged(1)))));
        assert!(matches!(too_late.try_recv(), Ok(Err(Failure::Late))));
        assert!(matches!(pair.try_recv(), Ok(Ok(Outcome::Changed(1)))));
        assert_eq!(keys(&connection), [1, 5, 6]);
        assert!(connection.is_autocommit());
    }

    #[test]
    fn a_change_that_fails_takes_no_other_with_it() {
        let connection = database();
        let until = Instant::now() + PATIENCE;
        let (before, mut first) = change(vec![insert(1, Owned::Integer(1))], until);
        let (bad, mut failed) = change(vec![insert(2, Owned::Null)], until);
        let (after, mut last) = change(vec![insert(3, Owned::Integer(1))], until);
        change_all(&connection, vec![before, bad, after]);
        assert!(matches!(first.try_recv(), Ok(Ok(Outcome::Changed(1)))));
        assert!(matches!(failed.try_recv(), Ok(Err(Failure::Sqlite(_)))));
        assert!(matches!(last.try_recv(), Ok(Ok(Outcome::Changed(1)))));
        assert_eq!(keys(&connection), [1, 3]);
        assert!(connection.is_autocommit());
    }
}
