//! Answers that are kept, and never wrong: each with all that it follows from.
//!
//! An answer follows from the question, from the rows, and from what the [`Context`] says: the time zone, the rule of visits,
//! goals, segments, and the present. All of that is the key, word for word. The rows are named by the position of their
//! source, so one more event, one late event or an erasure makes another key. Reports that look at the present only to find
//! their period ([`ONLY_FOR_THE_PERIOD`]) have the period in the key in its place; all others the present itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use serde_json::json;

use crate::{Answer, Context, Error, Request, answer, period::Period};

/// Reports that look at the present only to find their period. A report that is not here is right, but asked anew as time
/// goes on; one that should not be here would be wrong.
const ONLY_FOR_THE_PERIOD: [&str; 7] =
    ["breakdown", "goals", "paths", "step-matrix", "transitions", "trend", "visits"];

/// Answers with more rows than this are not kept.
const MOST_ROWS: usize = 10_000;

/// Answers of one source, of which [`Context::source`] must always be a view.
#[derive(Debug)]
pub struct Answers {
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<String, Entry>,
    bytes: usize,
    turn: u64,
    found: u64,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    bytes: usize,
    used: u64,
}

impl Answers {
    /// Keeps answers of about so many bytes; of 0, none.
    #[must_use]
    pub fn new(most_bytes: usize) -> Answers {
        Answers { most_bytes, kept: Mutex::default() }
    }

    /// Answers a request as [`answer`] does, from memory where nothing has changed that it follows from.
    ///
    /// # Errors
    /// As [`answer`]. Errors are not kept.
    pub fn answer(&self, context: &Context, request: &Request) -> Result<Answer, Error> {
        let Some(key) = (self.most_bytes > 0).then(|| key(context, request)).flatten() else {
            return answer(context, request);
        };
        if let Some(known) = self.kept().find(&key) {
            return Ok(known);
        }
        let answer = answer(context, request)?;
        if answer.rows.len() <= MOST_ROWS
            && let Ok(text) = serde_json::to_vec(&answer)
        {
            // In memory it takes about twice what it takes as text.
            let bytes = key.len() + 2 * text.len();
            self.kept().keep(key, answer.clone(), bytes, self.most_bytes);
        }
        Ok(answer)
    }

    /// How many answers came from memory so far.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.kept().found
    }

    /// How much memory they take, about, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.kept().bytes
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, key: &str) -> Option<Answer> {
        self.turn += 1;
        let entry = self.answers.get_mut(key)?;
        entry.used = self.turn;
        self.found += 1;
        Some(entry.answer.clone())
    }

    /// Keeps an answer; those that were not asked for longest make room.
    fn keep(&mut self, key: String, answer: Answer, bytes: usize, most: usize) {
        if bytes > most {
            return;
        }
        while self.bytes + bytes > most {
            let oldest = self.answers.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            self.remove(&oldest);
        }
        self.remove(&key);
        self.bytes += bytes;
        self.answers.insert(key, Entry { answer, bytes, used: self.turn });
    }

    fn remove(&mut self, key: &str) {
        if let Some(gone) = self.answers.remove(key) {
            self.bytes -= gone.bytes;
        }
    }
}

/// All that the answer follows from; `None` where that cannot be written down.
fn key(context: &Context, request: &Request) -> Option<String> {
    let position = context.source.position();
    let period = Period::of(context, request).ok()?;
    let period = period.map(|period| (period.from.0, period.until.0));
    let looks_at_now = !ONLY_FOR_THE_PERIOD.contains(&request.report.as_str());
    let key = json!([
        request,
        [position.snapshot, position.next_seq],
        period,
        looks_at_now.then_some(context.now.0),
        // A zone without a name has rules that are not told by one.
        context.timezone.iana_name()?,
        context.visits,
        context.goals,
        context.segments,
    ]);
    serde_json::to_string(&key).ok()
}
