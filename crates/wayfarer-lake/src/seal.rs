//! Sealing: hot rows become a Parquet file, and one catalog transaction says so.
//!
//! The order is what makes it safe: files are durable before the catalog names them, the catalog says how far the log is
//! sealed in the same transaction, readers move over next, and only then segments of the log go. After a crash at any
//! point the rows are in the log or in the catalog's files, never in both counts and never in none.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
};

use tokio::sync::{Mutex, oneshot};
use wayfarer_event::Micros;

use crate::{
    Clock, Error, ErrorKind, Random, Result,
    background::blocking,
    catalog::{Append, Catalog, Loaded, Others},
    commit::{Command, Frozen, Sealed},
    file::{DataFile, write},
    gather::{Sorted, Wanted},
    ids::{Fingerprint, IdFile, IdFolder},
    settle::Settling,
    state::Shared,
    storage::Storage,
};

/// Names of our data files start with this; other programs' files do not, and are let be.
pub(crate) const PREFIX: &str = "wayfarer-";

/// Seals, one at a time.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Hidden<Clock>,
    pub(crate) random: Hidden<Random>,
    /// The folder of the table's data files.
    pub(crate) table: PathBuf,
    pub(crate) ids: Arc<IdFolder>,
    pub(crate) commands: mpsc::Sender<Command>,
    /// Counts attempts, so that no file name comes twice in the life of the process.
    pub(crate) attempts: AtomicU64,
    /// One seal at a time.
    pub(crate) sealing: Mutex<()>,
    /// The files of ids, as readers have them. Who holds this is the only one to move readers.
    pub(crate) published: Mutex<Vec<Arc<IdFile>>>,
    /// How many erasures there are; for them, seals that are only due by time wait.
    pub(crate) stand_back: AtomicUsize,
    /// The rules that other nodes added, as far as the log's thread knows them.
    pub(crate) rules: Mutex<HashMap<Fingerprint, i64>>,
}

/// A function, which cannot show itself.
#[derive(Clone)]
pub(crate) struct Hidden<T>(pub(crate) T);

impl<T> std::fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Files that are being made, which nothing names so far. On a full disk a part of them would keep it full.
pub(crate) struct HalfMade {
    storage: Arc<dyn Storage>,
    /// What their paths begin with.
    stem: PathBuf,
}

impl HalfMade {
    pub(crate) fn new(sealer: &Sealer, stem: &Path) -> HalfMade {
        HalfMade { storage: Arc::clone(&sealer.storage), stem: stem.to_owned() }
    }

    /// Removes what there is of them where they were not made.
    pub(crate) fn keep_if<T>(self, made: Result<T>) -> Result<T> {
        if made.is_err() {
            let HalfMade { storage, stem } = self;
            let (folder, stem) = (stem.parent(), stem.file_name().and_then(OsStr::to_str));
            if let (Some(folder), Some(stem)) = (folder, stem) {
                let names = storage.list(folder).unwrap_or_default();
                // Behind the name there is an ending, or a dash and a number.
                let own = |rest: &str| rest.starts_with(['.', '-']);
                for name in names.iter().filter(|n| n.strip_prefix(stem).is_some_and(own)) {
                    // What stays goes when the lake is opened next.
                    let _ = storage.remove(&folder.join(name));
                }
            }
        }
        made
    }
}

/// The files that a seal wrote.
struct Made {
    /// None when no row was left.
    file: Option<write::Written>,
    ids: crate::ids::IdChange,
    /// Rows that another node had sealed under the same id.
    settled: u64,
}

impl Sealer {
    /// Seals what is hot now.
    pub(crate) async fn seal(&self) -> Result<()> {
        let one_at_a_time = self.sealing.lock().await;
        let sealed = self.seal_frozen().await;
        drop(one_at_a_time);
        self.shared.set_trouble(sealed.as_ref().err().cloned());
        sealed
    }

    async fn seal_frozen(&self) -> Result<()> {
        let Some(frozen) = self.freeze().await? else { return Ok(()) };
        self.catalog.again(|| self.try_to_seal(&frozen)).await
    }

    /// Seals, unless another node comes between a look into the catalog and the transaction.
    async fn try_to_seal(&self, frozen: &Frozen) -> Result<()> {
        let mut id_files = self.published.lock().await.clone();
        let loaded = self.load_with_ids(&mut id_files).await?;
        if loaded.next_seq >= frozen.end_seq {
            // The last attempt was committed, though it answered with an error.
            return self.publish().await;
        }
        let now: Micros = (self.clock.0)();
        let made = self.make(frozen, now, id_files, loaded.others.as_ref()).await?;
        let gone = made.ids.gone.clone();
        let seen = loaded.others.as_ref().map(|others| {
            (loaded.id_files.iter().map(|file| file.name.clone()).collect(), others.asked)
        });
        let append = Append {
            writer: self.shared.writer,
            seqs: (loaded.next_seq, frozen.end_seq),
            files: made.file.into_iter().collect(),
            id_files: made.ids.added,
            id_files_gone: made.ids.gone,
            now: now.timestamp(),
            seen,
        };
        self.append(&append).await?;
        let rows: u64 = append.files.iter().map(|file| file.rows).sum();
        self.shared.counters.seals.add(1);
        self.shared.counters.sealed_rows.add(rows);
        self.shared.counters.settled.add(made.settled);
        self.publish().await?;
        for name in gone {
            // What stays is removed when the lake is opened next.
            let _ = self.storage.remove(&self.ids.folder.join(name));
        }
        Ok(())
    }

    /// Commits a seal. Where another node came first, nothing was changed, and what was written is no part of the lake.
    async fn append(&self, append: &Append) -> Result<()> {
        let appended = self.catalog.append(append).await;
        if let Err(error) = &appended {
            self.shared.counters.conflicts.add(u64::from(error.kind() == ErrorKind::Busy));
            let ids = append.id_files.iter().map(|file| self.ids.folder.join(&file.name));
            let files = append.files.iter().map(|file| file.path.clone());
            self.remove_refused(files.chain(ids).collect(), error).await;
        }
        appended
    }

    /// Removes files that the catalog did not take. `Busy` says that nothing was changed; after any other error it is asked, and
    /// where several nodes share it and the answer to a commit may be what was lost, they stay until this lake is opened next.
    pub(crate) async fn remove_refused(&self, files: Vec<PathBuf>, error: &Error) {
        let refused = match error.kind() {
            ErrorKind::Busy => true,
            _ if self.catalog.is_shared() => false,
            _ => self.catalog.load(self.shared.writer).await.is_ok_and(|loaded| {
                let names = files.iter().filter_map(|path| path.file_name()?.to_str());
                names.into_iter().all(|name| !loaded.names(name))
            }),
        };
        if refused {
            self.remove_all(files);
        }
    }

    /// Removes files that are no part of the lake. What stays goes when it is opened next.
    pub(crate) fn remove_all(&self, files: impl IntoIterator<Item = PathBuf>) {
        for path in files {
            let _ = self.storage.remove(&path);
        }
    }

    /// Follows what the other nodes did, and does what they ask for.
    pub(crate) async fn keep_up(&self) -> Result<()> {
        let writer = self.shared.writer;
        let (snapshot, asked) = self.catalog.head(writer).await?;
        if asked.is_some() || snapshot != self.shared.rows().snapshot {
            self.publish().await?;
        }
        if let Some(asked) = asked {
            // Twice, in case the last seal failed and still has older rows.
            self.seal().await?;
            self.seal().await?;
            self.catalog.answer(writer, asked).await?;
        }
        Ok(())
    }

    /// Takes ids out of the files of ids; says how many were there.
    pub(crate) async fn forget_ids(&self, ids: &HashSet<Fingerprint>) -> Result<u64> {
        let one_at_a_time = self.sealing.lock().await;
        let forgotten = self.catalog.again(|| self.try_to_forget(ids)).await;
        drop(one_at_a_time);
        forgotten
    }

    async fn try_to_forget(&self, ids: &HashSet<Fingerprint>) -> Result<u64> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let stem = format!("{PREFIX}{:x}-e{attempt}-{:x}", self.shared.writer, (self.random.0)());
        let mut known = self.published.lock().await.clone();
        self.load_with_ids(&mut known).await?;
        let half_made = HalfMade::new(self, &self.ids.folder.join(&stem));
        let (change, forgotten) = half_made.keep_if(self.ids.forget(&stem, ids, &known))?;
        if let Err(error) = self.catalog.replace_id_files(&change.added, &change.gone).await {
            let added = change.added.iter().map(|file| self.ids.folder.join(&file.name));
            self.remove_refused(added.collect(), &error).await;
            return Err(error);
        }
        self.publish().await?;
        for name in change.gone {
            let path = self.ids.folder.join(name);
            self.storage.remove(&path).map_err(|e| Error::io("cannot remove", &path, e))?;
        }
        Ok(forgotten)
    }

    async fn freeze(&self) -> Result<Option<Frozen>> {
        let (answer, frozen) = oneshot::channel();
        self.commands.send(Command::Freeze(answer)).map_err(|_| Error::closed())?;
        frozen.await.map_err(|_| Error::closed())
    }

    /// Writes the files, away from the threads that answer requests.
    async fn make(
        &self,
        frozen: &Frozen,
        now: Micros,
        known: Vec<Arc<IdFile>>,
        others: Option<&Others>,
    ) -> Result<Made> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let writer = self.shared.writer;
        let stem = format!("{PREFIX}{writer:x}-{:x}-{attempt}", frozen.end_seq);
        let path = self.table.join(format!("{stem}.parquet"));
        let frozen = frozen.clone();
        let settling = others.map(Settling::new);
        let (storage, ids) = (Arc::clone(&self.storage), Arc::clone(&self.ids));
        let half_made =
            [&self.table, &self.ids.folder].map(|folder| HalfMade::new(self, &folder.join(&stem)));
        let make = move || {
            let mut sorted = Sorted::new(&frozen.chunks, writer, &Wanted::ALL);
            let (mut hot, mut settled) = (frozen.ids, 0);
            if let Some(settling) = settling {
                settled = settling.settle(&mut sorted, &mut hot, &frozen.asked, &known, &ids)?;
            }
            let file = match sorted.rows() {
                0 => None,
                _ => Some(write::write(storage.as_ref(), &path, &mut sorted)?),
            };
            let ids = ids.seal(now, &stem, &hot, &known)?;
            Ok(Made { file, ids, settled })
        };
        let made = blocking("a seal", make).await;
        half_made.into_iter().fold(made, |made, half_made| half_made.keep_if(made))
    }

    /// Shows readers what the catalog holds now.
    pub(crate) async fn publish(&self) -> Result<()> {
        let mut id_files = self.published.lock().await;
        let loaded = self.load_with_ids(&mut id_files).await?;
        if let Some(others) = &loaded.others {
            self.follow(&others.rules).await?;
        }
        let known = Arc::clone(&self.shared.rows().files);
        let sealed = Sealed {
            snapshot: loaded.snapshot,
            next_seq: loaded.next_seq,
            files: data_files(&self.storage, &self.table, &loaded, &known),
            id_files: id_files.clone(),
        };
        let (answer, done) = oneshot::channel();
        self.commands
            .send(Command::Sealed(Box::new(sealed), answer))
            .map_err(|_| Error::closed())?;
        done.await.map_err(|_| Error::closed())
    }

    async fn load_with_ids(&self, id_files: &mut Vec<Arc<IdFile>>) -> Result<Loaded> {
        let (catalog, writer) = (&self.catalog, self.shared.writer);
        let (loaded, open) = load_with_ids(catalog, writer, &self.ids, id_files).await?;
        *id_files = open;
        Ok(loaded)
    }

    /// Tells the log's thread the rules that other nodes added.
    async fn follow(&self, rules: &[(Fingerprint, i64)]) -> Result<()> {
        let mut known = self.rules.lock().await;
        let mut fresh: BTreeMap<i64, Vec<Fingerprint>> = BTreeMap::new();
        for (rule, until) in rules.iter().filter(|(rule, until)| known.get(rule) != Some(until)) {
            fresh.entry(*until).or_default().push(*rule);
        }
        for (until, rules) in fresh {
            let (answer, done) = oneshot::channel();
            self.commands
                .send(Command::Decline(rules.clone(), until, answer))
                .map_err(|_| Error::closed())?;
            done.await.map_err(|_| Error::closed())?;
            known.extend(rules.into_iter().map(|rule| (rule, until)));
        }
        Ok(())
    }
}

/// Reads the catalog and opens its files of ids, save those that are open already. Another node may have merged one between
/// the two, so it is tried again.
pub(crate) async fn load_with_ids(
    catalog: &Catalog,
    writer: u64,
    ids: &IdFolder,
    known: &[Arc<IdFile>],
) -> Result<(Loaded, Vec<Arc<IdFile>>)> {
    let mut tries = if catalog.is_shared() { 5 } else { 1 };
    loop {
        let loaded = catalog.load(writer).await?;
        tries -= 1;
        match ids.open(&loaded.id_files, known) {
            Ok(open) => return Ok((loaded, open)),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

/// The data files of a snapshot; those that are known keep their footers.
pub(crate) fn data_files(
    storage: &Arc<dyn Storage>,
    table: &std::path::Path,
    loaded: &Loaded,
    known: &[Arc<DataFile>],
) -> Vec<Arc<DataFile>> {
    let known: HashMap<u64, &Arc<DataFile>> = known.iter().map(|file| (file.id, file)).collect();
    let file = |row: &crate::catalog::FileRow| match known.get(&row.id) {
        Some(file) => Arc::clone(file),
        None => Arc::new(DataFile::new(Arc::clone(storage), row.resolve(table), row)),
    };
    loaded.files.iter().map(file).collect()
}

/// Removes files that a crash left behind before the catalog named them.
pub(crate) fn remove_orphans(
    storage: &dyn Storage,
    table: &std::path::Path,
    ids: &IdFolder,
    loaded: &Loaded,
) -> Result<()> {
    for folder in [table, &ids.folder] {
        let names = storage.list(folder).map_err(|e| Error::io("cannot list", folder, e))?;
        for name in names.iter().filter(|name| name.starts_with(&ids.own) && !loaded.names(name)) {
            let path = folder.join(name);
            tracing::info!(file = %path.display(), "removing a file that no snapshot names");
            storage.remove(&path).map_err(|e| Error::io("cannot remove", &path, e))?;
        }
    }
    Ok(())
}
