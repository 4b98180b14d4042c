//! Which visitors a report is about: those that did something, and those that did not do something else.
//!
//! A filter chooses events; these conditions choose visitors, by what they did in the report's period, or within so long
//! before its end. A report among some visitors is the same fold, which the others never reach.

use wayfarer_event::Micros;

use crate::{
    Error, Request, Segment,
    filter::Expr,
    fold::{Fold, History, Plan, TestSlot},
    job::read,
    period::Period,
    span::span,
};

/// What visitors must have done, or not done, and when: by the request itself and by each of its segments.
#[derive(Clone, Debug)]
pub(crate) struct Conditions(Vec<Condition>);

/// What visitors must have done, or not done, in one time.
#[derive(Clone, Debug)]
struct Condition {
    did: Vec<Expr>,
    did_not: Vec<Expr>,
    within: Option<i64>,
    /// At or after the first, before the second.
    when: (Micros, Micros),
}

impl Conditions {
    /// Those of a request and of the segments that it names; `None` where there are none.
    pub(crate) fn of(
        request: &Request,
        segments: &[&Segment],
        period: &Period,
    ) -> Result<Option<Conditions>, Error> {
        let Request { did, did_not, within, .. } = request;
        let mut all = Vec::from_iter(Condition::of(did, did_not, within.as_deref())?);
        for Segment { did, did_not, within, .. } in segments {
            all.extend(Condition::of(did, did_not, within.as_deref())?);
        }
        Ok((!all.is_empty()).then(|| Conditions(all).during(period)))
    }

    /// The same conditions for another period.
    pub(crate) fn during(mut self, period: &Period) -> Conditions {
        for condition in &mut self.0 {
            let from = condition.within.map_or(period.from, |within| period.until.plus(-within));
            condition.when = (from, period.until);
        }
        self
    }

    /// The fold among these visitors. Sees to it that the walk over a period reads what the conditions are about.
    pub(crate) fn around<'f, F>(
        &self,
        plan: &mut Plan,
        fold: &'f F,
        walked: (Micros, Micros),
    ) -> Among<'f, F> {
        let ask = |condition: &Condition| {
            let (from, until) = condition.when;
            if from < walked.0 {
                plan.ever();
            }
            plan.after(until.0.saturating_sub(walked.1.0));
            let mut tests = |exprs: &[Expr]| exprs.iter().map(|expr| plan.test(expr)).collect();
            Asked {
                did: tests(&condition.did),
                did_not: tests(&condition.did_not),
                when: (from, until),
            }
        };
        Among { fold, asked: self.0.iter().map(ask).collect() }
    }
}

impl Condition {
    /// Reads one; `None` where nothing is said.
    fn of(
        did: &[String],
        did_not: &[String],
        within: Option<&str>,
    ) -> Result<Option<Condition>, Error> {
        let all = |parameter, texts: &[String]| -> Result<Vec<Expr>, Error> {
            let read = texts.iter().map(|text| read(parameter, Some(text)));
            read.filter_map(Result::transpose).collect()
        };
        let condition = Condition {
            did: all("did", did)?,
            did_not: all("did_not", did_not)?,
            within: within.map(|text| span("within", text)).transpose()?,
            when: (Micros(0), Micros(0)),
        };
        let is_empty = condition.did.is_empty() && condition.did_not.is_empty();
        if is_empty && condition.within.is_some() {
            return Err(Error::parameter("within", "says when: give `did` or `did_not`, too"));
        }
        Ok((!is_empty).then_some(condition))
    }
}

/// A fold that only some visitors reach.
pub(crate) struct Among<'f, F> {
    fold: &'f F,
    asked: Vec<Asked>,
}

/// A condition, as a walk tests it.
struct Asked {
    did: Vec<TestSlot>,
    did_not: Vec<TestSlot>,
    when: (Micros, Micros),
}

impl Asked {
    fn holds(&self, history: &History<'_>) -> bool {
        let times = history.times();
        let place = |instant: Micros| times.partition_point(|ts| *ts < instant.0);
        let rows = place(self.when.0)..place(self.when.1).max(place(self.when.0));
        let has = |test: &TestSlot| history.test(*test)[rows.clone()].contains(&true);
        self.did.iter().all(has) && !self.did_not.iter().any(has)
    }
}

impl<F: Fold> Fold for Among<'_, F> {
    type State = F::State;
    type Output = F::Output;
    const VERSION: u32 = F::VERSION;

    fn start(&self) -> F::State {
        self.fold.start()
    }

    fn visitor(&self, state: &mut F::State, history: &History<'_>) -> Result<(), Error> {
        if self.asked.iter().all(|condition| condition.holds(history)) {
            self.fold.visitor(state, history)?;
        }
        Ok(())
    }

    fn merge(&self, state: &mut F::State, other: F::State) {
        self.fold.merge(state, other);
    }

    fn check(&self, state: &F::State) -> Result<(), Error> {
        self.fold.check(state)
    }

    fn finish(&self, state: F::State) -> F::Output {
        self.fold.finish(state)
    }
}
