//! Work away from the threads that answer requests: what somebody waits for on one of a pool, by [`blocking`], and what can
//! wait on a thread of its own, which gives way to every other.
//!
//! How much of a processor a thread gets beside others that want it is the kernel's to say, and it says it in slices of
//! milliseconds. A merge among the threads that take events in and answer would be felt in each of their answers. A thread
//! that has given way cannot take that back, so it is none of a pool.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::mpsc,
    thread,
};

use tokio::sync::oneshot;

use crate::{Error, ErrorKind, Result};

/// How far it gives way, as `nice` counts: beside a busy thread it gets about a tenth of what that one gets.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// The thread. It ends when this goes, after what it was given.
#[derive(Debug)]
pub(crate) struct Background(mpsc::Sender<Work>);

impl Background {
    pub(crate) fn start() -> Result<Background> {
        let (sender, works) = mpsc::channel::<Work>();
        let run = move || {
            give_way();
            for work in works {
                // Whoever waits for it is told by the end of its channel, and the next one can still be done.
                let _ = panic::catch_unwind(AssertUnwindSafe(work));
            }
        };
        thread::Builder::new()
            .name("wayfarer-merge".to_owned())
            .spawn(run)
            .map_err(|e| Error::because(ErrorKind::Io, "cannot start the merging thread", e))?;
        Ok(Background(sender))
    }

    /// Does something when all that was asked before is done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, done) = oneshot::channel();
        let work = move || drop(answer.send(work()));
        self.0.send(Box::new(work)).map_err(|_| Error::closed())?;
        done.await.map_err(|_| Error::new(ErrorKind::Io, "work in the background broke off"))?
    }
}

/// Does something that reads or writes files, for whoever waits for it. `what` it is, an error says if it breaks off.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let broken_off = |error| Error::because(ErrorKind::Io, format!("{what} was broken off"), error);
    tokio::task::spawn_blocking(work).await.map_err(broken_off)?
}

/// Where a system knows of no priority of a thread, or lets nobody change it, work in the background is felt more.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "merges do not give way to other work");
    }
}
