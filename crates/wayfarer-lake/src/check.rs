//! Verifies a lake: log, catalog and files against each other, down to the last value of every column.
//!
//! It changes nothing. What is wrong is found, not repaired: each problem is a sentence that names the file.

use std::{collections::HashSet, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use wayfarer_event::Column;

use crate::{
    Error, Result,
    background::blocking,
    block::VisitorRun,
    commit::Command,
    compact::Compactor,
    file::{
        DataFile,
        visitors::{VisitorRows, add_rows, each_visitor},
    },
    scan::{Run, Scan},
};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Data files that were read whole.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Segments of the log that were read.
    pub wal_segments: u64,
    /// Files of ids that were read.
    pub id_files: u64,
    /// What is wrong; empty when all is well.
    pub problems: Vec<String>,
}

impl Compactor {
    /// Checks everything, while appends and seals go on. Compactions wait, so that the files stay; seals only until it is known
    /// which files there are.
    pub(crate) async fn check(&self) -> Result<Check> {
        Ok(self.alone(true, self.check_alone()).await?.unwrap_or_default())
    }

    async fn check_alone(&self) -> Result<Check> {
        let sealing = self.sealer.sealing.lock().await;
        let mut check = self.check_log().await?;
        let files = Arc::clone(&self.sealer.shared.rows().files);
        self.check_catalog(&files, &mut check).await?;
        let id_files = self.sealer.published.lock().await.clone();
        // All is open that is read now. Were seals to wait for it, memory would run full of rows.
        drop(sealing);
        let read = move || {
            for file in files.iter() {
                check.files += 1;
                match read_whole(file) {
                    Ok(()) => check.rows += file.rows,
                    Err(error) => check.problems.push(error.to_string()),
                }
            }
            for file in id_files {
                check.id_files += 1;
                check.problems.extend(file.check().err().map(|error| error.to_string()));
            }
            Ok(check)
        };
        blocking("a check", read).await
    }

    async fn check_log(&self) -> Result<Check> {
        let (answer, checked) = oneshot::channel();
        self.sealer.commands.send(Command::Check(answer)).map_err(|_| Error::closed())?;
        let (wal_segments, problems) = checked.await.map_err(|_| Error::closed())?;
        Ok(Check { wal_segments, problems, ..Check::default() })
    }

    /// Compares the newest snapshot with what readers have, with its own counts, and with the folder.
    async fn check_catalog(&self, files: &[Arc<DataFile>], check: &mut Check) -> Result<()> {
        let loaded = self.sealer.catalog.load(self.sealer.shared.writer).await?;
        let known: HashSet<u64> = files.iter().map(|file| file.id).collect();
        let named: HashSet<u64> = loaded.files.iter().map(|file| file.id).collect();
        if known != named {
            check.problems.push("readers have other files than the newest snapshot".to_owned());
        }
        for strange in &loaded.strange {
            let name = &strange.file.path;
            check.problems.push(format!("{name} was changed by another program: compact the lake"));
        }
        if !loaded.strange.is_empty() {
            return Ok(());
        }
        let (rows, bytes) = self.sealer.catalog.table_counts().await?;
        let sums = loaded
            .files
            .iter()
            .fold((0, 0), |sums, file| (sums.0 + file.rows, sums.1 + file.bytes));
        if (rows, bytes) != sums {
            check.problems.push(format!(
                "the catalog counts {rows} rows in {bytes} bytes, its files have {} in {}",
                sums.0, sums.1
            ));
        }
        let scheduled: HashSet<String> =
            self.sealer.catalog.scheduled().await?.into_iter().collect();
        let table = &self.sealer.table;
        let names = self.sealer.storage.list(table);
        for name in names.map_err(|error| Error::io("cannot list", table, error))? {
            let waits = scheduled.contains(&format!("main/events/{name}"));
            if name.starts_with(&self.sealer.ids.own) && !loaded.names(&name) && !waits {
                check.problems.push(format!("{name} is in no snapshot"));
            }
        }
        Ok(())
    }
}

/// Reads every value of a file, and compares its rows with what the catalog says of them.
fn read_whole(file: &Arc<DataFile>) -> Result<()> {
    file.check_bytes()?;
    let footer = file.footer()?;
    let rows = footer.metadata().file_metadata().num_rows().unsigned_abs();
    let damaged = |what: String| Err(Error::corrupt(&file.path, what));
    if rows != file.rows {
        return damaged(format!("it has {rows} rows, the catalog says {}", file.rows));
    }
    let mut next_row = 0;
    for span in &file.spans {
        if span.first_row != next_row {
            return damaged(format!("the rows of {:?} do not start at {next_row}", span.site));
        }
        next_row += span.rows;
        let scan = Scan {
            visitors: span.visitors.clone(),
            from: Some(wayfarer_event::Micros(*span.times.start())),
            until: Some(wayfarer_event::Micros(span.times.end().saturating_add(1))),
            ..Scan::new(span.site.as_str(), Column::ALL)
        };
        let mut run = Run::of_file(Arc::clone(file), span.clone(), &scan);
        let (mut found, mut visitors) = (0, Vec::new());
        while let Some(block) = run.next_block()? {
            found += block.count_of_site(&span.site);
            let mut start = 0;
            for VisitorRun { visitor, end } in block.visitors.runs().iter().copied() {
                let rows = end - std::mem::replace(&mut start, end);
                add_rows(&mut visitors, VisitorRows { visitor, rows });
            }
        }
        if found != span.rows {
            return damaged(format!(
                "{found} of {} rows of {:?} are as the catalog says",
                span.rows, span.site
            ));
        }
        let mut indexed = Vec::new();
        each_visitor(file, span, &mut |more| {
            more.iter().for_each(|own| add_rows(&mut indexed, *own));
            Ok(())
        })?;
        if indexed != visitors {
            return damaged(format!(
                "its index has other visitors of {:?} than its rows",
                span.site
            ));
        }
    }
    Ok(())
}
