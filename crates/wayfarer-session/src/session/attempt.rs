//! Something that is begun with a session and may fail, such as a log-in: it is then undone.

use std::sync::Arc;

use super::{Session, inner::Inner, state::State};
use crate::{error::Error, signal::RequestContext};

/// Something that was begun with a session by [`Session::attempt`] or [`Session::attempt_anew`]. It is undone unless it is said
/// to have succeeded: by [`Attempt::fail`], or where it is dropped, as by a timeout.
///
/// What it stored, under a key that the browser does not have, cannot be undone. That session is ended, or, where the attempt
/// is dropped, left behind without a key to it; the one from before is there again if another was begun, and otherwise none.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    session: Session,
    /// A handle of its own that has come as far as the session had.
    before: Session,
    /// Another session was begun.
    anew: bool,
    /// How often this request had stored its session by then.
    stores: u32,
    over: bool,
}

impl Session {
    /// Begins something with this session that may fail.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn attempt(&self) -> Result<Attempt, Error> {
        self.begin(false).await
    }

    /// Begins something that may fail with another session in place of this one, which is left as it is until
    /// [`Attempt::end_before`].
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn attempt_anew(&self) -> Result<Attempt, Error> {
        self.begin(true).await
    }

    async fn begin(&self, anew: bool) -> Result<Attempt, Error> {
        self.0.load().await?;
        let _gate = self.0.gate().await;
        let mut state = self.0.state();
        let before = self.as_it_is(&state);
        if anew {
            state.forget();
        }
        Ok(Attempt { session: self.clone(), before, anew, stores: state.stores, over: false })
    }

    /// A handle of its own that has come as far.
    fn as_it_is(&self, state: &State) -> Session {
        let inner = Inner::new(Arc::clone(&self.0.shared), None);
        inner.state().take_over(state);
        if let Some(context) = self.0.slot::<Arc<RequestContext>>() {
            inner.put(context);
        }
        Session(Arc::new(inner))
    }
}

impl Attempt {
    /// Ends the session from before, where another was begun, for everybody who has its key.
    ///
    /// # Errors
    /// When the store cannot be reached. That session is then still there.
    pub async fn end_before(&self) -> Result<(), Error> {
        if self.anew { self.before.flush().await } else { Ok(()) }
    }

    /// It did not fail: what was done stays.
    pub fn succeed(mut self) {
        self.over = true;
    }

    /// It failed: what was done is undone.
    pub async fn fail(self) {
        if self.has_stored()
            && let Err(error) = self.session.flush().await
        {
            tracing::warn!(%error, "a session to which nobody has a key stays until it runs out");
        }
    }

    /// Whether a session was stored that is not to be. One that lies in its cookie never was: no browser has been given it.
    fn has_stored(&self) -> bool {
        let inner = &self.session.0;
        !inner.shared.mode.is_carried() && inner.state().stores != self.stores
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let has_stored = self.has_stored();
        let mut state = self.session.0.state();
        if has_stored && !self.anew {
            state.forget();
        } else {
            state.take_over(&self.before.0.state());
        }
    }
}
