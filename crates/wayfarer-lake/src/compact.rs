//! Compaction: many small files of a period become one, in the background.
//!
//! It never blocks appends or reads: it merges files that a snapshot names into new ones, and one catalog transaction swaps
//! them, unless somebody else did so first. Readers keep the old files for as long as they need them, other programs for
//! [`Options::keep_snapshots`](crate::Options::keep_snapshots). A crash leaves files that no snapshot names.

use std::{
    collections::{BTreeMap, HashSet},
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
    background::{Background, blocking},
    catalog::{Reason, Replace},
    file::{DataFile, write::Written},
    merge::{FILE_ROWS, LeaveOut, Merge, Pace},
    period::{Calendar, Period},
    seal::{HalfMade, PREFIX, Sealer},
};

/// The most files that are merged at once: a part of each is in memory.
const MOST_INPUTS: usize = 8;
/// After so many changes of others in a row, a compaction gives way.
const MOST_CONFLICTS: u32 = 5;
/// How long to wait for another node that merges or erases, and how often to ask.
const PATIENCE: Duration = Duration::from_secs(600);
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// With so many files merges no longer give way to what makes them.
const CROWDED: usize = 2000;
/// A period's files of one size are merged when there are so many of them, and an ended period's of any size when there are
/// more.
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
    /// How many days from today back get files of their own.
    pub(crate) days: u32,
    /// How many days from today back lie in files of a week.
    pub(crate) weeks: u32,
    pub(crate) keep_snapshots: Duration,
    pub(crate) merging: Mutex<()>,
    pub(crate) background: Background,
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
    /// Files of other programs that were taken in.
    pub adopted: u64,
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
    /// Merges until nothing is left to merge, lets old snapshots go and removes their files. In the background it leaves that to
    /// another node, where one is at it.
    pub(crate) async fn compact(&self, effort: Effort) -> Result<Compacted> {
        let mut done = Compacted::default();
        loop {
            let wait = effort == Effort::All;
            let Some((some, more)) = self.alone(wait, self.compact_alone(effort)).await? else {
                return Ok(done);
            };
            done.merged += some.merged;
            done.made += some.made;
            done.rows += some.rows;
            done.adopted += some.adopted;
            done.removed += some.removed;
            if !more {
                return Ok(done);
            }
        }
    }

    /// Does something as the only one to merge and rewrite, of all tasks and all nodes. `None` when another node is at it, and
    /// this one is not to wait.
    ///
    /// # Errors
    /// What `work` says; `Busy` when another node does not come to an end.
    pub(crate) async fn alone<T>(
        &self,
        wait: bool,
        work: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        let one_at_a_time = self.merging.lock().await;
        let catalog = &self.sealer.catalog;
        if !catalog.is_shared() {
            let done = work.await;
            drop(one_at_a_time);
            return done.map(Some);
        }
        let mut waited = Duration::ZERO;
        while !catalog.claim().await? {
            if !wait {
                return Ok(None);
            }
            if waited >= PATIENCE {
                let text = "another node merges or erases and does not come to an end";
                return Err(Error::new(ErrorKind::Busy, text));
            }
            tokio::time::sleep(ASK_AGAIN).await;
            waited += ASK_AGAIN;
        }
        let done = async {
            self.sealer.publish().await?;
            work.await
        }
        .await;
        let released = catalog.release().await;
        drop(one_at_a_time);
        let done = done?;
        released?;
        Ok(Some(done))
    }

    /// Says also whether to go on, after others had their turn.
    async fn compact_alone(&self, effort: Effort) -> Result<(Compacted, bool)> {
        let mut done = Compacted::default();
        let pace = if effort == Effort::Due { Pace::Half } else { Pace::Whole };
        let (mut conflicts, mut more) = (0, false);
        // A strange file that cannot be taken in must not keep the others from being merged.
        let mut adopted = self.adopt_each().await?;
        while let Some(files) = self.plan(effort, &adopted.left) {
            if more {
                break;
            }
            let merged = match self.merge(files, pace).await {
                // Another program changed the files meanwhile: look again.
                Err(error) if error.kind() == ErrorKind::Busy && conflicts < MOST_CONFLICTS => {
                    conflicts += 1;
                    self.sealer.shared.counters.conflicts.add(1);
                    self.sealer.publish().await?;
                    adopted.then(self.adopt_each().await?);
                    continue;
                }
                merged => merged?,
            };
            done.merged += merged.merged;
            done.made += merged.made;
            done.rows += merged.rows;
            // Files that come as fast as they are merged must not keep an erasure waiting, here or on another node.
            let waits = self.sealer.stand_back.load(Ordering::Acquire) > 0;
            more = waits || self.sealer.catalog.is_shared();
        }
        done.removed = self.expire().await?;
        done.adopted = adopted.files()?;
        Ok((done, more))
    }

    /// The files to merge next, of all but these.
    fn plan(&self, effort: Effort, but: &HashSet<u64>) -> Option<Vec<Arc<DataFile>>> {
        let files = Arc::clone(&self.sealer.shared.rows().files);
        let files: Vec<_> = files.iter().filter(|file| !but.contains(&file.id)).cloned().collect();
        let now = (self.sealer.clock.0)();
        plan(&files, &self.calendar(now), now, effort)
    }

    /// The periods as they are now.
    fn calendar(&self, now: Micros) -> Calendar {
        Calendar::new(now, self.days, self.weeks)
    }

    async fn merge(&self, files: Vec<Arc<DataFile>>, pace: Pace) -> Result<Compacted> {
        let now: Micros = (self.sealer.clock.0)();
        let gone: Vec<u64> = files.iter().map(|file| file.id).collect();
        let made = self.write(files, None, pace, now).await?;
        let merged = Compacted {
            merged: gone.len() as u64,
            made: made.len() as u64,
            rows: made.iter().map(|file| file.rows).sum(),
            ..Compacted::default()
        };
        self.replace(gone, Vec::new(), made, Reason::Compact, now).await?;
        self.sealer.shared.counters.merges.add(1);
        self.sealer.shared.counters.merged_rows.add(merged.rows);
        Ok(merged)
    }

    /// Replaces a file by one without some rows; says how many they were.
    pub(crate) async fn rewrite(
        &self,
        file: Arc<DataFile>,
        leave_out: LeaveOut,
        reason: Reason,
        now: Micros,
    ) -> Result<u64> {
        let (gone, rows) = (vec![file.id], file.rows);
        let made = self.write(vec![file], Some(leave_out), Pace::Whole, now).await?;
        let kept: u64 = made.iter().map(|file| file.rows).sum();
        self.replace(gone, Vec::new(), made, reason, now).await?;
        Ok(rows.saturating_sub(kept))
    }

    /// Writes the rows of files into new ones, away from the threads that answer requests. Where that fails nothing is left of
    /// them.
    pub(crate) async fn write(
        &self,
        files: Vec<Arc<DataFile>>,
        leave_out: Option<LeaveOut>,
        pace: Pace,
        now: Micros,
    ) -> Result<Vec<Written>> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        // Ids of files are never given twice, so neither is this name in the life of the folder.
        let newest = files.iter().map(|file| file.id).max().unwrap_or_default();
        let writer = self.sealer.shared.writer;
        let stem = self.sealer.table.join(format!("{PREFIX}{writer:x}-m{newest:x}-{attempt}"));
        let (storage, calendar) = (Arc::clone(&self.sealer.storage), self.calendar(now));
        let half_made = HalfMade::new(&self.sealer, &stem);
        let shared = Arc::clone(&self.sealer.shared);
        let merge = move || {
            let merge = Merge {
                storage: storage.as_ref(),
                files,
                period: Box::new(move |ts| calendar.period(ts)),
                path: Box::new(|n| PathBuf::from(format!("{}-{n}.parquet", stem.display()))),
                leave_out,
                pace,
                is_closed: Box::new(|| shared.is_closed()),
            };
            merge.run()
        };
        let made = if pace == Pace::Half && self.sealer.shared.rows().files.len() < CROWDED {
            self.background.run(merge).await
        } else {
            blocking("a merge", merge).await
        };
        half_made.keep_if(made)
    }

    /// Puts files in the place of others, in the catalog and then before readers. What other programs deleted from those is
    /// `heeded` in these.
    pub(crate) async fn replace(
        &self,
        gone: Vec<u64>,
        heeded: Vec<String>,
        files: Vec<Written>,
        reason: Reason,
        now: Micros,
    ) -> Result<()> {
        let replace = Replace { gone, heeded, files, now: now.timestamp(), reason };
        if let Err(error) = self.sealer.catalog.replace(&replace).await {
            let paths = replace.files.iter().map(|file| file.path.clone());
            self.sealer.remove_refused(paths.collect(), &error).await;
            return Err(error);
        }
        self.sealer.publish().await
    }

    /// Lets old snapshots go, and removes the files that nobody can ask for any more.
    pub(crate) async fn expire(&self) -> Result<u64> {
        let now: Micros = (self.sealer.clock.0)();
        let keep = i64::try_from(self.keep_snapshots.as_micros()).unwrap_or(i64::MAX);
        let until = Micros(now.0.saturating_sub(keep));
        self.sealer.catalog.expire(until.timestamp(), now.timestamp()).await?;
        self.remove_scheduled(|path| self.sealer.shared.is_read(path)).await
    }

    /// Lets all snapshots but the newest go, and removes their files also from under readers, who get an error then. Says
    /// how many snapshots they were.
    pub(crate) async fn expire_all(&self) -> Result<u64> {
        let now: Micros = (self.sealer.clock.0)();
        let gone = self.sealer.catalog.expire_all(now.timestamp()).await?;
        self.remove_scheduled(|_| false).await?;
        Ok(gone)
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
            (Effort::Due, Some(period)) if period != today && is_due(&files) => files.len(),
            (Effort::Due, _) => of_one_size(&files),
            _ => 0,
        };
        files.truncate(count.min(MOST_INPUTS));
        (!files.is_empty()).then_some(files)
    })
}

/// Whether files of an ended period are to become one: there are many, or the largest is not much larger than the rest, as
/// when the days of a week have come of age. So a row is written again only when what comes with it has grown.
fn is_due(files: &[Arc<DataFile>]) -> bool {
    let rows = || files.iter().map(|file| file.rows);
    let largest = rows().max().unwrap_or_default();
    let rest = rows().sum::<u64>() - largest;
    files.len() > ENOUGH || (files.len() > 1 && rest * SIZE_FACTOR >= largest)
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
