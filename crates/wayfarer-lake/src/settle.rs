//! What a seal leaves out, where several nodes share a lake: what another node sealed before, and what an erased person did.
//!
//! A sender who tries again may reach another node than the first time. Each node keeps ids unique among what it knows; what
//! it cannot know yet are ids that another node took in the last moments. So before a seal is committed, its ids are looked for
//! in the other nodes' files of ids that are newer than the look when the event was taken; whoever seals second leaves the row
//! out. The transaction fails when there is yet another file by then, and the seal looks again.
//!
//! Who was away while a person was erased leaves the person's rows out by the rule; see `erase`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use wayfarer_event::Column;

use crate::{
    Result,
    catalog::Others,
    gather::{Cell, Sorted},
    ids::{Fingerprint, HotIds, IdFile, IdFolder, fingerprint_of},
    rule::Rules,
};

/// What is left out of a seal.
pub(crate) struct Settling {
    /// Where the node was away.
    rules: Rules,
}

impl Settling {
    pub(crate) fn new(others: &Others) -> Settling {
        let rules = others.rules.iter().copied().filter(|_| others.away);
        Settling { rules: Rules::new(rules) }
    }

    /// Leaves rows out of what is sealed, and their ids; says how many another node had sealed under the same id.
    ///
    /// # Errors
    /// When a file of ids cannot be read.
    pub(crate) fn settle(
        &self,
        sorted: &mut Sorted,
        hot: &mut Arc<HotIds>,
        asked: &[Arc<IdFile>],
        known: &[Arc<IdFile>],
        ids: &IdFolder,
    ) -> Result<u64> {
        let asked: HashSet<&str> = asked.iter().map(|file| file.row.name.as_str()).collect();
        let is_new = |file: &&Arc<IdFile>| {
            let name = file.row.name.as_str();
            !ids.is_own(name) && !asked.contains(name)
        };
        let doubled = doubled(hot, known.iter().filter(is_new))?;
        let mut gone = doubled.clone();
        let of = |row: &Cell<'_>| {
            let (site, id) = (row.text(Column::Site)?, row.text(Column::Id)?);
            Some(fingerprint_of(site, id))
        };
        let mut settled = 0;
        if !doubled.is_empty() {
            settled = sorted.keep(|row| of(row).is_none_or(|id| !doubled.contains(&id)));
        }
        if !self.rules.is_empty() {
            sorted.keep(|row| {
                let site = row.text(Column::Site).unwrap_or_default();
                let user = row.text(Column::User);
                let declined = self.rules.decline_row(site, user, row.visitor(), row.ts());
                gone.extend(of(row).filter(|_| declined));
                !declined
            });
        }
        if !gone.is_empty() {
            let left = hot.iter().filter(|(id, _)| !gone.contains(id));
            *hot = Arc::new(left.map(|(id, kind)| (*id, *kind)).collect::<HashMap<_, _>>());
        }
        Ok(settled)
    }
}

/// The ids that are in one of the files.
fn doubled<'a>(
    hot: &HotIds,
    files: impl Iterator<Item = &'a Arc<IdFile>>,
) -> Result<HashSet<Fingerprint>> {
    let mut doubled = HashSet::new();
    for file in files {
        for id in hot.keys() {
            if file.contains(*id)? {
                doubled.insert(*id);
            }
        }
    }
    Ok(doubled)
}
