//! Which files of ids there are after a seal: the new ids, merged with small files, without what the window lets go.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use wayfarer_event::Micros;

use super::{Fingerprint, HotIds, IdFile};
use crate::{Ids, Options, Result, catalog::IdFileRow, storage::Storage};

/// Stands in the name of a file that another node wrote again, before the prefix of the node whose ids they are.
const OF: &str = "-of-";

/// The folder of id files, and what bounds it.
#[derive(Debug)]
pub(crate) struct IdFolder {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) folder: PathBuf,
    pub(crate) window_days: u32,
    pub(crate) window_ids: u64,
    /// Names of files that this writer makes begin with this. Where several nodes share the folder, each merges the ids that
    /// it took, and looks for its hot ids in those of the others.
    pub(crate) own: String,
}

/// What a seal changes among the files of ids.
#[derive(Debug, Default)]
pub(crate) struct IdChange {
    /// All files that there are afterwards.
    pub(crate) files: Vec<Arc<IdFile>>,
    pub(crate) added: Vec<IdFileRow>,
    pub(crate) gone: Vec<String>,
}

impl IdFolder {
    pub(crate) fn new(folder: PathBuf, own: String, options: &Options) -> IdFolder {
        IdFolder {
            own,
            storage: Arc::clone(&options.storage),
            folder,
            window_days: options.window_days,
            window_ids: options.window_ids,
        }
    }

    /// Whether the ids of a file are what this writer took, whoever wrote it.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        owner(name).starts_with(&self.own)
    }

    /// Opens the files that the catalog names, save those that are open already.
    pub(crate) fn open(
        &self,
        rows: &[IdFileRow],
        known: &[Arc<IdFile>],
    ) -> Result<Vec<Arc<IdFile>>> {
        let open = |row: &IdFileRow| match known.iter().find(|file| file.row == *row) {
            Some(file) => Ok(Arc::clone(file)),
            None => IdFile::open(self.storage.as_ref(), &self.folder, row.clone()).map(Arc::new),
        };
        rows.iter().map(open).collect()
    }

    /// Makes the files of a seal. `stem` names them and is never used twice.
    pub(crate) fn seal(
        &self,
        now: Micros,
        stem: &str,
        hot: &HotIds,
        files: &[Arc<IdFile>],
    ) -> Result<IdChange> {
        let mut change = IdChange { files: files.to_vec(), ..IdChange::default() };
        for ids in [Ids::Window, Ids::Ledger] {
            let mut fresh: Vec<Fingerprint> =
                hot.iter().filter(|(_, kind)| **kind == ids).map(|(id, _)| *id).collect();
            fresh.sort_unstable();
            if !fresh.is_empty() {
                self.add(now, stem, ids, fresh, &mut change)?;
            }
        }
        self.expire(now, &mut change);
        Ok(change)
    }

    /// Writes the files that hold some of these ids again, without them; says how many they were. Another node's ids stay that
    /// node's: they may be new to what is hot here.
    pub(crate) fn forget(
        &self,
        stem: &str,
        ids: &HashSet<Fingerprint>,
        files: &[Arc<IdFile>],
    ) -> Result<(IdChange, u64)> {
        let mut change = IdChange { files: files.to_vec(), ..IdChange::default() };
        let mut forgotten = 0;
        for (index, file) in files.iter().enumerate() {
            let mut held = 0;
            for id in ids {
                held += u64::from(file.contains(*id)?);
            }
            if held == 0 {
                continue;
            }
            forgotten += held;
            change.drop_file(&file.row.name);
            let name = match self.is_own(&file.row.name) {
                true => format!("{stem}-{index}.ids"),
                false => format!("{stem}-{index}{OF}{}.ids", owner(&file.row.name)),
            };
            let row = IdFileRow { name, ids: file.row.ids - held, ..file.row.clone() };
            if row.ids > 0 {
                let kept = Arc::clone(file).iter();
                let kept = kept.filter(|id| !matches!(id, Ok(id) if ids.contains(id)));
                let made = IdFile::create(self.storage.as_ref(), &self.folder, row.clone(), kept)?;
                change.added.push(row);
                change.files.push(Arc::new(made));
            }
        }
        Ok((change, forgotten))
    }

    fn add(
        &self,
        now: Micros,
        stem: &str,
        ids: Ids,
        fresh: Vec<Fingerprint>,
        change: &mut IdChange,
    ) -> Result<()> {
        let ledger = ids == Ids::Ledger;
        let own = change.files.iter().filter(|file| self.is_own(&file.row.name));
        let merged = mergeable(own, ledger, now, fresh.len() as u64);
        let count = fresh.len() as u64 + merged.iter().map(|file| file.row.ids).sum::<u64>();
        let kind = if ledger { "ledger" } else { "window" };
        let row = IdFileRow { name: format!("{stem}.{kind}"), ledger, ids: count, newest: now.0 };
        let mut sources: Vec<Box<dyn Iterator<Item = Result<Fingerprint>>>> =
            vec![Box::new(fresh.into_iter().map(Ok))];
        for file in &merged {
            sources.push(Box::new(Arc::clone(file).iter()));
        }
        let all = Merge::new(sources);
        let file = IdFile::create(self.storage.as_ref(), &self.folder, row.clone(), all)?;
        for file in &merged {
            change.drop_file(&file.row.name);
        }
        change.added.push(row);
        change.files.push(Arc::new(file));
        Ok(())
    }

    /// Lets go of windows that are too old or too many, oldest first.
    fn expire(&self, now: Micros, change: &mut IdChange) {
        let oldest = now.plus(-(i64::from(self.window_days).saturating_mul(Micros::DAY))).0;
        let mut windows: Vec<IdFileRow> =
            change.files.iter().map(|file| file.row.clone()).filter(|row| !row.ledger).collect();
        windows.sort_by_key(|row| row.newest);
        let mut ids: u64 = windows.iter().map(|row| row.ids).sum();
        let newest = windows.pop();
        for row in windows {
            if row.newest < oldest || ids > self.window_ids {
                ids -= row.ids;
                change.drop_file(&row.name);
            }
        }
        if let Some(row) = newest.filter(|row| row.newest < oldest) {
            change.drop_file(&row.name);
        }
    }
}

impl IdChange {
    /// A file that this same change added was never in the catalog.
    fn drop_file(&mut self, name: &str) {
        self.files.retain(|file| file.row.name != name);
        self.added.retain(|row| row.name != name);
        self.gone.push(name.to_owned());
    }
}

/// The prefix of the writer whose ids a file has: `wayfarer-`, its number, and a hyphen.
fn owner(name: &str) -> &str {
    let name = name.split_once(OF).map_or(name, |(_, owner)| owner);
    let end = name.match_indices('-').nth(1).map_or(name.len(), |(hyphen, _)| hyphen + 1);
    name.get(..end).unwrap_or(name)
}

/// The newest files that are no larger than twice what is merged into them, so that each id is written log n times. A
/// window's files are merged within a day only: it goes day by day.
fn mergeable<'a>(
    files: impl DoubleEndedIterator<Item = &'a Arc<IdFile>>,
    ledger: bool,
    now: Micros,
    fresh: u64,
) -> Vec<Arc<IdFile>> {
    let mut merged = Vec::new();
    let mut total = fresh;
    for file in files.rev().filter(|file| file.row.ledger == ledger) {
        let same_day = file.row.newest.div_euclid(Micros::DAY) == now.0.div_euclid(Micros::DAY);
        if file.row.ids > total.saturating_mul(2) || !(ledger || same_day) {
            break;
        }
        total += file.row.ids;
        merged.push(Arc::clone(file));
    }
    merged
}

/// Merges sorted sources into one.
struct Merge {
    sources: Vec<Box<dyn Iterator<Item = Result<Fingerprint>>>>,
    heads: Vec<Option<Result<Fingerprint>>>,
}

impl Merge {
    fn new(mut sources: Vec<Box<dyn Iterator<Item = Result<Fingerprint>>>>) -> Merge {
        let heads = sources.iter_mut().map(Iterator::next).collect();
        Merge { sources, heads }
    }
}

impl Iterator for Merge {
    type Item = Result<Fingerprint>;

    /// An error comes first; there are few sources, so that a heap would not pay.
    fn next(&mut self) -> Option<Result<Fingerprint>> {
        let heads = self.heads.iter().enumerate();
        let least = heads.filter_map(|(source, head)| match head {
            Some(Ok(id)) => Some((Some(*id), source)),
            Some(Err(_)) => Some((None, source)),
            None => None,
        });
        let (_, source) = least.min()?;
        let next = self.sources.get_mut(source).and_then(Iterator::next);
        self.heads.get_mut(source).and_then(|head| std::mem::replace(head, next))
    }
}
