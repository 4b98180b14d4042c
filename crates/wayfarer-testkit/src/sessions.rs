//! What must hold of sessions in every real store that has compare-and-swap, tried by many at once.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use wayfarer_session::{CookieChange, ErrorKind, Outcome, Session, SessionManager};

use crate::proofs;

/// How many do it at once.
const MANY: usize = 200;

/// Tries everything of this module. The manager's deadline must leave time for many saves of one session.
///
/// What was seen goes, under this name for the store, as one line of JSON to the file that the environment variable
/// `WAYFARER_PROOFS` names, if it is set.
///
/// # Errors
/// When something is lost, or comes back.
pub async fn nothing_is_lost_and_nothing_comes_back(
    store: &str,
    manager: &SessionManager,
) -> Result<()> {
    each_writer_keeps_its_key(manager).await.context("each writes a key of its own")?;
    each_step_counts(manager).await.context("each counts up")?;
    a_late_save_stays_out(manager).await.context("a request ends after the log-out")?;
    proofs::note(|| {
        Ok(json!({
            "parallel": MANY, "keys": MANY, "counted": MANY, "late_save": "stays out", "store": store,
        }))
    })
}

/// Many requests each write a key of their own: all are there.
async fn each_writer_keeps_its_key(manager: &SessionManager) -> Result<()> {
    let cookie = begun(manager).await?;
    beside_each_other(manager, &cookie, |session, n| async move {
        session.insert(&format!("k{n}"), n).await?;
        Ok(session.finish(Outcome::Keep).await.map(drop)?)
    })
    .await?;
    let keys = manager.open(Some(&cookie)).keys().await?;
    let there = (0..MANY).filter(|n| keys.contains(&format!("k{n}"))).count();
    ensure!(there == MANY, "{there} of {MANY} keys are there");
    Ok(())
}

/// Many requests each add one: the sum is how many they are.
async fn each_step_counts(manager: &SessionManager) -> Result<()> {
    let cookie = begun(manager).await?;
    beside_each_other(manager, &cookie, |session, _| async move {
        session.modify("n", |n: Option<usize>| n.unwrap_or(0) + 1).await?;
        Ok(session.finish(Outcome::Keep).await.map(drop)?)
    })
    .await?;
    let n: Option<usize> = manager.open(Some(&cookie)).get("n").await?;
    ensure!(n == Some(MANY), "{n:?} of {MANY} were counted");
    Ok(())
}

/// A request that loaded the session before a log-out, and saves after it, does not bring it back.
async fn a_late_save_stays_out(manager: &SessionManager) -> Result<()> {
    let cookie = begun(manager).await?;
    let slow = manager.open(Some(&cookie));
    slow.insert("late", 1).await?;
    let _: Option<u32> = slow.get("begun").await?;
    let other = manager.open(Some(&cookie));
    other.flush().await?;
    let _ = other.finish(Outcome::Keep).await?;
    let saved = slow.finish(Outcome::Keep).await;
    let kind = saved.err().map(|error| error.kind());
    ensure!(kind == Some(ErrorKind::Interrupted), "the late save ends with {kind:?}");
    let late = manager.open(Some(&cookie));
    ensure!(late.is_empty().await?, "the session is back");
    Ok(())
}

/// The cookie of a new session.
async fn begun(manager: &SessionManager) -> Result<String> {
    let session = manager.open(None);
    session.insert("begun", 1).await?;
    match session.finish(Outcome::Keep).await?.cookie {
        CookieChange::Set { value, .. } => Ok(value),
        other => anyhow::bail!("a new session gives the cookie {other:?}"),
    }
}

async fn beside_each_other<F, T>(manager: &SessionManager, cookie: &str, work: F) -> Result<()>
where
    F: Fn(Session, usize) -> T,
    T: Future<Output = Result<()>> + Send + 'static,
{
    let cookie: Arc<str> = cookie.into();
    let mut running = JoinSet::new();
    for n in 0..MANY {
        running.spawn(work(manager.open(Some(&cookie)), n));
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}
