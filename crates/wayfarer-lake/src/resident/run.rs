//! A bundle as a reader gets it: block by block, narrowed to the wanted rows while they are unpacked.

use std::{ops::Range, sync::Arc};

use super::{
    bundle::{Bundle, LastArrivals},
    order::Order,
    packed::Packed,
};
use crate::{
    Result, Scan,
    block::{Arrival, Block, VisitorRun, Visitors},
    gather::Wanted,
};

/// About how many rows a block has: it ends with a visitor. A walk holds a block of each run at once, and all of them
/// together are to stay in the processor's cache.
const BLOCK_ROWS: usize = 8 << 10;

/// The wanted rows of a bundle whose columns are all there.
#[derive(Debug)]
pub(crate) struct ResidentRun {
    bundle: Arc<Bundle>,
    columns: Vec<Arc<Packed>>,
    wanted: Wanted<'static>,
    /// Whether all rows of a wanted visitor are wanted.
    in_full: bool,
    /// The visitors that are still to come, by their places.
    visitors: Range<usize>,
    last: Arc<LastArrivals>,
}

/// Where the rows of a block lie in a bundle, to look up when they arrived.
#[derive(Debug)]
pub(crate) struct Placed {
    bundle: Arc<Bundle>,
    /// The ranges of its rows, each with how many are before it in the block.
    ranges: Vec<(usize, usize)>,
    last: Arc<LastArrivals>,
}

impl Placed {
    pub(crate) fn of(&self, row: usize) -> Result<(u64, u64)> {
        let next = self.ranges.partition_point(|(before, _)| *before <= row);
        let range = next.checked_sub(1).and_then(|range| self.ranges.get(range));
        let (before, start) = range.copied().unwrap_or_default();
        self.bundle.arrival(start + row - before, &self.last)
    }
}

impl ResidentRun {
    /// `None` when something is not in memory.
    pub(super) fn new(bundle: &Arc<Bundle>, scan: &Scan) -> Option<ResidentRun> {
        let visitors = &bundle.order()?.visitors;
        let columns = scan.columns.iter().map(|&column| bundle.column(column)?);
        let columns = columns.collect::<Option<Vec<_>>>()?;
        let wanted = scan.wanted();
        let first = visitors.partition_point(|run| run.visitor < *wanted.visitors.start());
        let until = visitors.partition_point(|run| run.visitor <= *wanted.visitors.end());
        let times = bundle.parts.iter().map(|part| &part.span.times);
        let in_full = times.into_iter().all(|times| wanted.covers(times));
        let (bundle, last) = (Arc::clone(bundle), Arc::default());
        Some(ResidentRun { bundle, columns, wanted, in_full, visitors: first..until, last })
    }

    pub(crate) fn next_block(&mut self) -> Option<Block> {
        let bundle = Arc::clone(&self.bundle);
        let order = bundle.order()?;
        while !self.visitors.is_empty() {
            let start = order.start(self.visitors.start);
            let rest = order.visitors.get(self.visitors.clone()).unwrap_or_default();
            let full = rest.partition_point(|run| (run.end as usize) < start + BLOCK_ROWS);
            let runs = rest.get(..=full).unwrap_or(rest);
            self.visitors.start += runs.len();
            let (visitors, ranges) = self.narrow(order, start, runs);
            if !visitors.is_empty() {
                return Some(self.block(order, visitors, ranges));
            }
        }
        None
    }

    /// The visitors that have wanted rows, and where these are.
    fn narrow(
        &self,
        order: &Order,
        mut start: usize,
        runs: &[VisitorRun],
    ) -> (Vec<VisitorRun>, Vec<Range<usize>>) {
        if self.in_full {
            let moved = |run: &VisitorRun| VisitorRun { end: run.end - start as u32, ..*run };
            let end = runs.last().map_or(start, |run| run.end as usize);
            return (runs.iter().map(moved).collect(), std::iter::once(start..end).collect());
        }
        let (mut visitors, mut ranges) = (Vec::with_capacity(runs.len()), Vec::new());
        let mut rows = 0;
        for run in runs {
            let end = run.end as usize;
            let wanted = order.wanted(start..end, &self.wanted);
            start = end;
            if wanted.is_empty() {
                continue;
            }
            rows += wanted.len();
            visitors.push(VisitorRun { visitor: run.visitor, end: rows as u32 });
            match ranges.last_mut() {
                Some(Range { end, .. }) if *end == wanted.start => *end = wanted.end,
                _ => ranges.push(wanted),
            }
        }
        (visitors, ranges)
    }

    fn block(&self, order: &Order, visitors: Vec<VisitorRun>, ranges: Vec<Range<usize>>) -> Block {
        let rows = ranges.iter().map(Range::len).sum();
        let mut ts = Vec::with_capacity(rows);
        ranges.iter().for_each(|range| ts.extend(order.times.of(range.clone())));
        let columns = self.columns.iter().map(|column| column.values(&ranges, rows)).collect();
        let mut before = 0;
        let place = |range: Range<usize>| {
            let at = before;
            before += range.len();
            (at, range.start)
        };
        let placed = Placed {
            bundle: Arc::clone(&self.bundle),
            ranges: ranges.into_iter().map(place).collect(),
            last: Arc::clone(&self.last),
        };
        Block {
            visitors: Visitors::from(visitors),
            ts: ts.into(),
            arrival: Arrival::in_memory(Arc::new(placed)),
            columns,
        }
    }
}
