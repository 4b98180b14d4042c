//! What a visitor did in a funnel, under each key by which the funnel is told apart. `funnel` counts it and `funnel-visitors`
//! finds who did it, so behind each bar stand just those that it counts.
//!
//! A funnel is **closed** unless the request says otherwise: everybody enters at the first step. Into an **open** one people
//! enter at any step. At a step are then those that did it in the period, or came on to it from the step before: an attempt at
//! these two steps alone. Those that did not come on have entered there. Who is left out of one such attempt for what it did
//! between, is left out of all.
//!
//! With `interval`, the key of a visitor is the interval in which its deepest attempt began; with `by`, the value of the
//! dimension at the step of that attempt that `attribution` names, or each value by itself.

use serde_json::json;
use wayfarer_event::Text;

use crate::{
    Error, Request, Row,
    fold::{History, NULL, Plan},
    funnel::{Asked, EXCLUDED, Funnel, Order, Reached, Rows, Stand, adjacent},
    job::Job,
    period::{Interval, Intervals},
    visit_key::EventKey,
};

/// A funnel, where people enter it, and under which keys they count.
pub(super) struct Attempts {
    pub(super) asked: Asked,
    pub(super) is_open: bool,
    pub(super) split: Split,
}

/// Under which keys visitors count.
pub(super) enum Split {
    None,
    By(EventKey, At),
    Time(Intervals),
}

/// Whose value of the dimension counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    First,
    Last,
    /// The step at this place; not known of those that did not reach it.
    Step(usize),
    /// That of all steps: each value is a funnel of its own.
    All,
}

/// What a visitor did under one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) way: Way<'a>,
    /// Whether it can still come further.
    pub(super) waits: bool,
}

/// How far it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// How it first came to each step, up to the last that it reached.
    Closed(&'a [Reached]),
    Open {
        /// How it came on to each step from the one before, where it did.
        came_on: &'a [Option<Reached>],
        /// The steps that it did in the period, as bits.
        done: u64,
    },
}

/// How a visitor came to be at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// By this attempt: from the first step, or into an open funnel from the step before.
    Came(Reached),
    /// It entered an open funnel there.
    Entered,
}

/// Room for what is followed, kept from one visitor to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    reached: Vec<Reached>,
    came_on: Vec<Option<Reached>>,
}

impl Attempts {
    pub(super) fn of(plan: &mut Plan, job: &Job<'_>) -> Result<Attempts, Error> {
        let asked = Asked::of(plan, job)?;
        let split = Split::of(plan, job)?;
        if let Split::By(key, _) = &split
            && key.looks_ahead()
        {
            // The visit of a last step is seen to its end.
            plan.after(asked.funnel.longest().saturating_add(job.context.visits.cap));
        }
        let is_open = is_open(job.request)?;
        if is_open && !matches!(split, Split::None | Split::By(_, At::All)) {
            let problem = "is open: break down with attribution=all, and not by time";
            return Err(Error::parameter("entry", problem));
        }
        Ok(Attempts { asked, is_open, split })
    }

    /// What an answer says of how it was asked.
    pub(super) fn meta(&self, request: &Request) -> Row {
        let mut meta = Asked::meta(request);
        meta.insert("entry".into(), json!(if self.is_open { "open" } else { "closed" }));
        meta
    }

    /// Hands over what a visitor did, with the code of each key under which it is at a step at least. False when it is left
    /// out: with each value a funnel of its own, of one of these.
    #[inline]
    pub(super) fn each(
        &self,
        history: &History<'_>,
        scratch: &mut Scratch,
        mut take: impl FnMut(u32, &Outcome<'_>),
    ) -> bool {
        let rows = self.asked.rows(history);
        if let Split::By(key, At::All) = &self.split {
            return self.each_value(history, rows, &key.codes(history), scratch, take);
        }
        let Some(outcome) = self.follow(rows, scratch) else { return false };
        if outcome.is_anywhere() {
            take(self.code(history, &outcome), &outcome);
        }
        true
    }

    /// The same for each value of a dimension by itself, as if the visitor had no other rows.
    fn each_value(
        &self,
        history: &History<'_>,
        rows: Rows<'_>,
        codes: &[u32],
        scratch: &mut Scratch,
        mut take: impl FnMut(u32, &Outcome<'_>),
    ) -> bool {
        let met = codes.iter().zip(rows.masks).filter(|(_, mask)| **mask != 0);
        let mut values: Vec<u32> = met.map(|(code, _)| *code).collect();
        values.sort_unstable();
        values.dedup();
        let mut is_in_all = true;
        for value in values {
            let own = |(mask, code): (&u64, &u32)| {
                if *code == value { *mask } else { mask & EXCLUDED }
            };
            let masks: Vec<u64> = rows.masks.iter().zip(codes).map(own).collect();
            let counts: Option<Vec<bool>> = (self.asked.funnel.order == Order::Strict).then(|| {
                let selects = |row: usize| history.selects(self.asked.selected, row);
                codes.iter().enumerate().map(|(row, code)| *code == value && selects(row)).collect()
            });
            let rows = Rows { masks: &masks, counts: counts.as_deref(), ..rows };
            match self.follow(rows, scratch) {
                Some(outcome) if outcome.is_anywhere() => take(value, &outcome),
                Some(_) => {}
                None => is_in_all = false,
            }
        }
        is_in_all
    }

    /// What a visitor with these rows did; `None` when it is left out.
    #[inline]
    fn follow<'r>(&self, rows: Rows<'r>, scratch: &'r mut Scratch) -> Option<Outcome<'r>> {
        if self.is_open {
            return self.follow_open(rows, scratch);
        }
        let stand = self.asked.funnel.follow(rows, &mut scratch.reached);
        let waits = stand.waits(self.asked.open_from);
        let way = Way::Closed(&scratch.reached);
        (stand != Stand::LeftOut).then_some(Outcome { rows, way, waits })
    }

    /// The same where it may have entered at any step.
    fn follow_open<'r>(&self, rows: Rows<'r>, scratch: &'r mut Scratch) -> Option<Outcome<'r>> {
        let Scratch { reached, came_on } = scratch;
        let pair = Funnel { steps: 2, ..self.asked.funnel };
        came_on.clear();
        came_on.push(None);
        // The steps to which it still may come on.
        let mut waiting = 0;
        for place in 1..self.asked.funnel.steps {
            let masks = adjacent(rows.masks, place);
            let stand = pair.follow(Rows { masks: &masks, ..rows }, reached);
            if stand == Stand::LeftOut {
                return None;
            }
            waiting |= u64::from(stand.waits(self.asked.open_from)) << place;
            came_on.push(reached.get(1).copied());
        }
        let (start, end) = rows.entry;
        let steps = rows.masks[start..end].iter().filter(|mask| **mask & EXCLUDED == 0);
        let done = steps.fold(0, |done, mask| done | mask);
        let way = Way::Open { came_on, done };
        Some(Outcome { rows, way, waits: waiting & !done != 0 })
    }

    /// The key of a visitor that has one.
    #[inline]
    fn code(&self, history: &History<'_>, outcome: &Outcome<'_>) -> u32 {
        let Way::Closed(reached @ [.., last]) = outcome.way else { return 0 };
        match &self.split {
            Split::None => 0,
            Split::Time(intervals) => intervals.find(0, history.times()[last.start]) as u32,
            Split::By(key, at) => {
                let row = match at {
                    At::First | At::Step(0) => Some(last.start),
                    At::Step(place) => reached.get(*place).map(|reached| reached.end),
                    At::Last | At::All => Some(last.end),
                };
                row.map_or(NULL, |row| key.at(history, row))
            }
        }
    }

    /// The text of a key: codes hold for the visitors of one state alone.
    pub(super) fn name(&self, history: &History<'_>, code: u32) -> Option<Text> {
        match &self.split {
            Split::None => None,
            Split::Time(intervals) => intervals.labels().get(code as usize).map(Text::from),
            Split::By(key, _) => key.name(history, code),
        }
    }
}

impl Outcome<'_> {
    #[inline]
    fn is_anywhere(&self) -> bool {
        match self.way {
            Way::Closed(reached) => !reached.is_empty(),
            Way::Open { came_on, done } => done != 0 || came_on.iter().any(Option::is_some),
        }
    }

    /// How it came to be at the step at this place; `None` where it is not.
    pub(super) fn at(&self, place: usize) -> Option<Stay> {
        match self.way {
            Way::Closed(reached) => reached.get(place).copied().map(Stay::Came),
            Way::Open { came_on, done } => {
                let entered = || (done >> place & 1 == 1).then_some(Stay::Entered);
                came_on.get(place)?.map(Stay::Came).or_else(entered)
            }
        }
    }

    /// Whether it came on from the step at this place to the next.
    pub(super) fn goes_on(&self, place: usize) -> bool {
        matches!(self.at(place + 1), Some(Stay::Came(_)))
    }

    /// When the attempt that brought it to the step at this place began, and when it was there. Who entered there began there,
    /// when it first did the step.
    #[inline]
    pub(super) fn times(&self, place: usize, stay: Stay) -> (i64, i64) {
        let (start, end) = match stay {
            Stay::Came(reached) => (reached.start, reached.end),
            Stay::Entered => {
                let first = self.first(place);
                (first, first)
            }
        };
        (self.rows.times[start], self.rows.times[end])
    }

    /// The first row of the period that meets a step.
    fn first(&self, place: usize) -> usize {
        let (start, end) = self.rows.entry;
        let meets = |mask: &u64| mask & EXCLUDED == 0 && mask >> place & 1 == 1;
        let found = self.rows.masks[start..end].iter().position(meets);
        start + found.unwrap_or(0)
    }
}

fn is_open(request: &Request) -> Result<bool, Error> {
    match request.entry.as_deref() {
        None | Some("closed") => Ok(false),
        Some("open") => Ok(true),
        Some(other) => {
            Err(Error::parameter("entry", format!("is `{other}`: it can be closed or open")))
        }
    }
}

impl At {
    fn of(request: &Request) -> Result<At, Error> {
        let step = |text: &str| -> Option<usize> {
            text.parse().ok().filter(|step| (1..=request.steps.len()).contains(step))
        };
        match request.attribution.as_deref() {
            None if is_open(request)? => Ok(At::All),
            Some(text) if step(text).is_some() && request.order.as_deref() == Some("any") => {
                let problem = format!(
                    "is `{text}`: in any order no step has a number, so it can be first, last or all"
                );
                Err(Error::parameter("attribution", problem))
            }
            None | Some("first") => Ok(At::First),
            Some("last") => Ok(At::Last),
            Some("all") => Ok(At::All),
            Some(text) => step(text).map(|step| At::Step(step - 1)).ok_or_else(|| {
                let problem = format!("is `{text}`: it can be first, last, all or a step's number");
                Error::parameter("attribution", problem)
            }),
        }
    }
}

impl Split {
    fn of(plan: &mut Plan, job: &Job<'_>) -> Result<Split, Error> {
        let at = At::of(job.request)?;
        match (EventKey::of(plan, job)?, job.request.interval.as_deref()) {
            (None, _) if job.request.attribution.is_some() => {
                Err(Error::parameter("attribution", "is about a dimension: give `by`, too"))
            }
            (None, None) => Ok(Split::None),
            (Some(key), None) => Ok(Split::By(key, at)),
            (None, Some(_)) => {
                let interval = Interval::of(job.request, Interval::Day)?;
                Ok(Split::Time(job.period.intervals(interval)?))
            }
            (Some(_), Some(_)) => Err(Error::parameter("interval", "cannot be given beside `by`")),
        }
    }

    /// The field in which rows tell the key, where there are keys.
    pub(super) fn field(&self) -> Option<&'static str> {
        match self {
            Split::None => None,
            Split::By(..) => Some("key"),
            Split::Time(_) => Some("t"),
        }
    }
}
