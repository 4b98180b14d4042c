//! The lake itself: opening, appending, sealing, closing.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};
use wayfarer_event::{Event, Micros};

use crate::{
    Check, Compacted, Erased, Error, ErrorKind, Options, Person, Result, Retained, Status,
    Subscription, View,
    background::Background,
    catalog::{Catalog, Loaded},
    commit::{Command, Committer, Request, with_id},
    compact::{Compactor, Effort},
    hot::Hot,
    ids::{Fingerprint, IdFile, IdFolder, Seen, fingerprint},
    node::{self, Places},
    rule::Rules,
    seal::{self, Hidden, Sealer},
    state::{Rows, Shared},
    status,
    wal::{Batch, Log, recover},
};

/// After a seal failed it is tried again when this has passed, if nothing asks for it before.
const SEAL_AGAIN: Duration = Duration::from_secs(1);

/// While somebody is erased, this often is looked whether it is over.
const STAND_BACK: Duration = Duration::from_millis(20);

/// How often a node says which snapshot it reads.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// A lake in a folder. Clones are handles to the same one.
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    batch_bytes: usize,
    shared: Arc<Shared>,
    catalog: Arc<Catalog>,
    sealer: Arc<Sealer>,
    compactor: Arc<Compactor>,
    commands: mpsc::Sender<Command>,
    tasks: Mutex<Option<Vec<JoinHandle<()>>>>,
}

/// How the ids that events bring are kept unique. An id counts within its site, whichever way it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ids {
    /// Within a bounded window, see [`Options::window_days`]: for senders that try again.
    Window,
    /// For ever: for imports.
    Ledger,
}

/// What became of a batch. The counts add up to its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that were stored.
    pub stored: usize,
    /// Events whose id was there already.
    pub duplicates: usize,
    /// Events of a person who was erased, from before that.
    pub declined: usize,
}

impl Lake {
    /// Opens the lake in a folder, and makes what is missing. Events that were acknowledged and not yet sealed come back
    /// from the log. The caller sees to it that no other process writes in the folder.
    ///
    /// Must be called within a Tokio runtime; a task of the lake runs there until [`close`](Lake::close).
    ///
    /// # Errors
    /// When the folder cannot be used, is damaged, or was written by a newer version.
    pub async fn open(folder: &Path, options: Options) -> Result<Lake> {
        let opening = Opening::prepare(folder, options).await?;
        let strange = opening.loaded.strange.len();
        let lake = opening.start()?;
        if strange > 0
            && let Err(error) = lake.inner.compactor.adopt_first().await
        {
            // Nothing is lost: those rows stay where they are, and it is tried again.
            tracing::error!(%error, strange, "cannot take in the files of another program");
        }
        Ok(lake)
    }

    /// Stores a batch; durable when it answers. An event whose id was stored before is left out and counted.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) and [`StorageFull`](crate::ErrorKind::StorageFull) may be tried again. After
    /// `TooLarge` and `Busy` nothing was stored; after any other error it is unknown.
    pub async fn append(&self, events: Vec<Event>, ids: Ids) -> Result<Appended> {
        if events.is_empty() {
            return Ok(Appended::default());
        }
        let appended = self.hand_over(events, ids).await;
        let counters = &self.inner.shared.counters;
        match &appended {
            Ok(appended) => {
                counters.appended.add(appended.stored as u64);
                counters.duplicates.add(appended.duplicates as u64);
                counters.declined.add(appended.declined as u64);
            }
            Err(error) => counters.refuse(error),
        }
        appended
    }

    /// Hands a batch to the log's thread, and waits for its answer.
    async fn hand_over(&self, events: Vec<Event>, ids: Ids) -> Result<Appended> {
        if self.inner.shared.is_closed() {
            return Err(Error::closed());
        }
        let batch = Batch::encode(&events)?;
        if batch.bytes() > self.inner.batch_bytes {
            let text = format!(
                "a batch of {} bytes is larger than the {} that are taken",
                batch.bytes(),
                self.inner.batch_bytes
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let memory = batch.bytes() + events.len() * size_of::<Event>();
        let reserved = self.inner.shared.reserve(memory)?;
        let (answer, appended) = oneshot::channel();
        let request = Request::new(events, ids, batch, reserved, answer);
        self.inner
            .commands
            .send(Command::Append(Box::new(request)))
            .map_err(|_| Error::closed())?;
        appended.await.map_err(|_| Error::closed())?
    }

    /// One look at all rows that were acknowledged so far.
    #[must_use]
    pub fn view(&self) -> View {
        self.inner.shared.view()
    }

    /// Receives the events that become durable from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.inner.shared.listeners.subscribe(self.inner.shared.is_closed())
    }

    /// Writes the hot rows into Parquet now.
    ///
    /// # Errors
    /// When a file or the catalog cannot be written. The rows then stay hot, and nothing is lost.
    pub async fn seal(&self) -> Result<()> {
        self.inner.sealer.seal().await
    }

    /// Follows what the other nodes of a shared lake did, and does what they ask for. The lake does it by itself, now and then,
    /// see [`Options::look_after`]; without other nodes it does nothing.
    ///
    /// # Errors
    /// When the catalog cannot be reached.
    pub async fn keep_up(&self) -> Result<()> {
        match self.inner.catalog.is_shared() {
            true => self.inner.sealer.keep_up().await,
            false => Ok(()),
        }
    }

    /// Merges all files that can be merged, and removes those that nobody needs any more. The lake does what pays of this
    /// by itself, in the background.
    ///
    /// # Errors
    /// When a file or the catalog cannot be read or written. Nothing is lost then.
    pub async fn compact(&self) -> Result<Compacted> {
        self.inner.compactor.compact(Effort::All).await
    }

    /// Drops the rows of sites from before a time, each with its own. Files that hold nothing else go as a whole, others are
    /// written again. Rows that are still hot are not touched; a later call finds them in a file.
    ///
    /// # Errors
    /// When a file or the catalog cannot be read or written. It may be called again then.
    pub async fn retain(&self, from: &HashMap<String, Micros>) -> Result<Retained> {
        self.inner.compactor.retain(from).await
    }

    /// Erases a person from sites: afterwards no byte of theirs is in the files of the lake, and events of theirs from before
    /// that are declined. Views that were taken before may get errors.
    ///
    /// Other programs' copies and backups are not reached, nor is what the disk keeps of removed files.
    ///
    /// # Errors
    /// When a file or the catalog cannot be read or written. It may be called again then, and has to be.
    pub async fn erase(&self, sites: &[String], person: &Person) -> Result<Erased> {
        self.inner.compactor.erase(sites, person).await
    }

    /// Verifies log, catalog and files against each other, to the last value. Changes nothing; appends go on.
    ///
    /// # Errors
    /// When the catalog cannot be read. What is wrong with files is in [`Check::problems`].
    pub async fn check(&self) -> Result<Check> {
        self.inner.compactor.check().await
    }

    /// How the lake is.
    #[must_use]
    pub fn status(&self) -> Status {
        let now: Micros = (self.inner.sealer.clock.0)();
        let duckdb = self.inner.catalog.duckdb(&self.inner.compactor.data);
        status::of(&self.inner.shared, duckdb, now)
    }

    /// Stops taking events, seals what is hot, and stops all tasks. A second call does nothing.
    ///
    /// # Errors
    /// When the last seal fails. What was acknowledged is in the log then.
    pub async fn close(&self) -> Result<()> {
        let Some(tasks) = self.inner.tasks.lock().await.take() else { return Ok(()) };
        self.inner.shared.closed.store(true, Ordering::Release);
        for task in tasks {
            task.abort();
            // What it began is broken off before its transaction, or finished by the seal below or the next opening.
            let _ = task.await;
        }
        let sealed = self.inner.sealer.seal().await;
        let (done, closed) = oneshot::channel();
        if self.inner.commands.send(Command::Close(done)).is_ok() {
            let _ = closed.await;
        }
        self.inner.shared.listeners.close();
        sealed.and(self.inner.catalog.close().await)
    }
}

/// A lake that is dropped without [`close`](Lake::close) stops as a crash would stop it: nothing more is sealed.
impl Drop for Inner {
    fn drop(&mut self) {
        for task in self.tasks.get_mut().take().into_iter().flatten() {
            task.abort();
        }
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

/// A lake that is being opened: all is read and recovered, nothing runs yet.
struct Opening {
    folder: PathBuf,
    options: Options,
    places: Places,
    writer: u64,
    catalog: Catalog,
    ids: IdFolder,
    loaded: Loaded,
    id_files: Vec<Arc<IdFile>>,
    rules: Vec<(Fingerprint, i64)>,
}

impl Opening {
    async fn prepare(folder: &Path, options: Options) -> Result<Opening> {
        let folder = std::path::absolute(folder)
            .map_err(|error| Error::io("cannot find the folder", folder, error))?;
        let (catalog, places, writer) = node::open(&folder, &options).await?;
        let ids = IdFolder::new(places.ids.clone(), catalog.prefix(writer), &options);
        let (loaded, id_files) = seal::load_with_ids(&catalog, writer, &ids, &[]).await?;
        let rules = catalog.rules().await?;
        Ok(Opening { folder, options, places, writer, catalog, ids, loaded, id_files, rules })
    }

    fn start(self) -> Result<Lake> {
        let Opening { folder, options, places, writer, catalog, ids, loaded, id_files, rules } =
            self;
        let ids = Arc::new(ids);
        seal::remove_orphans(options.storage.as_ref(), &places.table, &ids, &loaded)?;
        let mut seen = Seen::new(id_files.clone());
        let files = seal::data_files(&options.storage, &places.table, &loaded, &[]);
        let mut rows = Rows {
            snapshot: loaded.snapshot,
            files: files.into(),
            sealing: Vec::new(),
            hot: Hot::new(loaded.next_seq),
            next_seq: loaded.next_seq,
            oldest_sealing: None,
            oldest_hot: None,
        };
        let log = recover_log(&options, &places.wal, writer, &mut rows, &mut seen)?;
        let next_seq = rows.next_seq;
        let shared = Arc::new(Shared::new(writer, rows, &options));
        let notify = Arc::new(Notify::new());
        let commands = Committer {
            shared: Arc::clone(&shared),
            log,
            seen,
            rules: Rules::new(rules),
            next_seq,
            sealed_seq: loaded.next_seq,
            frozen: None,
            seal: Arc::clone(&notify),
            seal_bytes: options.seal_bytes,
        }
        .start()?;
        let catalog = Arc::new(catalog);
        let sealer = Arc::new(Sealer {
            shared: Arc::clone(&shared),
            catalog: Arc::clone(&catalog),
            storage: options.storage,
            clock: Hidden(options.clock),
            random: Hidden(options.random),
            table: places.table,
            ids,
            commands: commands.clone(),
            attempts: AtomicU64::new(0),
            sealing: Mutex::new(()),
            published: Mutex::new(id_files),
            rules: Mutex::default(),
            stand_back: AtomicUsize::new(0),
        });
        let compactor = Arc::new(Compactor {
            sealer: Arc::clone(&sealer),
            data: places.data,
            days: options.day_files,
            weeks: options.week_files,
            keep_snapshots: options.keep_snapshots,
            merging: Mutex::new(()),
            background: Background::start()?,
            attempts: AtomicU64::new(0),
        });
        let mut tasks = vec![
            tokio::spawn(seal_often(Arc::clone(&sealer), notify, options.seal_after)),
            tokio::spawn(compact_often(Arc::clone(&compactor), options.compact_after)),
        ];
        if catalog.is_shared() {
            tasks.push(tokio::spawn(keep_up_often(Arc::clone(&sealer), options.look_after)));
        }
        let tasks = Mutex::new(Some(tasks));
        let batch_bytes = options.batch_bytes;
        let inner =
            Inner { folder, batch_bytes, shared, catalog, sealer, compactor, commands, tasks };
        Ok(Lake { inner: Arc::new(inner) })
    }
}

/// Brings back what is only in the log.
fn recover_log(
    options: &Options,
    folder: &Path,
    writer: u64,
    rows: &mut Rows,
    seen: &mut Seen,
) -> Result<Log> {
    let storage = Arc::clone(&options.storage);
    let sealed = rows.next_seq;
    let recovery = recover::recover(storage.as_ref(), folder, writer, sealed, &mut |batch| {
        for (event, seq) in batch.events.into_iter().zip(batch.first_seq..) {
            if let Some(id) = fingerprint(&event) {
                seen.restore(id, batch.ids);
            }
            rows.oldest_hot.get_or_insert(event.received_at.0);
            rows.hot.push(&with_id(event, writer, seq));
        }
        Ok(())
    })?;
    rows.next_seq = recovery.next_seq;
    for cut in &recovery.cut {
        tracing::warn!(%cut, "cut the torn end of the log: no event in it was acknowledged");
    }
    let mut log = Log::new(storage, folder, writer, options.segment_bytes, recovery);
    log.remove_sealed(sealed)?;
    Ok(log)
}

/// Seals when there is enough, or when it is time.
async fn seal_often(sealer: Arc<Sealer>, enough: Arc<Notify>, after: Duration) {
    let mut wait = after;
    loop {
        let is_enough = timeout(wait, enough.notified()).await.is_ok();
        if !is_enough && sealer.stand_back.load(Ordering::Acquire) > 0 {
            // An erasure seals by itself, and every file more is one more for it to look through.
            wait = STAND_BACK;
            continue;
        }
        wait = match sealer.seal().await {
            Ok(()) => after,
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => {
                sealer.shared.counters.seals_failed.add(1);
                tracing::error!(%error, "cannot seal; it is tried again");
                after.min(SEAL_AGAIN)
            }
        };
    }
}

/// Compacts what is due, now and then.
async fn compact_often(compactor: Arc<Compactor>, after: Duration) {
    loop {
        tokio::time::sleep(after).await;
        match compactor.compact(Effort::Due).await {
            Ok(done) if done.merged > 0 => tracing::info!(?done, "compacted"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => {
                compactor.sealer.shared.counters.merges_failed.add(1);
                tracing::error!(%error, "cannot compact; it is tried again");
            }
        }
    }
}

/// Follows the other nodes of a shared lake.
async fn keep_up_often(sealer: Arc<Sealer>, after: Duration) {
    let mut said = Duration::ZERO;
    loop {
        tokio::time::sleep(after).await;
        said += after;
        let mut kept = sealer.keep_up().await;
        if kept.is_ok() && said >= SAY_AGAIN {
            said = Duration::ZERO;
            let shared = &sealer.shared;
            kept = sealer.catalog.say_read(shared.writer, shared.oldest_read()).await;
        }
        match kept {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => {
                tracing::warn!(%error, "cannot follow the other nodes; it is tried again");
            }
        }
    }
}
