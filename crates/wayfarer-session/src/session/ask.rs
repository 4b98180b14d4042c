//! How a session asks the store: every call is entered into the journal and traced, and its trouble becomes ours.

use tracing::Instrument;

use super::inner::Inner;
use crate::{
    error::Error,
    journal::StoreCall,
    store::{Created, Loaded, Met, Rotated, Saved, StoreError, Touched},
};

/// What a call of the store came to, in a word.
pub(super) trait Told {
    fn told(&self) -> &'static str;
}

impl Told for Option<Loaded> {
    fn told(&self) -> &'static str {
        if self.is_some() { "found" } else { "absent" }
    }
}

impl Told for Created {
    fn told(&self) -> &'static str {
        match self {
            Created::Stored(_) => "stored",
            Created::Taken => "taken",
        }
    }
}

impl Told for Saved {
    fn told(&self) -> &'static str {
        match self {
            Saved::Stored(_) => "stored",
            Saved::Conflict => "conflict",
            Saved::Gone => "gone",
        }
    }
}

impl Told for Rotated {
    fn told(&self) -> &'static str {
        match self {
            Rotated::Stored(_) => "stored",
            Rotated::Conflict => "conflict",
            Rotated::Gone => "gone",
            Rotated::Taken => "taken",
        }
    }
}

impl Told for Touched {
    fn told(&self) -> &'static str {
        match self {
            Touched::Moved => "moved",
            Touched::Conflict => "conflict",
            Touched::Gone => "gone",
        }
    }
}

impl Told for Met {
    fn told(&self) -> &'static str {
        match self {
            Met::Live => "live",
            Met::Gone => "gone",
        }
    }
}

impl Inner {
    /// Waits for the answer to a call of the store, while `doing` something.
    pub(super) async fn ask<T: Told>(
        &self,
        call: &'static str,
        doing: &'static str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        let answer = answer.instrument(tracing::debug_span!("session_store", call)).await;
        let outcome = answer.as_ref().map_or("failed", Told::told);
        tracing::debug!(call, outcome, "the session store answered");
        self.shared.counts.add((call, outcome), 1);
        self.state().journal.called(StoreCall { call, outcome });
        answer.map_err(|error| Error::from_store(doing, error))
    }
}
