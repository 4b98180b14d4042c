//! Retention: rows of a site that are older than it keeps them go, in the background.
//!
//! A file that holds nothing else leaves the catalog unread. Any other is written again without those rows; since files are
//! of a day, a week or a month, these are one or two a site. Readers keep the old files for as long as they need them, as after a
//! compaction, and a crash leaves the rows or takes them, never a part of a file.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use wayfarer_event::Micros;

use crate::{Block, Result, catalog::Reason, compact::Compactor, file::DataFile};

/// What a retention dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// Rows that were too old.
    pub rows: u64,
    /// Files that they lay in.
    pub files: u64,
    /// Files that were removed from the disk.
    pub removed: u64,
}

/// How much of a file is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Old {
    Nothing,
    Some,
    All,
}

impl Compactor {
    /// Drops the rows of sites from before a time.
    pub(crate) async fn retain(&self, from: &HashMap<String, Micros>) -> Result<Retained> {
        Ok(self.alone(true, self.retain_alone(from)).await?.unwrap_or_default())
    }

    async fn retain_alone(&self, from: &HashMap<String, Micros>) -> Result<Retained> {
        let mut retained = Retained::default();
        let now: Micros = (self.sealer.clock.0)();
        let from = Arc::new(from.clone());
        // What other programs deleted must not come back with the rows that stay.
        let adopted = self.adopt_each().await?;
        let files = Arc::clone(&self.sealer.shared.rows().files);
        for file in files.iter() {
            let rows = match old(file, &from) {
                Old::Some if adopted.left.contains(&file.id) => continue,
                Old::Nothing => continue,
                Old::All => {
                    let gone = vec![file.id];
                    self.replace(gone, Vec::new(), Vec::new(), Reason::Retain, now).await?;
                    file.rows
                }
                Old::Some => {
                    let from = Arc::clone(&from);
                    let is_old = move |site: &str, block: &Block, row: usize| {
                        let ts = block.ts.get(row).copied().unwrap_or(i64::MAX);
                        from.get(site).is_some_and(|from| ts < from.0)
                    };
                    self.rewrite(Arc::clone(file), Box::new(is_old), Reason::Retain, now).await?
                }
            };
            self.sealer.shared.counters.expired_rows.add(rows);
            retained.rows += rows;
            retained.files += 1;
        }
        // What this holds itself is no reader.
        drop(files);
        if retained.files > 0 {
            // The table's statistics would else keep values that are in no file any more.
            self.sealer.catalog.narrow().await?;
        }
        retained.removed = self.expire().await?;
        adopted.files()?;
        Ok(retained)
    }
}

fn old(file: &DataFile, from: &HashMap<String, Micros>) -> Old {
    let (mut some, mut all) = (false, true);
    for span in &file.spans {
        let from = from.get(&span.site).map_or(i64::MIN, |from| from.0);
        some |= *span.times.start() < from;
        all &= *span.times.end() < from;
    }
    match (some, all) {
        (false, _) => Old::Nothing,
        (true, false) => Old::Some,
        (true, true) => Old::All,
    }
}
