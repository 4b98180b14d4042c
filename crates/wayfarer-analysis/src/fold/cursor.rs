//! One run of the lake, its current block, and the place reached in it.

use std::ops::Range;

use super::{
    Blocks, Hooks, Words,
    load::{Loaded, Loader},
};
use crate::Error;

/// Steps through one run, visitor by visitor, and checks that its rows are in order.
pub(super) struct Cursor {
    run: Box<dyn Blocks>,
    loader: Loader,
    block: Option<Loaded>,
    at: usize,
    last: Option<Place>,
}

/// The place of a row in the order of a run.
type Place = (u64, i64, u64, u64);

/// What a cursor needs of its task to load a block.
pub(super) struct Task<'a> {
    pub(super) words: &'a mut [Words],
    pub(super) hooks: &'a Hooks,
    pub(super) site: &'a str,
}

impl Cursor {
    pub(super) fn new(run: Box<dyn Blocks>, loader: Loader) -> Cursor {
        Cursor { run, loader, block: None, at: 0, last: None }
    }

    /// The visitor of the next row; `None` at the end. Loads a block where the last one is used up.
    pub(super) fn visitor(&mut self, task: &mut Task<'_>) -> Result<Option<u64>, Error> {
        if self.block.as_ref().is_none_or(|block| self.at == block.visitors.len()) {
            self.load(task)?;
        }
        Ok(self.block.as_ref().map(|block| block.visitors[self.at]))
    }

    /// Steps over the rows of this visitor in the current block: their range, and whether the visitor may have more in
    /// the next.
    pub(super) fn step(&mut self, visitor: u64) -> (Range<usize>, bool) {
        let Some(block) = &self.block else { return (0..0, false) };
        let rest = &block.visitors[self.at..];
        let count = rest.iter().take_while(|other| **other == visitor).count();
        let range = self.at..self.at + count;
        self.at = range.end;
        (range, self.at == block.visitors.len())
    }

    /// The current block.
    pub(super) fn block(&self) -> Option<&Loaded> {
        self.block.as_ref()
    }

    fn load(&mut self, task: &mut Task<'_>) -> Result<(), Error> {
        self.at = 0;
        self.block = None;
        let next = self.run.next_block();
        let next = next.map_err(|source| Error::Lake { site: task.site.to_owned(), source })?;
        let Some(block) = next.filter(|block| block.len() > 0) else { return Ok(()) };
        task.hooks.block(block.len())?;
        let loaded = self.loader.load(block, task.words)?;
        self.check_order(&loaded)?;
        self.block = Some(loaded);
        Ok(())
    }

    fn check_order(&mut self, block: &Loaded) -> Result<(), Error> {
        let place = |row: usize| -> Place {
            (block.visitors[row], block.rows.times[row], block.seqs[row], block.writers[row])
        };
        let rows = block.visitors.len();
        let first_fits = self.last.is_none_or(|last| last < place(0));
        let broken = (1..rows).find(|&row| place(row - 1) >= place(row));
        self.last = Some(place(rows - 1));
        match broken.or((!first_fits).then_some(0)) {
            Some(row) => Err(Error::OutOfOrder { visitor: block.visitors[row] }),
            None => Ok(()),
        }
    }
}
