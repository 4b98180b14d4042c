//! Salts: the secrets under which visitors are hashed.
//!
//! The *identity* salt stays as long as the folder. A *daily* salt hashes those who are known by address and user agent
//! only; it is random, and thrown away 48 hours after its last use, so that then nobody, not even the operator, can try
//! addresses against the hashes. The collector asks in the middle of its work and cannot wait for a disk: a new daily salt
//! is handed out at once, and [`SaltBox::save`] writes it before an event that was hashed under it may be stored. A crash
//! in between loses a salt that nothing rests on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{Timestamp, civil::Date};
use sqlx::{Row, SqlitePool};
use wayfarer_collect::{SaltError, Salts};
use wayfarer_event::Micros;
use wayfarer_session::Random;

use crate::{Error, OpenError};

/// How long a daily salt is kept after its last use.
const KEPT: i64 = 2 * Micros::DAY;
/// How far the stored time of last use may lag behind: a use is written down once in this time, not with every event.
const LAG: i64 = Micros::HOUR;
/// The most days that have a salt at one time: more than fifty years, for imports of old logs.
const MOST_DAYS: usize = 20_000;

type Salt = [u8; 32];

/// The salts of a folder.
pub(crate) struct SaltBox {
    identity: Salt,
    random: Arc<dyn Random>,
    days: Mutex<HashMap<Date, Daily>>,
    pool: SqlitePool,
    /// Held while salts are written, so that whoever finds nothing left to write knows that it is on disk.
    writing: tokio::sync::Mutex<()>,
}

struct Daily {
    salt: Salt,
    used: bool,
    /// When its use was last written down; `None` until the salt itself is on disk.
    saved_at: Option<Micros>,
}

impl SaltBox {
    pub(super) async fn load(
        pool: SqlitePool,
        random: Arc<dyn Random>,
    ) -> Result<SaltBox, OpenError> {
        let identity = identity(&pool, random.as_ref()).await?;
        let mut days = HashMap::new();
        for row in sqlx::query("SELECT day, salt, used_at FROM daily_salt").fetch_all(&pool).await?
        {
            let day: String = row.try_get("day")?;
            let salt: Vec<u8> = row.try_get("salt")?;
            let (Ok(day), Ok(salt)) = (day.parse(), Salt::try_from(salt)) else {
                return Err(OpenError::Damaged { what: "a daily salt in the control store" });
            };
            let saved_at = Some(Micros(row.try_get("used_at")?));
            days.insert(day, Daily { salt, used: false, saved_at });
        }
        let writing = tokio::sync::Mutex::new(());
        Ok(SaltBox { identity, random, days: Mutex::new(days), pool, writing })
    }

    /// Writes what was handed out since the last time. When it answers, every daily salt that the collector got before
    /// is on disk.
    ///
    /// # Errors
    /// When the store cannot be written; the same salts are tried again with the next call.
    pub(crate) async fn save(&self, now: Timestamp) -> Result<(), Error> {
        let now = Micros::from(now);
        if self.waiting(now).is_empty() {
            return Ok(());
        }
        let _writing = self.writing.lock().await;
        let waiting = self.waiting(now);
        let mut transaction = self.pool.begin().await?;
        for (day, salt) in &waiting {
            sqlx::query(
                "INSERT INTO daily_salt (day, salt, used_at) VALUES (?, ?, ?)
                 ON CONFLICT (day) DO UPDATE SET used_at = excluded.used_at",
            )
            .bind(day.to_string())
            .bind(salt.as_slice())
            .bind(now.0)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        self.mark_saved(&waiting, now);
        Ok(())
    }

    /// Throws away the salts whose last use is 48 hours old.
    ///
    /// # Errors
    /// When the store cannot be written; the salts then stay until the next call.
    pub(crate) async fn expire(&self, now: Timestamp) -> Result<(), Error> {
        self.save(now).await?;
        let oldest = Micros::from(now).plus(-KEPT);
        let _writing = self.writing.lock().await;
        sqlx::query("DELETE FROM daily_salt WHERE used_at < ?")
            .bind(oldest.0)
            .execute(&self.pool)
            .await?;
        self.days().retain(|_, daily| daily.used || daily.saved_at.is_none_or(|at| at >= oldest));
        Ok(())
    }

    /// New salts, and those whose use was written down too long ago.
    fn waiting(&self, now: Micros) -> Vec<(Date, Salt)> {
        let due = |daily: &Daily| {
            daily.used && daily.saved_at.is_none_or(|at| now.0.saturating_sub(at.0) >= LAG)
        };
        self.days().iter().filter(|(_, d)| due(d)).map(|(day, d)| (*day, d.salt)).collect()
    }

    fn mark_saved(&self, saved: &[(Date, Salt)], now: Micros) {
        let mut days = self.days();
        for (day, _) in saved {
            if let Some(daily) = days.get_mut(day) {
                daily.saved_at = Some(now);
                daily.used = false;
            }
        }
    }

    fn days(&self) -> MutexGuard<'_, HashMap<Date, Daily>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Salts for SaltBox {
    fn identity(&self) -> [u8; 32] {
        self.identity
    }

    fn daily(&self, day: Date) -> Result<[u8; 32], SaltError> {
        let mut days = self.days();
        if let Some(daily) = days.get_mut(&day) {
            daily.used = true;
            return Ok(daily.salt);
        }
        if days.len() >= MOST_DAYS {
            let problem = "too many days have visitors at one time".to_owned();
            return Err(SaltError { day, problem });
        }
        let salt =
            draw(self.random.as_ref()).map_err(|e| SaltError { day, problem: e.to_string() })?;
        days.insert(day, Daily { salt, used: true, saved_at: None });
        Ok(salt)
    }
}

async fn identity(pool: &SqlitePool, random: &dyn Random) -> Result<Salt, OpenError> {
    let salt = draw(random)?;
    sqlx::query("INSERT OR IGNORE INTO secret (name, value) VALUES ('identity', ?)")
        .bind(salt.as_slice())
        .execute(pool)
        .await?;
    let kept: Vec<u8> = sqlx::query_scalar("SELECT value FROM secret WHERE name = 'identity'")
        .fetch_one(pool)
        .await?;
    Salt::try_from(kept)
        .map_err(|_| OpenError::Damaged { what: "the identity salt in the control store" })
}

fn draw(random: &dyn Random) -> Result<Salt, wayfarer_session::Error> {
    let mut salt = [0; 32];
    random.fill(&mut salt)?;
    Ok(salt)
}
