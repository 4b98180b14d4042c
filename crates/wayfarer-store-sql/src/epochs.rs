//! Which sessions in cookies are over, in a table beside those of sessions: a restart forgets nothing.
//!
//! One row for each user or session of whom anything was noted. The same in every database.

use async_trait::async_trait;
use jiff::Timestamp;
use wayfarer_session::{BoxError, CookieOwner, Epochs, Whose};

use crate::{
    database::{Database, FromRow, Row, Value},
    native::{NativeStore, micros},
};

/// Keeps [`Epochs`] in a SQL database, from [`NativeStore::epochs`]. Clones share it.
///
/// Every load of a session from a cookie, and every save, asks by one statement.
#[derive(Clone, Debug)]
pub struct SqlEpochs<D> {
    database: D,
}

impl<D: Database> NativeStore<D> {
    /// The epochs that lie in the same database, in a table of their own: for sessions that lie in their cookies.
    #[must_use]
    pub fn epochs(&self) -> SqlEpochs<D> {
        SqlEpochs { database: self.database().clone() }
    }
}

/// What an epoch of these sessions lies under.
fn owner(whose: &Whose) -> String {
    match (whose, whose.handle()) {
        (Whose::User(user), _) => format!("user:{user}"),
        (_, handle) => format!("session:{}", handle.map_or_else(String::new, |it| it.to_string())),
    }
}

#[async_trait]
impl<D: Database> Epochs for SqlEpochs<D> {
    async fn not_before(&self, whose: CookieOwner<'_>) -> Result<Option<Timestamp>, BoxError> {
        let session = owner(&Whose::Session(whose.subject));
        let user = whose.user.map(|user| owner(&Whose::User(user.to_owned())));
        let values =
            vec![Value::OwnText(user.unwrap_or_else(|| session.clone())), Value::OwnText(session)];
        let rows: Vec<Noted> = self.database.rows("not_before", (D::EPOCHS.of, values)).await?;
        let latest = rows.into_iter().map(|noted| noted.instant).max();
        // The end of time is not a whole microsecond; nobody is let in for that.
        Ok(latest.map(|micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)))
    }

    async fn end_before(
        &self,
        whose: &Whose,
        instant: Timestamp,
        forget_at: Timestamp,
    ) -> Result<(), BoxError> {
        let values = vec![Value::OwnText(owner(whose)), micros(instant), micros(forget_at)];
        self.database.change("end_before", (D::EPOCHS.note, values)).await?;
        Ok(())
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, BoxError> {
        let values = vec![micros(now), Value::Number(i64::from(limit))];
        let forgotten = self.database.change("purge", (D::EPOCHS.purge, values)).await?;
        Ok(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

/// A row, as it is stored.
struct Noted {
    instant: i64,
}

impl FromRow for Noted {
    fn from_row(row: &impl Row) -> Result<Noted, BoxError> {
        Ok(Noted { instant: row.number("instant")? })
    }
}
