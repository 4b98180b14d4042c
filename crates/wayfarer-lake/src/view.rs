//! One look at the lake that does not change: a snapshot's files and the hot rows after them, taken together.

use std::{collections::BTreeSet, sync::Arc};

use arrow_array::Array;
use wayfarer_event::{Column, Micros};

use crate::{
    Export, Result, Run, Scan, Selection,
    file::DataFile,
    hot::{Cells, Chunk},
    resident::{Group, Resident},
    scan::HotRun,
};

/// What was in the lake at one moment; each row is there exactly once. Cheap to take and to clone; its files stay on disk
/// while it lives.
///
/// Where several nodes share a lake, the hot rows are this node's own: what another one took is there once it is sealed.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) position: Position,
    pub(crate) writer: u64,
    pub(crate) files: Arc<[Arc<DataFile>]>,
    pub(crate) chunks: Arc<[Arc<Chunk>]>,
    pub(crate) resident: Arc<Resident>,
}

/// Where a view stands. Two views of one lake with equal positions hold the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The catalog's snapshot.
    pub snapshot: u64,
    /// The `seq` that the next row gets.
    pub next_seq: u64,
}

impl View {
    /// The sites that have rows, in order.
    #[must_use]
    pub fn sites(&self) -> Vec<String> {
        let spans = self.files.iter().flat_map(|file| &file.spans);
        let mut sites: BTreeSet<String> = spans.map(|span| span.site.clone()).collect();
        for chunk in self.chunks.iter() {
            if let Cells::Text { dictionary, .. } = chunk.cells(Column::Site) {
                sites.extend(dictionary.iter().flatten().map(str::to_owned));
            }
        }
        sites.into_iter().collect()
    }

    /// The first and the last `ts` of a site, both included; `None` when it has no rows. No file is opened.
    #[must_use]
    pub fn time_range(&self, site: &str) -> Option<(Micros, Micros)> {
        let spans = self.files.iter().filter_map(|file| file.span(site));
        let sealed = spans.flat_map(|span| [*span.times.start(), *span.times.end()]);
        let hot = self.chunks.iter().flat_map(|chunk| times_of(chunk, site));
        let both = sealed.chain(hot).fold(None, |both: Option<(i64, i64)>, ts| {
            Some(both.map_or((ts, ts), |(first, last)| (first.min(ts), last.max(ts))))
        });
        both.map(|(first, last)| (Micros(first), Micros(last)))
    }

    /// Where this view stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many rows there are, or how many of one site. No file is opened.
    #[must_use]
    pub fn rows(&self, site: Option<&str>) -> u64 {
        let Some(site) = site else {
            let hot = self.chunks.iter().map(|chunk| chunk.rows() as u64);
            return self.files.iter().map(|file| file.rows).chain(hot).sum();
        };
        let sealed = self.files.iter().filter_map(|file| file.span(site)).map(|span| span.rows);
        let hot = self.chunks.iter().map(|chunk| times_of(chunk, site).count() as u64);
        sealed.chain(hot).sum()
    }

    /// The rows of a scan as sorted runs, those of earlier times first. What is in memory is not read again; files and row
    /// groups that cannot hold such rows are not read.
    ///
    /// # Errors
    /// None now; reading may have to look into files before the first block one day.
    pub fn runs(&self, scan: &Scan) -> Result<Vec<Run>> {
        let (mut runs, mut of_files) = (Vec::new(), Vec::new());
        for group in Group::all(&self.files, &scan.site) {
            let mut files = group.wanted(scan).peekable();
            let Some((_, first)) = files.peek() else { continue };
            if let Some(run) = self.resident.run(&group, scan) {
                runs.push((*first.times.start(), Run::of_memory(run, scan)));
                continue;
            }
            of_files.extend(files.map(|(file, span)| (Arc::clone(file), span.clone())));
        }
        let count = of_files.len();
        runs.extend(of_files.into_iter().map(|(file, span)| {
            (*span.times.start(), Run::of_file_among(count, file, span, scan))
        }));
        runs.sort_by_key(|(start, _)| *start);
        let mut runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
        if !self.chunks.is_empty() {
            runs.push(Run::of_hot(HotRun::new(self.chunks.to_vec(), self.writer, scan), scan));
        }
        Ok(runs)
    }

    /// Decodes what a scan asks for and keeps it in memory, for this scan and those to come, as far as
    /// [`Options::resident_bytes`](crate::Options::resident_bytes) allows. What is there already is not read again. It works
    /// on so many threads, and stops early when `goes_on` says no. Blocking.
    ///
    /// # Errors
    /// When a file cannot be read, or is damaged.
    pub fn prepare(
        &self,
        scan: &Scan,
        threads: usize,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<()> {
        let groups = Group::all(&self.files, &scan.site);
        self.resident.prepare(&groups, scan, threads, goes_on)
    }

    /// How much memory decoded rows take, of all views of this lake together, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        self.resident.bytes()
    }

    /// Every row, or those of one site, in the order (site, visitor, ts, seq, writer). Blocking.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn export(&self, site: Option<&str>) -> Result<Export> {
        self.select(&Selection { site: site.map(str::to_owned), ..Selection::default() })
    }

    /// The rows of a selection, in the same order. Files and row groups that cannot hold such rows are not read. Blocking.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn select(&self, selection: &Selection) -> Result<Export> {
        Export::new(self.clone(), selection)
    }
}

/// The times of a site's rows in a chunk.
fn times_of<'a>(chunk: &'a Chunk, site: &'a str) -> impl Iterator<Item = i64> + 'a {
    let (codes, code) = match chunk.cells(Column::Site) {
        Cells::Text { codes, dictionary } => {
            let code = (0..dictionary.len()).find(|&code| dictionary.value(code) == site);
            (codes.as_slice(), code)
        }
        _ => (&[][..], None),
    };
    let rows = codes.iter().zip(&chunk.ts);
    rows.filter(move |(own, _)| Some(**own as usize) == code).map(|(_, &ts)| ts)
}
