//! Upkeep: what ran out is forgotten in batches, and the past is read.

use std::{convert::Infallible, time::Duration};

use jiff::SignedDuration;
use tokio::{task::yield_now, time};
use tracing::Instrument;

use super::{History, SessionManager, counts::FORGOTTEN};
#[cfg(feature = "cookies")]
use crate::store::StoreErrorKind;
use crate::{
    error::{Error, ErrorKind},
    expiry::later,
    history::{HistoryEntry, Whose},
    store::StoreError,
};

/// So much is forgotten at once: a store is never held up for long.
const BATCH: u32 = 500;

impl SessionManager {
    /// Forgets sessions that ran out, history that is old enough and epochs that nobody needs, in batches of 500, and says how many sessions it
    /// forgot. Run it from time to time, or let [`SessionManager::purge_every`] do so.
    ///
    /// # Errors
    /// When the store is in trouble. What was forgotten until then stays forgotten.
    pub async fn purge(&self) -> Result<u64, StoreError> {
        let (store, counts, now) = (&self.0.store, &self.0.counts, self.0.now());
        let forgotten = in_batches(|| async {
            let purging = store.purge(BATCH, now).instrument(tracing::debug_span!("session_purge"));
            let purged = purging.await.inspect_err(|_| counts.add(("purge", "failed"), 1))?;
            counts.add(FORGOTTEN, u64::from(purged));
            Ok(purged)
        })
        .await?;
        if let Some(History { kept, keep }) = &self.0.history {
            let keep = SignedDuration::try_from(*keep).unwrap_or(SignedDuration::MAX);
            let before = later(now, -keep);
            in_batches(|| kept.purge(BATCH, before)).await?;
        }
        #[cfg(feature = "cookies")]
        if let Some(epochs) = self.0.mode.epochs() {
            let trouble = |why| StoreError::new(StoreErrorKind::Unavailable, "purge", why);
            in_batches(|| async { epochs.purge(BATCH, now).await.map_err(trouble) }).await?;
        }
        Ok(forgotten)
    }

    /// Purges again and again, first after `period`, and never ends: spawn it, and drop it when the application ends. A store in
    /// trouble is logged, and tried again after the next period.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn run(manager: wayfarer_session::SessionManager) {
    /// let purging = tokio::spawn(manager.purge_every(Duration::from_secs(600)));
    /// // … serve …
    /// purging.abort();
    /// # }
    /// ```
    pub async fn purge_every(self, period: Duration) -> Infallible {
        loop {
            time::sleep(period).await;
            if let Err(error) = self.purge().await {
                tracing::warn!(%error, "sessions that ran out are not forgotten yet");
            }
        }
    }

    /// What happened to a session or an account, the newest first, at most `limit` entries.
    ///
    /// # Errors
    /// When there is no history ([`ErrorKind::Unsupported`]), or its store is in trouble.
    pub async fn history(&self, whose: &Whose, limit: u32) -> Result<Vec<HistoryEntry>, Error> {
        const DOING: &str = "read the history of sessions";
        let Some(History { kept, .. }) = &self.0.history else {
            return Err(Error::new(ErrorKind::Unsupported, DOING));
        };
        kept.read(whose, limit).await.map_err(|error| Error::from_store(DOING, error))
    }
}

async fn in_batches<F>(purge: impl Fn() -> F) -> Result<u64, StoreError>
where
    F: Future<Output = Result<u32, StoreError>>,
{
    let mut forgotten = 0;
    loop {
        let batch = purge().await?;
        forgotten += u64::from(batch);
        if batch < BATCH {
            return Ok(forgotten);
        }
        yield_now().await;
    }
}
