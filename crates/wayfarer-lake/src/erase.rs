//! Erasure: afterwards no byte of a person is under the lake's folders, and nothing brings them back.
//!
//! A rule comes first: from then on the log's thread declines what the person did before. Then all rows are sealed, so that
//! the log holds none; the files that have rows of the person are written again without them, as are the files of ids; the
//! catalog's statistics are worked out anew, its old snapshots let go at once, and the database is rewritten without free
//! pages. The rule itself keeps only fingerprints.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use wayfarer_event::{Column, Micros};

use crate::{
    Error, ErrorKind, Person, Result, Scan,
    background::blocking,
    catalog::Reason,
    commit::Command,
    compact::Compactor,
    file::DataFile,
    ids::{Fingerprint, fingerprint_of},
    merge::Pace,
    person::Target,
    seal::remove_orphans,
};

/// The receipt of an erasure: what was removed, and where it lay. It names nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Events that were erased.
    pub rows: u64,
    /// Visitors that they were of.
    pub visitors: u64,
    /// Data files that were written again without them.
    pub files: u64,
    /// Ids of events that are forgotten.
    pub ids: u64,
    /// Segments of the log that were removed, since they might have held such events.
    pub wal_segments: u64,
    /// Old snapshots that were let go at once, with the statistics and files that only they had.
    pub snapshots: u64,
    /// Other nodes of a shared lake that could not be reached. Their logs may hold such events until they are back, and leave
    /// them out then; run the erasure again when they are, to reach what only they knew of the person.
    #[serde(default)]
    pub away: u64,
    /// When, in microseconds of UTC. What the person did before this is not taken any more.
    pub erased_at: i64,
}

/// What of a person is in a file.
#[derive(Debug, Default)]
struct Found {
    rows: u64,
    ids: HashSet<Fingerprint>,
}

impl Found {
    /// Looks through a file. Blocking.
    fn of(targets: &[Target], file: &Arc<DataFile>) -> Result<Found> {
        let mut found = Found::default();
        for target in targets {
            let Some(span) = file.span(&target.site) else { continue };
            let scan = Scan::new(target.site.as_str(), &[Column::User, Column::Id]);
            let mut run = crate::Run::of_file(Arc::clone(file), span.clone(), &scan);
            while let Some(block) = run.next_block()? {
                for row in (0..block.len()).filter(|&row| target.has_row(&block, 0, row)) {
                    found.rows += 1;
                    let id = block.columns.get(1).and_then(|values| values.text_at(row));
                    found.ids.extend(id.map(|id| fingerprint_of(&target.site, id)));
                }
            }
        }
        Ok(found)
    }
}

/// Holds off merges, and seals that are only due by time, until it is dropped.
struct StandBack<'a>(&'a Compactor);

impl StandBack<'_> {
    fn new(compactor: &Compactor) -> StandBack<'_> {
        compactor.sealer.stand_back.fetch_add(1, Ordering::AcqRel);
        StandBack(compactor)
    }
}

impl Drop for StandBack<'_> {
    fn drop(&mut self) {
        self.0.sealer.stand_back.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How long to wait for another node that is connected, and how often to ask.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(50);

impl Compactor {
    /// Erases a person from sites. Sealing and merging stand back for it: files that come every few milliseconds would each have
    /// to be looked through.
    pub(crate) async fn erase(&self, sites: &[String], person: &Person) -> Result<Erased> {
        let stand_back = StandBack::new(self);
        let erased = self.alone(true, self.erase_alone(sites, person)).await;
        drop(stand_back);
        Ok(erased?.unwrap_or_default())
    }

    async fn erase_alone(&self, sites: &[String], person: &Person) -> Result<Erased> {
        // What another program wrote may be of the person as well.
        self.adopt().await?;
        let at: Micros = (self.sealer.clock.0)();
        let segments = &self.sealer.shared.wal_segments;
        let mut erased = Erased { erased_at: at.0, ..Erased::default() };
        let targets: Vec<Target> = sites.iter().map(|site| Target::new(site, person)).collect();
        self.add_rules(&targets, at).await?;
        erased.wal_segments += segments.load(Ordering::Relaxed);
        self.seal_all().await?;
        let targets = Arc::new(self.link(targets).await?);
        self.add_rules(&targets, at).await?;
        erased.away = self.seal_all().await?;
        self.sweep().await?;
        erased.wal_segments -= segments.load(Ordering::Relaxed).min(erased.wal_segments);
        erased.visitors = targets.iter().map(|target| target.visitors.len() as u64).sum();
        let (files, found) = self.find(&targets).await?;
        erased.rows = found.rows;
        erased.files = files.len() as u64;
        // Before the rows: were the rows gone first, an erasure that broke off in between would not find the ids again.
        erased.ids = self.sealer.forget_ids(&found.ids).await?;
        self.rewrite_all(files, &targets, at).await?;
        self.sealer.shared.counters.erased_rows.add(erased.rows);
        self.sealer.catalog.narrow().await?;
        erased.snapshots = self.expire_all().await?;
        self.sealer.catalog.vacuum().await?;
        self.sync_removals()?;
        Ok(erased)
    }

    /// Makes rules durable and known to the log's thread.
    async fn add_rules(&self, targets: &[Target], at: Micros) -> Result<()> {
        let rules: Vec<Fingerprint> = targets.iter().flat_map(Target::rules).collect();
        self.sealer.catalog.add_rules(self.sealer.shared.writer, &rules, at.0).await?;
        let (answer, done) = oneshot::channel();
        self.sealer
            .commands
            .send(Command::Decline(rules, at.0, answer))
            .map_err(|_| Error::closed())?;
        done.await.map_err(|_| Error::closed())
    }

    /// Seals what is hot, also when the last seal failed and still has older rows; and has the other nodes do so. Says how many
    /// nodes could not be reached.
    async fn seal_all(&self) -> Result<u64> {
        self.sealer.seal().await?;
        self.sealer.seal().await?;
        if !self.sealer.catalog.is_shared() {
            return Ok(0);
        }
        let mut waited = Duration::ZERO;
        loop {
            let (waiting, away) = self.sealer.catalog.silent(self.sealer.shared.writer).await?;
            if waiting == 0 {
                self.sealer.publish().await?;
                return Ok(away);
            }
            if waited >= PATIENCE {
                let text = format!("{waiting} nodes do not seal their rows: look at their logs");
                return Err(Error::new(ErrorKind::Busy, text));
            }
            tokio::time::sleep(ASK_AGAIN).await;
            waited += ASK_AGAIN;
        }
    }

    /// Removes what may hold rows of the person and is read by nobody: segments of the log whose removal failed, groups that it
    /// did not take, and files that seals and merges made for nothing. Of a shared lake such files stay until the node that made
    /// them is opened again: the commit that names them may be on its way.
    async fn sweep(&self) -> Result<()> {
        let (answer, swept) = oneshot::channel();
        self.sealer.commands.send(Command::Sweep(answer)).map_err(|_| Error::closed())?;
        swept.await.map_err(|_| Error::closed())??;
        if self.sealer.catalog.is_shared() {
            return Ok(());
        }
        let sealing = self.sealer.sealing.lock().await;
        let loaded = self.sealer.catalog.load(self.sealer.shared.writer).await?;
        let (storage, table) = (self.sealer.storage.as_ref(), &self.sealer.table);
        let removed = remove_orphans(storage, table, &self.sealer.ids, &loaded);
        drop(sealing);
        removed
    }

    /// Makes durable that files are gone: a power loss must not bring them back.
    fn sync_removals(&self) -> Result<()> {
        let ids = &self.sealer.ids.folder;
        for folder in [Some(self.sealer.table.as_path()), Some(ids.as_path()), ids.parent()] {
            let Some(folder) = folder else { continue };
            let synced = self.sealer.storage.sync_folder(folder);
            synced.map_err(|error| Error::io("cannot sync", folder, error))?;
        }
        Ok(())
    }

    async fn link(&self, mut targets: Vec<Target>) -> Result<Vec<Target>> {
        let view = self.sealer.shared.view();
        blocking("an erasure", move || {
            targets.iter_mut().try_for_each(|target| target.link(&view))?;
            Ok(targets)
        })
        .await
    }

    /// The files that have rows of the person, and what is in them.
    async fn find(&self, targets: &Arc<Vec<Target>>) -> Result<(Vec<Arc<DataFile>>, Found)> {
        let files = Arc::clone(&self.sealer.shared.rows().files);
        let targets = Arc::clone(targets);
        blocking("an erasure", move || {
            let (mut with_rows, mut all) = (Vec::new(), Found::default());
            for file in files.iter() {
                let found = Found::of(&targets, file)?;
                if found.rows > 0 {
                    with_rows.push(Arc::clone(file));
                    all.rows += found.rows;
                    all.ids.extend(found.ids);
                }
            }
            Ok((with_rows, all))
        })
        .await
    }

    /// Writes files again without the person's rows, and puts them in their places all at once: were they replaced one by
    /// one, an erasure that broke off could leave rows of a visitor whose link to the user is gone.
    async fn rewrite_all(
        &self,
        files: Vec<Arc<DataFile>>,
        targets: &Arc<Vec<Target>>,
        at: Micros,
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let (mut gone, mut made) = (Vec::new(), Vec::new());
        for file in files {
            let (targets, user) = (Arc::clone(targets), Column::User.index());
            let theirs = move |site: &str, block: &crate::Block, row| {
                targets.iter().any(|of| of.site == site && of.has_row(block, user, row))
            };
            gone.push(file.id);
            match self.write(vec![file], Some(Box::new(theirs)), Pace::Whole, at).await {
                Ok(written) => made.extend(written),
                Err(error) => {
                    self.sealer.remove_all(made.into_iter().map(|file| file.path));
                    return Err(error);
                }
            }
        }
        self.replace(gone, Vec::new(), made, Reason::Erase, at).await
    }
}
