//! How a session is ended by its own request, and how it is noted as used.

use tokio::time::Instant;

use super::{
    inner::Inner,
    load::Looker,
    save::contended,
    state::{Due, Stale, Stored},
};
use crate::{
    error::Error,
    mode::Identity,
    native,
    signal::SignalKind,
    store::{Met, Record, Saved, Touched},
};

const DELETING: &str = "delete a session";

impl Inner {
    /// Ends the session in the store and forgets it.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        let ended = {
            let _gate = self.gate().await;
            self.end().await
        };
        self.tell().await;
        ended
    }

    async fn end(&self) -> Result<(), Error> {
        let identity = {
            let mut state = self.state();
            state.accessed = true;
            state.open(&self.shared);
            state.identity.clone()
        };
        let met = match &identity {
            None => Met::Gone,
            #[cfg(feature = "cookies")]
            Some(Identity::Carried(_)) => Box::pin(self.end_inside()).await?,
            Some(_) if self.shared.life.renew_after.is_some() => self.end_where_it_is().await?,
            Some(identity) => self.delete(identity).await?,
        };
        let mut state = self.state();
        if met == Met::Live {
            self.note_signal(&mut state, SignalKind::Flushed);
        }
        state.forget();
        Ok(())
    }

    async fn delete(&self, identity: &Identity) -> Result<Met, Error> {
        let deleted = self.shared.store.delete(identity.store_key(), self.shared.now());
        self.ask("delete", DELETING, deleted).await
    }

    /// Ends a session that may be given a new key beside us: what is deleted under our key might only be where it went. So
    /// it is first marked as ended, by compare-and-swap.
    async fn end_where_it_is(&self) -> Result<Met, Error> {
        let deadline = Instant::now() + self.shared.save_deadline;
        let mut looker = Looker::Cookie;
        while Instant::now() < deadline {
            let (_, row) = self.known();
            let found = row.is_some() && looker == Looker::Cookie;
            if !found && !self.look(looker, DELETING).await? {
                return Ok(Met::Gone);
            }
            looker = Looker::AtWork;
            let (Some(identity), Some(row)) = self.known() else { return Ok(Met::Gone) };
            let (data, expires_at) = (native::ended(), row.expires_at);
            let mark = Record { data, expires_at, subject: None, user: None };
            let (store, now) = (&self.shared.store, self.shared.now());
            let saving = store.save(identity.store_key(), &mark, &row.version, now);
            match self.ask("save", DELETING, saving).await? {
                Saved::Stored(_) => return self.delete(&identity).await.map(|_| Met::Live),
                Saved::Gone => return Ok(Met::Gone),
                Saved::Conflict => {}
            }
        }
        Err(contended(DELETING))
    }

    /// Notes that a session that was only read is in use, at most once in an interval. An end that another request has moved
    /// meanwhile stays, and that request tells the browser.
    pub(super) async fn touch(&self) -> Result<(), Error> {
        let _gate = self.gate().await;
        let Some(Stale { identity, from, expires_at }) = self.state().stale(&self.shared) else {
            return Ok(());
        };
        #[cfg(feature = "cookies")]
        if let Identity::Carried(_) = identity {
            return self.carry_on(identity).await;
        }
        let (store, now) = (&self.shared.store, self.shared.now());
        let touching = store.touch(identity.store_key(), from, expires_at, now);
        if self.ask("touch", "touch a session", touching).await? == Touched::Moved {
            let mut state = self.state();
            state.due = Due::Cookie;
            if let Stored::Row(row) = &mut state.stored {
                row.expires_at = expires_at;
            }
        }
        Ok(())
    }
}
