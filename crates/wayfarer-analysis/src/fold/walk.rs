//! Splits the visitors of a site among threads and walks each one's history once.
//!
//! **Visits at the edges of the period.** A visit belongs to the period in which it starts. To know where the visits start
//! that reach into the period, a walk that needs visits looks back a little before it. A visitor whose rows go back to the
//! very edge of that look-back, with no gap to tell where the visit began, is put off, and walked again with a look-back
//! eight times as long, until the gap is found or there is nothing earlier. After the period a walk reads on as long as a
//! visit can last. So visits are exact, and the look-back is long only for the few who need it.

use std::{ops::RangeInclusive, thread};

use wayfarer_event::Micros;
use wayfarer_lake::Scan;

use super::{
    Fold, History, Hooks, Plan, Rows, Source, Words,
    cursor::{Cursor, Task},
    load::Loader,
    merge::{Found, Merge, words},
    rows::Columns,
};
use crate::{Error, VisitRule};

/// How many gaps long the first look-back is.
const FIRST_LOOK_BACK: i64 = 4;
/// By how much a look-back that was too short grows.
const WIDER: i64 = 8;

/// Which rows to walk over.
#[derive(Clone)]
pub struct Walk<'a> {
    /// The events.
    pub source: &'a dyn Source,
    /// Whose events.
    pub site: &'a str,
    /// The period: at or after the first, before the second.
    pub period: (Micros, Micros),
    /// Which visitors.
    pub visitors: RangeInclusive<u64>,
    /// What the folds need to see.
    pub plan: Plan,
    /// Whether rows of bots count like others.
    pub bots: bool,
    /// How many threads may work.
    pub threads: usize,
    /// Progress and cancellation.
    pub hooks: &'a Hooks,
}

/// Walks over every visitor's history and tells what the fold makes of it.
///
/// # Errors
/// When the lake cannot be read, its rows are out of order, the answer outgrows its bounds, or the caller cancelled.
pub fn run<F: Fold>(walk: &Walk<'_>, fold: &F) -> Result<F::Output, Error> {
    walk.prepare()?;
    let parts = split(&walk.visitors, walk.threads);
    let states = thread::scope(|scope| {
        let (first, rest) = parts.split_first().unzip();
        let rest: Vec<_> = rest
            .into_iter()
            .flatten()
            .map(|part| scope.spawn(|| walk.part(fold, part.clone())))
            .collect();
        let first = first.map(|part| walk.part(fold, part.clone()));
        let joined = rest
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        first.into_iter().chain(joined).collect::<Result<Vec<_>, Error>>()
    })?;
    let mut states = states.into_iter();
    let mut merged = states.next().unwrap_or_else(|| fold.start());
    for state in states {
        fold.merge(&mut merged, state);
        fold.check(&merged)?;
    }
    Ok(fold.finish(merged))
}

/// Cuts the visitors into ranges of equal length. Visitors are hashes: each range has as many as any other.
fn split(visitors: &RangeInclusive<u64>, parts: usize) -> Vec<RangeInclusive<u64>> {
    let first = u128::from(*visitors.start());
    let length = (u128::from(*visitors.end()) + 1).saturating_sub(first);
    let parts = (parts.max(1) as u128).min(length.max(1));
    let edge = |part: u128| first + length * part / parts;
    (0..parts)
        .filter(|part| edge(*part) < edge(part + 1))
        .map(|part| edge(part) as u64..=(edge(part + 1) - 1) as u64)
        .collect()
}

impl Walk<'_> {
    /// Walks over the visitors of one range. What [`run`] does for each thread, a cluster does for each machine.
    ///
    /// # Errors
    /// As [`run`].
    pub fn part<F: Fold>(
        &self,
        fold: &F,
        mut visitors: RangeInclusive<u64>,
    ) -> Result<F::State, Error> {
        let mut state = fold.start();
        // One for all passes: what a code means must not change under the state.
        let mut words = words(&self.plan);
        let mut look_back = self.look_back();
        let mut wanted = None;
        loop {
            let edge = self.edge(look_back);
            let pass = Pass { walk: self, fold, edge, wanted };
            let put_off = pass.run(visitors.clone(), &mut words, &mut state)?;
            let (Some(first), Some(last)) = (put_off.first(), put_off.last()) else {
                return Ok(state);
            };
            visitors = *first..=*last;
            wanted = Some(put_off);
            look_back = look_back.saturating_mul(WIDER);
        }
    }

    /// Lets the source make ready for a walk over everybody. One over few visitors reads what it needs.
    fn prepare(&self) -> Result<(), Error> {
        if self.visitors != (0..=u64::MAX) {
            return Ok(());
        }
        let mut plan = self.plan.clone();
        Loader::new(&mut plan, self.bots);
        let scan = self.scan(&plan, self.edge(self.look_back()), self.visitors.clone());
        let prepared = self.source.prepare(&scan, self.threads, self.hooks);
        prepared.map_err(|source| self.failed(source))
    }

    /// What is read, from the edge on.
    fn scan(&self, plan: &Plan, edge: Option<Micros>, visitors: RangeInclusive<u64>) -> Scan {
        Scan {
            site: self.site.to_owned(),
            columns: plan.columns.clone(),
            from: edge,
            until: Some(self.until()),
            visitors,
        }
    }

    fn failed(&self, source: wayfarer_lake::Error) -> Error {
        Error::Lake { site: self.site.to_owned(), source }
    }

    fn look_back(&self) -> i64 {
        self.plan.visits.map_or(0, |rule| rule.gap.saturating_mul(FIRST_LOOK_BACK))
    }

    /// Where a look-back ends; `None` where nothing lies before it.
    fn edge(&self, look_back: i64) -> Option<Micros> {
        let edge = self.period.0.plus(-look_back);
        let (first, _) = self.source.time_range(self.site)?;
        (!self.plan.ever && first < edge).then_some(edge)
    }

    fn until(&self) -> Micros {
        self.period.1.plus(self.plan.visits.map_or(0, |rule| rule.cap).max(self.plan.after))
    }
}

/// One walk over a range of visitors, with one look-back.
struct Pass<'a, F> {
    walk: &'a Walk<'a>,
    fold: &'a F,
    edge: Option<Micros>,
    /// Only these visitors, in order; all where `None`.
    wanted: Option<Vec<u64>>,
}

impl<F: Fold> Pass<'_, F> {
    /// Folds the visitors of the range, and gives those back, in order, whose visits began before the edge.
    fn run(
        &self,
        visitors: RangeInclusive<u64>,
        words: &mut [Words],
        state: &mut F::State,
    ) -> Result<Vec<u64>, Error> {
        let walk = self.walk;
        let mut plan = walk.plan.clone();
        let loader = Loader::new(&mut plan, walk.bots);
        let cursors = self.cursors(&plan, &loader, visitors)?;
        let mut task = Task { words, hooks: walk.hooks, site: walk.site };
        let mut merge = Merge::new(cursors, &plan);
        let mut put_off = Vec::new();
        while let Some(batch) = merge.next(&mut task)? {
            for found in batch.visitors.iter().filter(|found| self.wants(found.visitor)) {
                let history = self.history(found, batch.rows(found), task.words);
                if self.began_before_the_edge(&history) {
                    put_off.push(found.visitor);
                } else if !history.inside().is_empty() || !history.hidden().inside().is_empty() {
                    self.fold.visitor(state, &history)?;
                    self.fold.check(state)?;
                }
            }
        }
        Ok(put_off)
    }

    fn cursors(
        &self,
        plan: &Plan,
        loader: &Loader,
        visitors: RangeInclusive<u64>,
    ) -> Result<Vec<Cursor>, Error> {
        let scan = self.walk.scan(plan, self.edge, visitors);
        let runs = self.walk.source.runs(&scan).map_err(|source| self.walk.failed(source))?;
        Ok(runs
            .into_iter()
            .map(|run| Cursor::new(run, loader.clone(), Columns::new(plan)))
            .collect())
    }

    fn wants(&self, visitor: u64) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.binary_search(&visitor).is_ok())
    }

    fn history<'a>(&self, found: &Found, rows: Rows<'a>, words: &'a [Words]) -> History<'a> {
        let (from, until) = self.walk.period;
        History {
            visitor: found.visitor,
            rows,
            words,
            kept: (found.start, found.kept),
            hidden: (found.kept, found.end),
            period: (from.0, until.0),
            rule: self.walk.plan.visits.unwrap_or_default(),
        }
    }

    /// Whether a row that was not read could be of the visit that reaches into the period.
    fn began_before_the_edge(&self, history: &History<'_>) -> bool {
        let (Some(edge), Some(rule)) = (self.edge, self.walk.plan.visits) else { return false };
        let times = history.times();
        let inside = history.inside();
        !inside.is_empty() && is_unbroken(&times[..=inside.start], edge.0, rule)
    }
}

/// Whether no gap in these times, nor the one before the first, ends a visit for sure.
fn is_unbroken(times: &[i64], edge: i64, rule: VisitRule) -> bool {
    let before_first = edge.saturating_sub(1);
    let starts = std::iter::once(before_first).chain(times.iter().copied());
    starts.zip(times).all(|(before, ts)| ts.saturating_sub(before) <= rule.gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_visitor_once() {
        for parts in [0, 1, 2, 3, 7] {
            let ranges = split(&(0..=u64::MAX), parts);
            assert_eq!(ranges.len(), parts.max(1));
            assert_eq!(*ranges[0].start(), 0);
            assert_eq!(*ranges[ranges.len() - 1].end(), u64::MAX);
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].end().checked_add(1), Some(*pair[1].start()));
            }
        }
    }

    #[test]
    fn few_visitors_make_few_parts() {
        assert_eq!(split(&(7..=7), 4), [7..=7]);
        assert_eq!(split(&(7..=8), 4), [7..=7, 8..=8]);
        assert_eq!(split(&(u64::MAX..=u64::MAX), 2), [u64::MAX..=u64::MAX]);
    }

    #[test]
    fn only_a_gap_tells_where_a_visit_began() {
        let rule = VisitRule { gap: 30, cap: 1000 };
        assert!(is_unbroken(&[110, 140, 170], 100, rule));
        assert!(is_unbroken(&[129], 100, rule));
        assert!(!is_unbroken(&[130], 100, rule));
        assert!(!is_unbroken(&[110, 141, 170], 100, rule));
    }
}
