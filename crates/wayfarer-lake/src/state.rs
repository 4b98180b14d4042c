//! What readers see, and what appends are measured by: the files of the newest snapshot and the hot rows, under one lock.
//!
//! Only the log's thread (`commit`) changes rows and files, always both sides of a move at once: so a view has each row
//! exactly once.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{
    Error, ErrorKind, Options, Result, View,
    counters::Counters,
    file::DataFile,
    hot::{Chunk, Hot},
    live::Listeners,
    resident::Resident,
    view::Position,
};

/// Shared by the lake's handles, the log's thread and the sealing task.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) writer: u64,
    rows: Mutex<Rows>,
    pub(crate) listeners: Listeners,
    /// Memory of hot rows, in bytes.
    pub(crate) hot_bytes: AtomicUsize,
    /// Memory of batches that wait for the log, in bytes.
    waiting_bytes: AtomicUsize,
    most_bytes: usize,
    pub(crate) wal_segments: AtomicU64,
    pub(crate) wal_bytes: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) counters: Counters,
    trouble: Mutex<Option<Error>>,
    /// Files that no new view has, as long as old views do.
    retired: Mutex<Vec<Weak<DataFile>>>,
    /// Older snapshots, as long as views have them.
    held: Mutex<Vec<Held>>,
    pub(crate) resident: Arc<Resident>,
}

/// A snapshot, and its files for as long as a view has them.
type Held = (u64, Weak<[Arc<DataFile>]>);

/// The rows of the lake.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) snapshot: u64,
    pub(crate) files: Arc<[Arc<DataFile>]>,
    /// Rows that a seal is writing.
    pub(crate) sealing: Vec<Arc<Chunk>>,
    pub(crate) hot: Hot,
    pub(crate) next_seq: u64,
    /// When the oldest row of `sealing` and of `hot` was received, in microseconds.
    pub(crate) oldest_sealing: Option<i64>,
    pub(crate) oldest_hot: Option<i64>,
}

impl Rows {
    pub(crate) fn hot_rows(&self) -> u64 {
        let sealing: usize = self.sealing.iter().map(|chunk| chunk.rows()).sum();
        (sealing + self.hot.rows()) as u64
    }
}

impl Shared {
    pub(crate) fn new(writer: u64, rows: Rows, options: &Options) -> Shared {
        let live = rows.files.iter().map(|file| file.id).collect();
        Shared {
            writer,
            resident: Arc::new(Resident::new(options.resident_bytes, live)),
            hot_bytes: AtomicUsize::new(rows.hot.bytes()),
            rows: Mutex::new(rows),
            listeners: Listeners::new(options.live_events),
            waiting_bytes: AtomicUsize::new(0),
            most_bytes: options.hot_bytes,
            wal_segments: AtomicU64::new(0),
            wal_bytes: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            counters: Counters::default(),
            trouble: Mutex::new(None),
            retired: Mutex::new(Vec::new()),
            held: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        // Nothing panics while it holds the lock; if it did, the rows would still be whole.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view(&self) -> View {
        let mut rows = self.rows();
        let mut chunks = rows.sealing.clone();
        chunks.extend(rows.hot.chunks());
        View {
            position: Position { snapshot: rows.snapshot, next_seq: rows.next_seq },
            writer: self.writer,
            files: Arc::clone(&rows.files),
            chunks: chunks.into(),
            resident: Arc::clone(&self.resident),
        }
    }

    /// Reserves memory for a batch until the guard goes.
    ///
    /// # Errors
    /// `Busy` when too much waits or is hot already, or the reason for which nothing can be sealed.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reserved> {
        let hot = self.hot_bytes.load(Ordering::Relaxed);
        let fits = |waiting: usize| (waiting + hot < self.most_bytes).then_some(waiting + bytes);
        match self.waiting_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Reserved { shared: Arc::clone(self), bytes }),
            Err(_) => Err(self.refusal()),
        }
    }

    fn refusal(&self) -> Error {
        match self.trouble() {
            Some(trouble) if trouble.kind() == ErrorKind::StorageFull => trouble,
            _ => Error::new(ErrorKind::Busy, "more events wait to be written than memory may hold"),
        }
    }

    pub(crate) fn trouble(&self) -> Option<Error> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Error>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Notes files that the newest snapshot no longer has.
    pub(crate) fn retire(&self, files: impl Iterator<Item = Weak<DataFile>>) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|file| file.strong_count() > 0);
        retired.extend(files);
    }

    /// Notes a snapshot that is the newest one no longer.
    pub(crate) fn hold(&self, snapshot: u64, files: &Arc<[Arc<DataFile>]>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(_, files)| files.strong_count() > 0);
        held.push((snapshot, Arc::downgrade(files)));
    }

    /// The oldest snapshot that a view has, or that a new one would get.
    pub(crate) fn oldest_read(&self) -> u64 {
        let newest = self.rows().snapshot;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let read = held.iter().filter(|(_, files)| files.strong_count() > 0);
        read.map(|(snapshot, _)| *snapshot).fold(newest, u64::min)
    }

    /// Whether a view still has a file that no new one gets.
    pub(crate) fn is_read(&self, path: &Path) -> bool {
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.iter().filter_map(Weak::upgrade).any(|file| file.path == path)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Memory that a waiting batch takes.
#[derive(Debug)]
pub(crate) struct Reserved {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.shared.waiting_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
