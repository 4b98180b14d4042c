//! Which visitors a report is about: those that did something, and those that did not do something else.
//!
//! A filter chooses events; these conditions choose visitors, by what they did in the report's period, or within so long
//! before its end. A report among some visitors is the same fold, which the others never reach.

use wayfarer_event::Micros;

use crate::{
    Error, Request,
    filter::Expr,
    fold::{Fold, History, Plan, TestSlot},
    job::read,
    period::Period,
    span::span,
};

/// What visitors must have done, or not done, and when.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    did: Vec<Expr>,
    did_not: Vec<Expr>,
    within: Option<i64>,
    /// At or after the first, before the second.
    when: (Micros, Micros),
}

impl Conditions {
    /// Those of a request; `None` where it has none.
    pub(crate) fn of(request: &Request, period: &Period) -> Result<Option<Conditions>, Error> {
        let all = |parameter, texts: &[String]| -> Result<Vec<Expr>, Error> {
            let read = texts.iter().map(|text| read(parameter, Some(text)));
            read.filter_map(Result::transpose).collect()
        };
        let within = request.within.as_deref().map(|text| span("within", text)).transpose()?;
        let conditions = Conditions {
            did: all("did", &request.did)?,
            did_not: all("did_not", &request.did_not)?,
            within,
            when: (period.from, period.until),
        };
        if conditions.did.is_empty() && conditions.did_not.is_empty() {
            return match within {
                Some(_) => {
                    Err(Error::parameter("within", "says when: give `did` or `did_not`, too"))
                }
                None => Ok(None),
            };
        }
        Ok(Some(conditions.during(period)))
    }

    /// The same conditions for another period.
    pub(crate) fn during(mut self, period: &Period) -> Conditions {
        let from = self.within.map_or(period.from, |within| period.until.plus(-within));
        self.when = (from, period.until);
        self
    }

    /// The fold among these visitors. Sees to it that the walk over a period reads what the conditions are about.
    pub(crate) fn around<'f, F>(
        &self,
        plan: &mut Plan,
        fold: &'f F,
        walked: (Micros, Micros),
    ) -> Among<'f, F> {
        let (from, until) = self.when;
        if from < walked.0 {
            plan.ever();
        }
        plan.after(until.0.saturating_sub(walked.1.0));
        let mut tests = |exprs: &[Expr]| exprs.iter().map(|expr| plan.test(expr)).collect();
        Among { fold, did: tests(&self.did), did_not: tests(&self.did_not), when: self.when }
    }
}

/// A fold that only some visitors reach.
pub(crate) struct Among<'f, F> {
    fold: &'f F,
    did: Vec<TestSlot>,
    did_not: Vec<TestSlot>,
    when: (Micros, Micros),
}

impl<F: Fold> Fold for Among<'_, F> {
    type State = F::State;
    type Output = F::Output;
    const VERSION: u32 = F::VERSION;

    fn start(&self) -> F::State {
        self.fold.start()
    }

    fn visitor(&self, state: &mut F::State, history: &History<'_>) -> Result<(), Error> {
        let times = history.times();
        let place = |instant: Micros| times.partition_point(|ts| *ts < instant.0);
        let rows = place(self.when.0)..place(self.when.1).max(place(self.when.0));
        let has = |test: &TestSlot| history.test(*test)[rows.clone()].contains(&true);
        if self.did.iter().all(has) && !self.did_not.iter().any(has) {
            self.fold.visitor(state, history)?;
        }
        Ok(())
    }

    fn merge(&self, state: &mut F::State, other: F::State) {
        self.fold.merge(state, other);
    }

    fn finish(&self, state: F::State) -> F::Output {
        self.fold.finish(state)
    }
}
