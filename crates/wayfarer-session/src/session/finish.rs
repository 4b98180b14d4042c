//! The end of a request for its session: what is saved, and what becomes of the cookie.

use std::fmt;

use jiff::SignedDuration;

use super::{
    Session,
    state::{Due, NewKey, State, Stored},
};
use crate::{error::Error, journal::Sent, manager::Shared};

/// How a request ends for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was changed is saved.
    Keep,
    /// The session is saved if it holds anything, changed or not.
    Always,
    /// What was changed is thrown away, as after a 5xx.
    Discard,
}

/// What the response has to do about the session.
#[derive(Clone, Debug)]
#[must_use]
pub struct Finished {
    /// The session cookie.
    pub cookie: CookieChange,
    /// The answer depends on the session: a shared cache must know, by `Vary: Cookie`.
    pub accessed: bool,
}

impl Finished {
    const UNTOUCHED: Finished = Finished { cookie: CookieChange::Keep, accessed: false };
}

/// What is to happen to the session cookie.
#[derive(Clone, PartialEq, Eq)]
pub enum CookieChange {
    /// Nothing.
    Keep,
    /// The browser is given this value: a secret.
    Set {
        /// The value.
        value: String,
        /// How long the browser keeps it; `None`: until it is closed.
        max_age: Option<SignedDuration>,
    },
    /// The browser is to forget it.
    Remove,
}

/// Shows what happens, never the value.
impl fmt::Debug for CookieChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CookieChange::Keep => "Keep",
            CookieChange::Set { .. } => "Set(…)",
            CookieChange::Remove => "Remove",
        })
    }
}

impl Session {
    /// Ends the request for this session without the store, where the store need not be asked. `None` where it must be:
    /// call [`Session::finish`] then.
    ///
    /// # Errors
    /// When there is no randomness for an early subject.
    pub fn finish_now(&self, outcome: Outcome) -> Result<Option<Finished>, Error> {
        let shared = &self.0.shared;
        let every = self.every(outcome);
        let asks_nothing = !shared.early && !every;
        if asks_nothing && self.0.ends_unused() {
            return Ok(Some(Finished::UNTOUCHED));
        }
        let mut state = self.0.state();
        if asks_nothing && !state.accessed {
            state.head_sent = true;
            return Ok(Some(Finished::UNTOUCHED));
        }
        let accessed = state.accessed;
        let is_due = |state: &State| {
            let changed = state.is_pending() || state.renewal_is_due(shared);
            (every && state.may_hold()) || (accessed && (changed || state.stale(shared).is_some()))
        };
        if outcome != Outcome::Discard && is_due(&state) {
            return Ok(None);
        }
        let cookie = head_goes_out(&mut state, shared, outcome)?;
        Ok(Some(Finished { cookie, accessed }))
    }

    /// Ends the request for this session: saves what was changed, and says what the response has to do.
    ///
    /// # Errors
    /// When the changes could not be saved. The response should then be an error: 400 for a session that ended meanwhile
    /// ([`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted)), 5xx otherwise.
    /// What the 5xx has to tell of a key that was stored before, [`Session::finish_now`] says with [`Outcome::Discard`].
    pub async fn finish(&self, outcome: Outcome) -> Result<Finished, Error> {
        if let Some(finished) = self.finish_now(outcome)? {
            return Ok(finished);
        }
        let every = self.every(outcome);
        if every {
            self.0.load().await?;
        }
        let pending = {
            let mut state = self.0.state();
            if state.renewal_is_due(&self.0.shared) {
                state.new_key.get_or_insert(NewKey::WithGrace);
            }
            state.is_pending() || (every && !state.view().is_empty())
        };
        if pending {
            self.0.save(None).await?;
        } else {
            self.0.touch().await?;
        }
        let cookie = head_goes_out(&mut self.0.state(), &self.0.shared, outcome)?;
        Ok(Finished { cookie, accessed: true })
    }

    /// Whether the session is saved although nothing was changed.
    fn every(&self, outcome: Outcome) -> bool {
        self.0.shared.save_every_request || outcome == Outcome::Always
    }
}

/// Settles the cookie. From here on none can be sent.
fn head_goes_out(
    state: &mut State,
    shared: &Shared,
    outcome: Outcome,
) -> Result<CookieChange, Error> {
    let discard = outcome == Outcome::Discard;
    if !discard {
        state.subject(shared)?;
    }
    state.head_sent = true;
    // An identity without a session is worth a cookie only as an early subject.
    let due = match (state.due, &state.stored) {
        (Due::Cookie, Stored::Unknown | Stored::Absent) if !shared.early || discard => Due::Nothing,
        (due, _) => due,
    };
    if state.fresh && due != Due::Cookie {
        // No browser will ever know it.
        state.identity = None;
        state.fresh = false;
    }
    let (change, sent) = match (due, &state.identity) {
        (Due::Cookie, Some(identity)) => {
            let value = shared.mode.cookie(identity);
            (CookieChange::Set { value, max_age: max_age(shared, state) }, Sent::Cookie)
        }
        (Due::Removal, _) => (CookieChange::Remove, Sent::Removal),
        _ => (CookieChange::Keep, Sent::Nothing),
    };
    state.journal.set_cookie = sent;
    Ok(change)
}

/// How long the browser keeps the cookie.
fn max_age(shared: &Shared, state: &State) -> Option<SignedDuration> {
    let kept = state.kept();
    let age = kept.age(shared.life.idle, shared.now());
    (!kept.browser_close()).then_some(age)
}
