//! One look at the lake that does not change: a snapshot's files and the hot rows after them, taken together.

use std::{collections::BTreeSet, sync::Arc};

use arrow_array::Array;
use wayfarer_event::{Column, Micros};

use crate::{
    Export, Result, Run, Scan, Selection,
    file::{DataFile, SiteSpan},
    hot::{Cells, Chunk},
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

    /// The rows of a scan as sorted runs, those of earlier times first. Files and row groups that cannot hold such rows are not read.
    ///
    /// # Errors
    /// None now; reading may have to look into files before the first block one day.
    pub fn runs(&self, scan: &Scan) -> Result<Vec<Run>> {
        let wanted = scan.wanted();
        let mut files = Vec::new();
        for file in self.files.iter() {
            let Some(span) = file.span(&scan.site) else { continue };
            let visitors = span.visitors.start() <= wanted.visitors.end()
                && span.visitors.end() >= wanted.visitors.start();
            let times = wanted.overlaps(*span.times.start(), *span.times.end());
            if visitors && times {
                files.push((file, span));
            }
        }
        files.sort_by_key(|(_, span)| *span.times.start());
        let run = |(file, span): (&Arc<DataFile>, &SiteSpan)| {
            Run::of_file(Arc::clone(file), span.clone(), scan)
        };
        let mut runs: Vec<Run> = files.into_iter().map(run).collect();
        if !self.chunks.is_empty() {
            runs.push(Run::of_hot(HotRun::new(self.chunks.to_vec(), self.writer, scan), scan));
        }
        Ok(runs)
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
