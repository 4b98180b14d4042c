//! Compaction: many small files of a period become one, in the background.
//!
//! It never blocks appends or reads: it merges files that a snapshot names into new ones, and one catalog transaction swaps
//! them, unless somebody else did so first. Readers keep the old files for as long as they need them, other programs for
//! [`Options::keep_snapshots`](crate::Options::keep_snapshots). A crash leaves files that no snapshot names.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;
use wayfarer_event::Micros;

use crate::{
    Error, ErrorKind, Result,
    catalog::Replace,
    file::DataFile,
    merge::{FILE_ROWS, Merge},
    period::{Calendar, Period},
    seal::{PREFIX, Sealer},
};

/// The most files that are merged at once: a part of each is in memory.
const MOST_INPUTS: usize = 12;
/// A period's files of one size are merged when there are so many of them, and an ended period's of any size.
const ENOUGH: usize = 4;
/// Files are of one size when they are within this factor.
const SIZE_FACTOR: u64 = 4;
/// Files with fewer rows than this are all of the smallest size.
const SMALL_ROWS: u64 = 16 << 10;

/// Compacts, one merge at a time.
#[derive(Debug)]
pub(crate) struct Compactor {
    pub(crate) sealer: Arc<Sealer>,
    /// The folder of all data.
    pub(crate) data: PathBuf,
    /// Days from today back that get files of their own.
    pub(crate) days: u32,
    pub(crate) keep_snapshots: Duration,
    pub(crate) merging: Mutex<()>,
    pub(crate) attempts: AtomicU64,
}

/// What one compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Compacted {
    /// Files that were merged.
    pub merged: u64,
    /// Files that they became.
    pub made: u64,
    /// Rows that were written again.
    pub rows: u64,
    /// Files that were removed from the disk.
    pub removed: u64,
}

/// How much to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// What pays: each row is written again a few times in its life.
    Due,
    /// Whatever can be merged.
    All,
}

impl Compactor {
    /// Merges until nothing is left to merge, lets old snapshots go and removes their files.
    pub(crate) async fn compact(&self, effort: Effort) -> Result<Compacted> {
        let one_at_a_time = self.merging.lock().await;
        let mut done = Compacted::default();
        while let Some(files) = self.plan(effort) {
            let merged = self.merge(files).await?;
            done.merged += merged.merged;
            done.made += merged.made;
            done.rows += merged.rows;
        }
        done.removed = self.expire().await?;
        drop(one_at_a_time);
        Ok(done)
    }

    fn plan(&self, effort: Effort) -> Option<Vec<Arc<DataFile>>> {
        let files = Arc::clone(&self.sealer.shared.rows().files);
        let now = (self.sealer.clock.0)();
        plan(&files, &Calendar::new(now, self.days), now, effort)
    }

    async fn merge(&self, files: Vec<Arc<DataFile>>) -> Result<Compacted> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let now: Micros = (self.sealer.clock.0)();
        let gone: Vec<u64> = files.iter().map(|file| file.id).collect();
        // Ids of files are never given twice, so neither is this name in the life of the folder.
        let newest = gone.iter().max().copied().unwrap_or_default();
        let writer = self.sealer.shared.writer;
        let stem = self.sealer.table.join(format!("{PREFIX}{writer:x}-m{newest:x}-{attempt}"));
        let storage = Arc::clone(&self.sealer.storage);
        let calendar = Calendar::new(now, self.days);
        let merge = move || {
            let path = |n: usize| PathBuf::from(format!("{}-{n}.parquet", stem.display()));
            let merge = Merge {
                storage: storage.as_ref(),
                files,
                period: Box::new(move |ts| calendar.period(ts)),
                path: Box::new(path),
                leave_out: None,
            };
            merge.run()
        };
        let made = tokio::task::spawn_blocking(merge)
            .await
            .map_err(|error| Error::because(ErrorKind::Io, "a merge was broken off", error))??;
        let merged = Compacted {
            merged: gone.len() as u64,
            made: made.len() as u64,
            rows: made.iter().map(|file| file.rows).sum(),
            removed: 0,
        };
        let replace = Replace { gone, files: made, now: now.timestamp(), erases: false };
        self.sealer.catalog.replace(&replace).await?;
        self.sealer.publish().await?;
        Ok(merged)
    }

    /// Lets old snapshots go, and removes the files that nobody can ask for any more.
    async fn expire(&self) -> Result<u64> {
        let now: Micros = (self.sealer.clock.0)();
        let keep = i64::try_from(self.keep_snapshots.as_micros()).unwrap_or(i64::MAX);
        let until = Micros(now.0.saturating_sub(keep));
        self.sealer.catalog.expire(until.timestamp(), now.timestamp()).await?;
        self.remove_scheduled(|path| self.sealer.shared.is_read(path)).await
    }

    /// Lets all snapshots but the newest go, and removes their files also from under readers, who get an error then.
    pub(crate) async fn expire_all(&self) -> Result<()> {
        let now: Micros = (self.sealer.clock.0)();
        let all = now.plus(Micros::DAY);
        self.sealer.catalog.expire(all.timestamp(), now.timestamp()).await?;
        self.remove_scheduled(|_| false).await.map(drop)
    }

    async fn remove_scheduled(&self, is_read: impl Fn(&Path) -> bool) -> Result<u64> {
        let mut removed = Vec::new();
        for name in self.sealer.catalog.scheduled().await? {
            let path = self.data.join(&name);
            if is_read(&path) {
                continue;
            }
            match self.sealer.storage.remove(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("cannot remove", &path, error));
                }
                _ => removed.push(name),
            }
        }
        self.sealer.catalog.forget(&removed).await?;
        Ok(removed.len() as u64)
    }
}

/// The files to merge next, if any. Files that lie in one period and are large stay as they are.
fn plan(
    files: &[Arc<DataFile>],
    calendar: &Calendar,
    now: Micros,
    effort: Effort,
) -> Option<Vec<Arc<DataFile>>> {
    let today = calendar.period(now.0);
    let mut groups: BTreeMap<Option<Period>, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in files {
        let period = period_of(file, calendar);
        if period.is_none() || file.rows < FILE_ROWS / 2 {
            groups.entry(period).or_default().push(Arc::clone(file));
        }
    }
    groups.into_iter().find_map(|(period, mut files)| {
        files.sort_by_key(|file| (size(file), file.id));
        let count = match (effort, period) {
            // A file over several periods is taken apart even when it is alone.
            (Effort::All, None) => files.len(),
            (Effort::All, _) if files.len() > 1 => files.len(),
            (Effort::Due, Some(period)) if period != today && files.len() > ENOUGH => files.len(),
            (Effort::Due, _) => of_one_size(&files),
            _ => 0,
        };
        files.truncate(count.min(MOST_INPUTS));
        (!files.is_empty()).then_some(files)
    })
}

/// The period that all rows of a file lie in.
fn period_of(file: &DataFile, calendar: &Calendar) -> Option<Period> {
    let mut periods = file
        .spans
        .iter()
        .flat_map(|span| [*span.times.start(), *span.times.end()])
        .map(|ts| calendar.period(ts));
    let first = periods.next()?;
    periods.all(|period| period == first).then_some(first)
}

/// Sizes are powers of [`SIZE_FACTOR`].
fn size(file: &DataFile) -> u32 {
    (file.rows / SMALL_ROWS).max(1).ilog(SIZE_FACTOR)
}

/// How many of the smallest files to merge: all up to the largest size of which there are enough.
fn of_one_size(files: &[Arc<DataFile>]) -> usize {
    let mut count = 0;
    let mut seen = 0;
    for same in files.chunk_by(|a, b| size(a) == size(b)) {
        seen += same.len();
        if same.len() >= ENOUGH {
            count = seen;
        }
    }
    count
}

#[cfg(test)]
mod tests;
