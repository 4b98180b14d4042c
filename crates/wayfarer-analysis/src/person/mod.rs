//! By person: the same events, told of accounts instead of browsers where an account is known.
//!
//! **Definition.** An event with a user is of that user. An event without one is of the last user that its visitor was known
//! by at that time, or else of the first one that it was known by later: what somebody did before logging in is theirs. A
//! visitor that was never known by a user is a person of its own. All that is known counts, not the period alone.
//!
//! Stored rows are not touched. `links` walks once over the column of users and learns who is who; [`ByPerson`] then stands
//! before the real source and hands out the rows of linked visitors under a number of their person, put together and sorted
//! by `gather`. Linked visitors are few (those that log in), so their rows are held in memory, up to a bound.

mod gather;
mod links;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
};

use wayfarer_event::{Column, Micros};
use wayfarer_lake::{Block, Error as LakeError, Position, Scan};

pub(crate) use self::links::Persons;
use self::{gather::Gathered, links::Links};
use crate::{
    Context, Error, Request,
    fold::{Blocks, Hooks, Source},
};

/// Events by person. A [`Source`] over another.
pub(crate) struct ByPerson {
    inner: Arc<dyn Source>,
    links: Links,
    /// The rows of linked visitors of the last scan: all threads of a walk ask for the same.
    gathered: Mutex<Option<(Asked, Arc<Gathered>)>>,
}

/// What decides which rows and columns are gathered.
type Asked = (Vec<Column>, Option<Micros>, Option<Micros>);

/// The source of a request: as it is, or by person where its `unit` says so; and who the persons are.
pub(crate) fn source(
    context: &Context,
    request: &Request,
) -> Result<(Arc<dyn Source>, Persons), Error> {
    let inner = Arc::clone(&context.source);
    match request.unit.as_deref() {
        None | Some("visitor") => Ok((inner, Persons::default())),
        Some("user") => {
            let links = Links::of(context, &request.site)?;
            let persons = links.persons();
            Ok((Arc::new(ByPerson { inner, links, gathered: Mutex::default() }), persons))
        }
        Some(other) => {
            Err(Error::parameter("unit", format!("is `{other}`: it can be visitor or user")))
        }
    }
}

/// The number of a person: a hash, as visitors are. The same in every run of the same build.
fn number(user: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

impl Source for ByPerson {
    fn runs(&self, scan: &Scan) -> Result<Vec<Box<dyn Blocks>>, LakeError> {
        let mut runs: Vec<Box<dyn Blocks>> = Vec::new();
        for run in self.inner.runs(scan)? {
            runs.push(Box::new(Unlinked { run, linked: self.links.visitors() }));
        }
        runs.push(Box::new(self.gathered(scan)?.run(&scan.visitors)));
        Ok(runs)
    }

    fn prepare(&self, scan: &Scan, threads: usize, hooks: &Hooks) -> Result<(), LakeError> {
        self.inner.prepare(scan, threads, hooks)
    }

    fn time_range(&self, site: &str) -> Option<(Micros, Micros)> {
        self.inner.time_range(site)
    }

    fn position(&self) -> Position {
        self.inner.position()
    }
}

impl ByPerson {
    fn gathered(&self, scan: &Scan) -> Result<Arc<Gathered>, LakeError> {
        let asked = (scan.columns.clone(), scan.from, scan.until);
        let mut last = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, gathered)) = last.as_ref().filter(|(known, _)| *known == asked) {
            return Ok(Arc::clone(gathered));
        }
        let gathered = Arc::new(Gathered::of(self.inner.as_ref(), &self.links, scan)?);
        *last = Some((asked, Arc::clone(&gathered)));
        Ok(gathered)
    }
}

/// A run without the rows of linked visitors.
struct Unlinked {
    run: Box<dyn Blocks>,
    /// In ascending order.
    linked: Arc<[u64]>,
}

impl Blocks for Unlinked {
    fn next_block(&mut self) -> Result<Option<Block>, LakeError> {
        while let Some(block) = self.run.next_block()? {
            let is_linked = |visitor: u64| self.linked.binary_search(&visitor).is_ok();
            let runs = block.visitors.runs();
            if !runs.iter().any(|run| is_linked(run.visitor)) {
                return Ok(Some(block));
            }
            let rows: Vec<u32> = (0_u32..)
                .zip(block.visitors.each())
                .filter(|(_, visitor)| !is_linked(*visitor))
                .map(|(row, _)| row)
                .collect();
            if !rows.is_empty() {
                return Ok(Some(block.pick(&rows)));
            }
        }
        Ok(None)
    }
}

/// The part of a sorted list whose numbers lie in a range.
fn within<T>(
    sorted: &[T],
    range: &RangeInclusive<u64>,
    number: impl Fn(&T) -> u64,
) -> (usize, usize) {
    let start = sorted.partition_point(|item| number(item) < *range.start());
    let end = sorted.partition_point(|item| number(item) <= *range.end());
    (start, end.max(start))
}
