//! Whose rows a file has, each visitor once: an index behind the row groups.
//!
//! In the column `visitor` every row says whose it is, so that whoever reads Parquet can read the file. Reports want to know
//! it once a visitor, and to decode the column for that takes as long as to decode the times. So each row group has a section
//! of the index. For each of its visitors, in order, it holds the visitor, eight bytes, the lowest first, and how many rows
//! come, seven bits a byte, the lowest first, with the highest bit set where more bytes follow. Where a site ends, a visitor
//! ends. The metadata `wayfarer.visitors` says where the first section begins, then how many bytes each takes.
//!
//! A file without it is read by its column: those of before, those of other programs, and those with so many visitors that
//! an index would be hardly shorter.

use std::{io, io::Write, ops::Range};

use parquet::{
    arrow::arrow_reader::ArrowReaderMetadata,
    file::{metadata::KeyValue, writer::SerializedFileWriter},
};
use wayfarer_event::Column;

use super::{
    DataFile, SiteSpan,
    fetch::Whole,
    read::{damaged, decode, expect, foreign, groups},
};
use crate::{Error, Result, block::Values};

/// The metadata that tells where the sections lie.
const KEY: &str = "wayfarer.visitors";
/// A file with more visitors has no index: what is held of it while the file is written takes some 50 MB at the most.
const MOST_VISITORS: usize = 2 << 20;

/// Rows of one visitor that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VisitorRows {
    pub(crate) visitor: u64,
    pub(crate) rows: u32,
}

/// The visitors of a file while it is written; `None` once they are too many.
#[derive(Debug)]
pub(super) struct Index(Option<Vec<VisitorRows>>);

impl Index {
    pub(super) fn new() -> Index {
        Index(Some(Vec::new()))
    }

    /// Takes the visitor of each of the next rows, all of one site, which may begin with them.
    pub(super) fn add(&mut self, visitors: &[u64], site_begins: bool) {
        let Some(runs) = &mut self.0 else { return };
        let mut more = runs_of(visitors);
        if site_begins {
            runs.extend(more.next());
        }
        more.for_each(|own| add_rows(runs, own));
        if runs.len() > MOST_VISITORS {
            self.0 = None;
        }
    }

    /// Writes the sections behind the row groups, and notes where they are.
    pub(super) fn write<W: Write + Send>(
        self,
        file: &mut SerializedFileWriter<W>,
    ) -> io::Result<()> {
        let Some(runs) = self.0 else { return Ok(()) };
        let groups = file.flushed_row_groups().iter().map(|group| group.num_rows().unsigned_abs());
        let sections = sections(&runs, groups);
        let mut places = file.bytes_written().to_string();
        for section in sections {
            file.write_all(&section)?;
            places.push_str(&format!(" {}", section.len()));
        }
        file.append_key_value_metadata(KeyValue::new(KEY.to_owned(), places));
        Ok(())
    }
}

/// The sections of row groups of so many rows.
fn sections(runs: &[VisitorRows], groups: impl Iterator<Item = u64>) -> Vec<Vec<u8>> {
    let mut runs = runs.iter().copied();
    let mut rest = None;
    let section = |rows: u64| {
        let (mut section, mut left) = (Vec::new(), rows as u32);
        while left > 0
            && let Some(VisitorRows { visitor, rows }) = rest.take().or_else(|| runs.next())
        {
            let own = rows.min(left);
            left -= own;
            rest = (own < rows).then_some(VisitorRows { visitor, rows: rows - own });
            section.extend_from_slice(&visitor.to_le_bytes());
            let mut more = own;
            while more >= 0x80 {
                section.push(more as u8 | 0x80);
                more >>= 7;
            }
            section.push(more as u8);
        }
        section
    };
    groups.map(section).collect()
}

/// The visitors of the section of so many rows; `None` where it is damaged.
fn read(mut section: &[u8], of_group: u64) -> Option<Vec<VisitorRows>> {
    let mut all = 0;
    // Nine bytes each, mostly.
    let mut runs = Vec::with_capacity(section.len() / 9);
    while let Some((visitor, rest)) = section.split_first_chunk() {
        section = rest;
        let (mut rows, mut shift) = (0, 0);
        loop {
            let (&byte, rest) = section.split_first()?;
            section = rest;
            rows |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        all += u64::from(rows);
        runs.push(VisitorRows { visitor: u64::from_le_bytes(*visitor), rows });
    }
    (section.is_empty() && all == of_group).then_some(runs)
}

/// Where the section of each row group lies: none where the file has no index.
fn places(footer: &ArrowReaderMetadata) -> Vec<Range<u64>> {
    let metadata = footer.metadata().file_metadata().key_value_metadata();
    let places = metadata.into_iter().flatten().find(|entry| entry.key == KEY);
    let places = places.and_then(|entry| entry.value.as_deref()).unwrap_or_default();
    let mut numbers = places.split(' ').map_while(|number| number.parse::<u64>().ok());
    let mut at = numbers.next().unwrap_or_default();
    let place = |bytes: u64| {
        let start = at;
        at = at.saturating_add(bytes);
        start..at
    };
    numbers.map(place).collect()
}

/// Hands over the visitors of a site's rows in a file, each with its rows, a row group or some thousand rows at a time. Where
/// one hand-over ends, the next may go on with the same visitor.
pub(crate) fn each_visitor(
    file: &DataFile,
    span: &SiteSpan,
    take: &mut dyn FnMut(&[VisitorRows]) -> Result<()>,
) -> Result<()> {
    let footer = file.footer()?;
    let places = places(footer);
    let mut source = None;
    for (index, group, rows) in groups(footer, span) {
        if let Some(place) = places.get(index) {
            let source = match &mut source {
                Some(source) => source,
                None => source.insert(Whole::open(file)?),
            };
            let section = source.read(place).map_err(|error| damaged(file, error.into()))?;
            let runs = read(&section, group.num_rows().unsigned_abs()).ok_or_else(|| {
                Error::corrupt(&file.path, "its index of visitors is not one of its rows")
            })?;
            take(&cut(runs, &rows))?;
            continue;
        }
        decode(file, index, rows, Column::Visitor, &mut None, &mut |values| match values {
            Values::Unsigned { values } => take(&runs_of(&values).collect::<Vec<_>>()),
            _ => Err(foreign(file, Column::Visitor)),
        })?;
    }
    Ok(())
}

/// Lets the disk begin to fetch what [`each_visitor`] will read.
pub(crate) fn expect_visitors(file: &DataFile, span: &SiteSpan) -> Result<()> {
    let footer = file.footer()?;
    let places = places(footer);
    let mut own = groups(footer, span).filter_map(|(index, ..)| places.get(index));
    let Some(first) = own.next() else { return expect(file, span, Column::Visitor) };
    let end = own.last().unwrap_or(first).end;
    Whole::open(file)?.expect(&(first.start..end));
    Ok(())
}

/// The visitors of these rows.
fn cut(runs: Vec<VisitorRows>, rows: &Range<usize>) -> Vec<VisitorRows> {
    let mut end = 0;
    let own = |run: VisitorRows| {
        let start = end;
        end += run.rows as usize;
        let own = end.min(rows.end).saturating_sub(start.max(rows.start));
        (own > 0).then_some(VisitorRows { rows: own as u32, ..run })
    };
    runs.into_iter().filter_map(own).collect()
}

/// Adds rows that may be of the last visitor.
pub(crate) fn add_rows(runs: &mut Vec<VisitorRows>, own: VisitorRows) {
    match runs.last_mut().filter(|last| last.visitor == own.visitor) {
        Some(last) => last.rows += own.rows,
        None => runs.push(own),
    }
}

/// The visitors of rows of which each has one.
fn runs_of(visitors: &[u64]) -> impl Iterator<Item = VisitorRows> {
    visitors.chunk_by(|a, b| a == b).filter_map(|own| {
        let visitor = *own.first()?;
        Some(VisitorRows { visitor, rows: own.len() as u32 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(visitor: u64, rows: u32) -> VisitorRows {
        VisitorRows { visitor, rows }
    }

    #[test]
    fn sections_are_read_back_and_cut_where_row_groups_end() {
        let runs = [run(1, 1), run(u64::MAX, 300), run(7, 127), run(8, 128), run(9, 1 << 20)];
        let groups = [200, 101, 127 + 128, 5, (1 << 20) - 5];
        let read: Vec<_> = sections(&runs, groups.into_iter())
            .iter()
            .zip(groups)
            .map(|(section, rows)| read(section, rows).unwrap())
            .collect();
        assert_eq!(
            read,
            [
                vec![run(1, 1), run(u64::MAX, 199)],
                vec![run(u64::MAX, 101)],
                vec![run(7, 127), run(8, 128)],
                vec![run(9, 5)],
                vec![run(9, (1 << 20) - 5)],
            ]
        );
    }

    #[test]
    fn a_section_that_is_cut_short_is_refused() {
        let sections = sections(&[run(1, 1), run(2, 300)], [301].into_iter());
        let whole = &sections[0];
        assert!(read(whole, 301).is_some() && read(whole, 300).is_none());
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end], 301), None, "{end} bytes");
        }
        let endless = [1, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
        assert_eq!(read(&endless, 0), None);
    }

    #[test]
    fn a_site_begins_a_visitor_anew() {
        let mut index = Index::new();
        index.add(&[1, 1, 2], true);
        index.add(&[2, 3], false);
        index.add(&[3, 3], true);
        assert_eq!(index.0, Some(vec![run(1, 2), run(2, 2), run(3, 1), run(3, 2)]));
    }

    #[test]
    fn rows_of_a_site_are_cut_out() {
        let runs = || vec![run(1, 3), run(2, 2), run(3, 4)];
        assert_eq!(cut(runs(), &(0..9)), runs());
        assert_eq!(cut(runs(), &(3..5)), [run(2, 2)]);
        assert_eq!(cut(runs(), &(1..7)), [run(1, 2), run(2, 2), run(3, 2)]);
        assert_eq!(cut(runs(), &(4..4)), []);
    }
}
