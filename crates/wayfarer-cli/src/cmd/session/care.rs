//! The care of a store of sessions: list, show, end, tell, forget, move.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use wayfarer_session::{Handle, SessionManager, SessionSummary, StoreError};

use super::{
    Named,
    store::{Opened, StoreArgs},
};
use crate::{
    desk::Desk,
    failure::Failure,
    show::{one, rows},
};

/// How many sessions are asked for at once.
const BATCH: u32 = 500;

/// List the sessions of a store
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    store: StoreArgs,
    /// Only those of this user
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// The most to list
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// Forget what ran out, in batches: Django's clearsessions
#[derive(Args, Debug)]
pub(crate) struct Purge {
    #[command(flatten)]
    store: StoreArgs,
    /// Forget history too that is older than so many days
    #[arg(long, value_name = "DAYS")]
    keep_history: Option<u32>,
}

/// Copy sessions into another store; nobody is logged out
#[derive(Args, Debug)]
pub(crate) struct Copy {
    #[command(flatten)]
    store: StoreArgs,
    /// The store to copy them into, of the same kind
    #[arg(long, value_name = "URL")]
    to: String,
}

impl List {
    /// Prints the sessions.
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failure> {
        let manager = self.store.manager().await?;
        let (mut found, mut from): (Vec<SessionSummary>, _) = (Vec::new(), None);
        while found.len() < self.limit {
            let (mut page, next) = manager.page(from.as_ref(), BATCH).await?;
            page.retain(|session| self.user.is_none() || session.user == self.user);
            found.append(&mut page);
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        found.truncate(self.limit);
        rows(desk, &found)
    }
}

impl Purge {
    /// Forgets, and says how many.
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failure> {
        let Opened { store, history, .. } = self.store.open().await?;
        let now = Timestamp::now();
        let forgotten = in_batches(|| store.purge(BATCH, now)).await?;
        let Some(days) = self.keep_history else {
            return one(desk, &json!({ "forgotten": forgotten }));
        };
        let history = history.ok_or_else(|| Failure::new("cli-history-not-kept"))?;
        let before = now - SignedDuration::from_hours(24 * i64::from(days));
        let entries = in_batches(|| history.purge(BATCH, before)).await?;
        one(desk, &json!({ "forgotten": forgotten, "forgotten_history": entries }))
    }
}

/// Forgets until there is nothing more to forget, and says how many it were.
async fn in_batches<F>(purge: impl Fn() -> F) -> Result<u64, Failure>
where
    F: Future<Output = Result<u32, StoreError>>,
{
    let mut forgotten = 0_u64;
    loop {
        let batch = purge().await?;
        forgotten += u64::from(batch);
        if batch < BATCH {
            return Ok(forgotten);
        }
    }
}

impl Copy {
    /// Copies, and says how many.
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failure> {
        let (from, to) = (self.store.open().await?, self.store.open_other(&self.to).await?);
        if from.form != to.form {
            return Err(Failure::new("cli-store-unlike").usage());
        }
        one(desk, &wayfarer_session::copy(&from.store, &to.store, Timestamp::now()).await?)
    }
}

/// Shows one session with what it holds.
pub(crate) async fn show(desk: &Desk, named: Named) -> Result<(), Failure> {
    let manager = named.store.manager().await?;
    let handle = Handle::from_text(named.handle);
    let Some(found) = manager.find(&handle).await? else { return Err(unknown(&handle)) };
    let entries = found.entries.iter().map(|(name, raw)| {
        // What JSON cannot say is shown as it is written.
        let value = serde_json::from_str(raw.as_str()).unwrap_or_else(|_| raw.as_str().into());
        (name.clone(), value)
    });
    let entries: Map<String, Value> = entries.collect();
    let mut told = serde_json::to_value(&found.summary).unwrap_or_default();
    if let Value::Object(told) = &mut told {
        told.insert("data".to_owned(), Value::Object(entries));
    }
    one(desk, &told)
}

/// Ends one session.
pub(crate) async fn revoke(desk: &Desk, named: Named) -> Result<(), Failure> {
    let manager: SessionManager = named.store.manager().await?;
    let handle = Handle::from_text(named.handle);
    if !manager.end_named(&handle, "ended by an operator").await? {
        return Err(unknown(&handle));
    }
    one(desk, &json!({ "revoked": handle }))
}

fn unknown(handle: &Handle) -> Failure {
    Failure::new("cli-session-unknown").with("handle", handle.to_string())
}
