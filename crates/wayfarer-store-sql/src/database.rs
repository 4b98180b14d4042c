//! What the stores ask of a database: to run one statement, or several as one step, and to have their tables.
//!
//! A [`Database`] is its connections and its dialect; the driver of the servers is in `options`, SQLite's in `sqlite`.

use std::fmt;

use wayfarer_session::{BoxError, StoreError, StoreErrorKind};

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
    /// end, key, end before, now
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

/// The statements of a table of history. The values go in in the order in which they are named here.
pub struct HistorySql {
    /// instant, kind, handle, subject, user, reason, device
    pub append: &'static str,
    /// handle, limit
    pub of_handle: &'static str,
    /// user, limit
    pub of_user: &'static str,
    /// instant, limit
    pub purge: &'static str,
}

/// The statements of a table of epochs. The values go in in the order in which they are named here.
pub struct EpochSql {
    /// owner, another owner
    pub of: &'static str,
    /// owner, instant, when to forget it. What is there already gives way to what is later.
    pub note: &'static str,
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
    /// end, key, end before, now
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

/// A row of an answer, by the names of its columns. A value that is not of the type is an error.
pub trait Row {
    /// A number.
    fn number(&self, column: &str) -> Result<i64, BoxError>;
    /// A text.
    fn text(&self, column: &str) -> Result<String, BoxError>;
    /// A text, or nothing.
    fn maybe_text(&self, column: &str) -> Result<Option<String>, BoxError>;
    /// Bytes.
    fn bytes(&self, column: &str) -> Result<Vec<u8>, BoxError>;
}

/// What a row is read as.
pub trait FromRow: Sized + Send + 'static {
    /// Reads a row.
    fn from_row(row: &impl Row) -> Result<Self, BoxError>;
}

/// The connections to a database, and its dialect.
pub trait Database: Clone + fmt::Debug + Send + Sync + 'static {
    /// The statements of native sessions.
    const NATIVE: NativeSql;
    /// The statements of Django's sessions.
    const DJANGO: DjangoSql;
    /// The statements of history.
    const HISTORY: HistorySql;
    /// The statements of epochs.
    const EPOCHS: EpochSql;
    /// The most bytes that a value may have.
    const MAX_BYTES: usize;

    /// Runs a statement and says how many rows it changed.
    fn change(&self, call: Call, step: Step<'_>) -> impl Future<Output = Answer<u64>> + Send;

    /// Asks for rows, of the latest state.
    fn rows<R: FromRow>(
        &self,
        call: Call,
        step: Step<'_>,
    ) -> impl Future<Output = Answer<Vec<R>>> + Send;

    /// Asks for the one row that there may be, of the latest state, by its key.
    fn row<R: FromRow>(
        &self,
        call: Call,
        step: Step<'_>,
    ) -> impl Future<Output = Answer<Option<R>>> + Send;

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

/// A failure, with the place where it happened and what may help.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) at: String,
    /// What comes after the failure in its text, or nothing.
    pub(crate) help: &'static str,
    pub(crate) source: BoxError,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.at, self.source, self.help)
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// A row that is not what it should be. Trying again would not help.
pub(crate) fn unreadable(call: Call, at: &str, source: BoxError) -> StoreError {
    let trouble = Trouble { at: at.to_owned(), help: "", source };
    StoreError::new(StoreErrorKind::Unreadable, call, trouble)
}

/// What a newer program made is left alone.
pub(crate) fn newer(at: &str, version: i64, known: usize) -> StoreError {
    let why = format!("the sessions in {at} are of version {version}, this program knows {known}");
    StoreError::new(StoreErrorKind::Unreadable, "migrate", why)
}
