//! Requests that overlap in one session: who loses what.
//!
//! The handlers wait for each other after they have read, so that all of them work on the same state: what a busy browser
//! does by chance happens here every time.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::{Router, body::to_bytes};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::{Barrier, Mutex, Notify};

use crate::{
    axum_app::{seed, send},
    contender::Overlap,
};

/// Where overlapping handlers wait for each other.
#[derive(Clone, Debug)]
pub(crate) struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all_have_read: Mutex<Arc<Barrier>>,
    slow_has_read: Notify,
    slow_may_go_on: Notify,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage(Arc::new(Inner {
            all_have_read: Mutex::new(Arc::new(Barrier::new(1))),
            slow_has_read: Notify::new(),
            slow_may_go_on: Notify::new(),
        }))
    }

    async fn expect(&self, parallel: u32) {
        *self.0.all_have_read.lock().await = Arc::new(Barrier::new(parallel as usize));
    }

    /// Called by a handler that has read: comes back when all have.
    pub(crate) async fn have_read(&self) {
        let barrier = Arc::clone(&*self.0.all_have_read.lock().await);
        barrier.wait().await;
    }

    /// Called by the slow handler when it has read: comes back when the log-out is done.
    pub(crate) async fn be_slow(&self) {
        self.0.slow_has_read.notify_one();
        self.0.slow_may_go_on.notified().await;
    }
}

/// What `/look` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Look {
    /// How many keys of `/own` there are.
    pub(crate) own_keys: u32,
    /// How far `/count` got.
    pub(crate) count: u32,
    /// Whether the session still knows its user.
    pub(crate) user: bool,
}

/// Lets `parallel` requests overlap, twice; then a log-out and a slow request.
pub(crate) async fn run(router: Router, stage: Stage, parallel: u32) -> Result<Overlap> {
    let cookie = seed(&router).await?;
    stage.expect(parallel).await;
    let own = (0..parallel).map(|n| format!("/own/{n}")).collect();
    let mut refused = together(&router, &cookie, own).await?;
    stage.expect(parallel).await;
    let count = (0..parallel).map(|_| "/count".to_owned()).collect();
    refused += together(&router, &cookie, count).await?;
    let seen = look(&router, &cookie).await?;
    let (revived, late_status) = log_out_under(&router, &stage).await?;
    Ok(Overlap { own_keys: seen.own_keys, count: seen.count, refused, revived, late_status })
}

/// Sends requests to all these paths at once, and counts those that were told that they failed.
async fn together(router: &Router, cookie: &HeaderValue, paths: Vec<String>) -> Result<u32> {
    let tasks = paths.into_iter().map(|path| {
        let (router, cookie) = (router.clone(), cookie.clone());
        tokio::spawn(async move { anyhow::Ok(send(&router, &path, Some(&cookie)).await?.status()) })
    });
    let mut refused = 0;
    for task in tasks.collect::<Vec<_>>() {
        refused += u32::from(task.await?? != StatusCode::OK);
    }
    Ok(refused)
}

/// Logs out while a slow request works; says whether the session came back, and what the slow request was told.
async fn log_out_under(router: &Router, stage: &Stage) -> Result<(bool, u16)> {
    let cookie = seed(router).await?;
    let slow = tokio::spawn({
        let (router, cookie) = (router.clone(), cookie.clone());
        async move { anyhow::Ok(send(&router, "/slow", Some(&cookie)).await?.status()) }
    });
    stage.0.slow_has_read.notified().await;
    let status = send(router, "/logout", Some(&cookie)).await?.status();
    anyhow::ensure!(status == StatusCode::OK, "/logout answers {status}");
    stage.0.slow_may_go_on.notify_one();
    let late = slow.await??;
    Ok((look(router, &cookie).await?.user, late.as_u16()))
}

async fn look(router: &Router, cookie: &HeaderValue) -> Result<Look> {
    let response = send(router, "/look", Some(cookie)).await?;
    let status = response.status();
    let body = to_bytes(response.into_body(), 4096).await?;
    serde_json::from_slice(&body).with_context(|| format!("/look answers {status}: {body:?}"))
}
