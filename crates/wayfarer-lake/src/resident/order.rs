//! Where the rows of a bundle's parts go: by visitor, then by time, then as they arrived.
//!
//! Each part is in that order by itself: of a visitor it has one *segment*, rows that lie together. Parts come in the order of
//! their times, so a visitor's rows are her segments one after the other; only where these overlap in time are rows put in
//! order one by one. Either way rows go to their places in [`Piece`]s of which both ends ascend within a part. So whatever is
//! decoded of a part goes to its place as it comes, and nothing has to be held beside the order to be brought into it.

use std::ops::Range;

use hashbrown::HashMap;

use super::times::Times;
use crate::{block::VisitorRun, file::visitors::VisitorRows, gather::Wanted};

/// The rows in the order (visitor, ts, seq, writer).
#[derive(Debug)]
pub(super) struct Order {
    pub(super) visitors: Vec<VisitorRun>,
    pub(super) times: Times,
    pub(super) layout: Layout,
}

/// Where the rows of each part go.
#[derive(Debug)]
pub(super) struct Layout {
    parts: Vec<PartLayout>,
}

/// Where the rows of one part go.
#[derive(Clone, Debug, Default)]
struct PartLayout {
    pieces: Vec<Piece>,
    rows: u32,
}

/// Rows of a part that stay together.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The place of the first.
    at: u32,
    /// Which row of its part that is. The piece ends where the next of its part begins.
    from: u32,
}

/// The segments of all parts, part by part, until they are sorted. A bundle has fewer than 2³² rows.
#[derive(Debug)]
pub(super) struct Segments(Vec<Segment>);

/// The rows of one visitor in one part.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) visitor: u64,
    pub(super) part: u32,
    pub(super) rows: u32,
}

/// What a segment takes while rows are put in order, and in the order that comes of it.
pub(super) const SEGMENT_BYTES: usize =
    size_of::<Segment>() + size_of::<Piece>() + size_of::<VisitorRun>();

/// Visitors whose parts overlap in time: of which part each of their rows is, in order.
pub(super) type Mixed = HashMap<u64, Vec<u32>>;

impl Segments {
    /// None, with room for those of so many rows. What is not used of it takes no memory.
    pub(super) fn for_rows(rows: usize) -> Segments {
        Segments(Vec::with_capacity(rows))
    }

    /// Takes the visitors of the next rows of a part, the last that came or the one after. False when they do not ascend.
    pub(super) fn add(&mut self, part: u32, visitors: &[VisitorRows]) -> bool {
        for &VisitorRows { visitor, rows } in visitors {
            match self.0.last_mut().filter(|last| last.part == part) {
                Some(last) if last.visitor == visitor => last.rows += rows,
                Some(last) if last.visitor > visitor => return false,
                _ => self.0.push(Segment { visitor, part, rows }),
            }
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Brings the segments of each visitor together; part by part, as they came.
    pub(super) fn sort(&mut self) {
        // Each part's are in order, and what is in order already is quickly merged.
        self.0.sort_by_key(|segment| segment.visitor);
    }

    /// The place after the last row of each. They must be sorted.
    pub(super) fn ends(&self) -> impl Iterator<Item = usize> {
        let mut end = 0;
        self.0.iter().map(move |segment| {
            end += segment.rows as usize;
            end
        })
    }

    /// The segments of each visitor, with the places of their rows. They must be sorted.
    pub(super) fn each_visitor(&self) -> impl Iterator<Item = (&[Segment], Range<usize>)> {
        let mut end = 0;
        self.0.chunk_by(|a, b| a.visitor == b.visitor).map(move |segments| {
            let start = end;
            end += segments.iter().map(|segment| segment.rows as usize).sum::<usize>();
            (segments, start..end)
        })
    }

    /// The visitors, and where the rows of so many parts go. They must be sorted.
    pub(super) fn lay_out(&self, parts: usize, mixed: &Mixed) -> (Vec<VisitorRun>, Layout) {
        // What is not used of it takes no memory.
        let mut visitors = Vec::with_capacity(self.0.len());
        let mut parts = vec![PartLayout::default(); parts];
        let mut at = 0;
        let mut push = |part: u32, rows: u32| {
            if let Some(part) = parts.get_mut(part as usize) {
                part.push(at, rows);
            }
            at += rows;
        };
        for (segments, places) in self.each_visitor() {
            let visitor = segments.first().map_or(0, |segment| segment.visitor);
            match mixed.get(&visitor).filter(|_| segments.len() > 1) {
                None => segments.iter().for_each(|segment| push(segment.part, segment.rows)),
                Some(order) => order.iter().for_each(|part| push(*part, 1)),
            }
            visitors.push(VisitorRun { visitor, end: places.end as u32 });
        }
        (visitors, Layout { parts })
    }
}

/// Takes the visitors of the next rows, the last that came or the one after. False when they do not ascend.
pub(super) fn add_visitors(visitors: &mut Vec<VisitorRun>, more: &[VisitorRows]) -> bool {
    let mut end = visitors.last().map_or(0, |last| last.end);
    for &VisitorRows { visitor, rows } in more {
        end += rows;
        match visitors.last_mut() {
            Some(last) if last.visitor == visitor => last.end = end,
            Some(last) if last.visitor > visitor => return false,
            _ => visitors.push(VisitorRun { visitor, end }),
        }
    }
    true
}

impl PartLayout {
    /// Adds the next so many rows, of which the first has this place.
    fn push(&mut self, at: u32, rows: u32) {
        let from = self.rows;
        let follows = self.pieces.last().is_some_and(|last| from - last.from == at - last.at);
        if !follows {
            self.pieces.push(Piece { at, from });
        }
        self.rows += rows;
    }
}

impl Order {
    pub(super) fn bytes(&self) -> usize {
        let parts = self.layout.parts.iter();
        let pieces = parts.map(|part| size_of_val(part.pieces.as_slice()));
        size_of_val(self.visitors.as_slice()) + self.times.bytes() + pieces.sum::<usize>()
    }

    /// The first row of a visitor.
    pub(super) fn start(&self, visitor: usize) -> usize {
        let before = visitor.checked_sub(1).and_then(|before| self.visitors.get(before));
        before.map_or(0, |run| run.end as usize)
    }

    /// Which of one visitor's rows are wanted; they lie together, as their times ascend.
    pub(super) fn wanted(&self, rows: Range<usize>, wanted: &Wanted<'_>) -> Range<usize> {
        let ends = [self.times.get(rows.start), self.times.get(rows.end.saturating_sub(1))];
        if ends.into_iter().flatten().all(|ts| wanted.has(ts)) {
            return rows;
        }
        let (from, until) = wanted.time;
        let first = self.times.first_from(&rows, from);
        // The end of time bounds nothing.
        let end = if until == i64::MAX { rows.end } else { self.times.first_from(&rows, until) };
        first..end.max(first)
    }
}

impl Layout {
    /// That of a single part of so many rows.
    pub(super) fn as_it_lies(rows: usize) -> Layout {
        let mut part = PartLayout::default();
        part.push(0, rows as u32);
        Layout { parts: vec![part] }
    }

    /// The places of a part's rows, from the first on.
    pub(super) fn places(&self, part: usize) -> Places<'_> {
        let pieces = self.parts.get(part).map(|part| part.pieces.as_slice()).unwrap_or_default();
        Places { pieces, row: 0 }
    }

    /// Of which part the row at a place is, and which of its rows.
    pub(super) fn origin(&self, place: usize) -> (usize, usize) {
        let origin = |(nth, PartLayout { pieces, rows }): (usize, &PartLayout)| {
            let next = pieces.partition_point(|piece| piece.at as usize <= place);
            let piece = next.checked_sub(1).and_then(|last| pieces.get(last))?;
            let row = piece.from as usize + place - piece.at as usize;
            let end = pieces.get(next).map_or(*rows, |next| next.from);
            (row < end as usize).then_some((nth, row))
        };
        self.parts.iter().enumerate().find_map(origin).unwrap_or_default()
    }
}

/// Goes along the rows of a part and tells where they go.
#[derive(Clone, Debug)]
pub(super) struct Places<'a> {
    /// The piece that the next row is of, and those that follow.
    pieces: &'a [Piece],
    row: usize,
}

impl Places<'_> {
    /// Puts the next values in their places, each made into another.
    pub(super) fn put<T: Copy, U>(&mut self, values: &[T], into: &mut [U], each: impl Fn(T) -> U) {
        self.next(values.len(), |rows, at| {
            let places = into.get_mut(at..at + rows.len()).unwrap_or_default();
            let values = values.get(rows).unwrap_or_default();
            places.iter_mut().zip(values).for_each(|(place, value)| *place = each(*value));
        });
    }

    /// Puts one value in the next so many places.
    pub(super) fn fill<T: Copy>(&mut self, rows: usize, into: &mut [T], value: T) {
        self.next(rows, |rows, at| {
            into.get_mut(at..at + rows.len()).unwrap_or_default().fill(value);
        });
    }

    /// Leaves so many places as they are.
    pub(super) fn skip(&mut self, rows: usize) {
        self.next(rows, |_, _| ());
    }

    /// Tells the places of the next so many rows: which of these rows, and the place of the first.
    fn next(&mut self, rows: usize, mut each: impl FnMut(Range<usize>, usize)) {
        let (first, end) = (self.row, self.row + rows);
        while let [piece, rest @ ..] = self.pieces
            && self.row < end
        {
            let next = rest.first().map_or(usize::MAX, |next| next.from as usize);
            let until = next.min(end);
            let at = piece.at as usize + self.row - piece.from as usize;
            each(self.row - first..until - first, at);
            self.row = until;
            if until == next {
                self.pieces = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(visitors: &[u64]) -> Vec<VisitorRows> {
        visitors.iter().map(|&visitor| VisitorRows { visitor, rows: 1 }).collect()
    }

    /// Three parts: visitors 1 and 3 in all of them, 2 and 4 in one each.
    fn segments() -> Segments {
        let mut segments = Segments::for_rows(0);
        for (part, visitors) in [(0, &[1, 1, 2, 3][..]), (1, &[1, 3, 3]), (2, &[1, 3, 4])] {
            // In two blocks, of which the second goes on where the first ended.
            let (first, second) = visitors.split_at(1);
            assert!(segments.add(part, &each(first)) && segments.add(part, &each(second)));
        }
        segments.sort();
        segments
    }

    /// Puts the part and the row of each row in its place.
    fn put(layout: &Layout, rows: [usize; 3]) -> Vec<(usize, usize)> {
        let mut places = vec![(9, 9); rows.iter().sum()];
        for (part, rows) in rows.into_iter().enumerate() {
            let values: Vec<(usize, usize)> = (0..rows).map(|row| (part, row)).collect();
            let mut to = layout.places(part);
            for block in values.chunks(2) {
                to.put(block, &mut places, |value| value);
            }
        }
        places
    }

    #[test]
    fn rows_of_a_visitor_come_part_by_part() {
        let (visitors, layout) = segments().lay_out(3, &Mixed::default());
        let ends: Vec<(u64, u32)> = visitors.iter().map(|run| (run.visitor, run.end)).collect();
        assert_eq!(ends, [(1, 4), (2, 5), (3, 9), (4, 10)]);
        let expected =
            [(0, 0), (0, 1), (1, 0), (2, 0), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1), (2, 2)];
        assert_eq!(put(&layout, [4, 3, 3]), expected);
        for (place, origin) in expected.into_iter().enumerate() {
            assert_eq!(layout.origin(place), origin);
        }
    }

    #[test]
    fn rows_that_are_mixed_go_where_they_belong() {
        let mixed = Mixed::from([(3, vec![1, 2, 0, 1])]);
        let (visitors, layout) = segments().lay_out(3, &mixed);
        assert_eq!(visitors.last().map(|run| run.end), Some(10));
        let expected =
            [(0, 0), (0, 1), (1, 0), (2, 0), (0, 2), (1, 1), (2, 1), (0, 3), (1, 2), (2, 2)];
        assert_eq!(put(&layout, [4, 3, 3]), expected);
        for (place, origin) in expected.into_iter().enumerate() {
            assert_eq!(layout.origin(place), origin);
        }
    }

    #[test]
    fn rows_that_are_left_out_keep_their_places() {
        let (_, layout) = segments().lay_out(3, &Mixed::default());
        let (mut places, mut to) = (vec![0; 10], layout.places(0));
        to.skip(2);
        to.fill(1, &mut places, 7);
        to.put(&[8], &mut places, |value| value);
        assert_eq!(places, [0, 0, 0, 0, 7, 8, 0, 0, 0, 0]);
    }

    #[test]
    fn visitors_that_descend_are_refused() {
        let mut segments = Segments::for_rows(0);
        assert!(segments.add(0, &each(&[1, 2])) && !segments.add(0, &each(&[1])));
        let mut segments = Segments::for_rows(0);
        assert!(
            segments.add(0, &each(&[2])) && segments.add(1, &each(&[1])),
            "another part begins anew"
        );
        let mut visitors = Vec::new();
        assert!(add_visitors(&mut visitors, &each(&[1, 1, 2])));
        assert!(add_visitors(&mut visitors, &each(&[2, 5])));
        let ends: Vec<(u64, u32)> = visitors.iter().map(|run| (run.visitor, run.end)).collect();
        assert_eq!(ends, [(1, 2), (2, 4), (5, 5)]);
        assert!(!add_visitors(&mut visitors, &each(&[4])));
    }
}
