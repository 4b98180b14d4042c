//! Answers that are kept, and never wrong: each with all that it follows from.
//!
//! An answer follows from the question, from the rows, and from what the [`Context`] says: the time zone, the rule of visits,
//! goals, segments, and the present. All of that is the key, word for word. The rows are named by the position of their
//! source, so one more event, one late event or an erasure makes another key. Reports whose row in the table says that they
//! look at the present only to find their period have the period in the key in its place; all others the present itself.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hashlink::LruCache;
use serde_json::{Value, json};

use crate::{Answer, Context, Error, Request, Row, answer, period::Period, reports::looks_at_now};

/// Answers with more rows than this are not kept.
const MOST_ROWS: usize = 10_000;

/// Answers of one source, of which [`Context::source`] must always be a view.
#[derive(Debug)]
pub struct Answers {
    most_bytes: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    /// In the order of their last use.
    answers: LruCache<String, Entry>,
    bytes: usize,
    found: u64,
}

struct Entry {
    answer: Answer,
    bytes: usize,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("answers", &self.answers.len())
            .field("bytes", &self.bytes)
            .field("found", &self.found)
            .finish()
    }
}

impl Answers {
    /// Keeps answers of about so many bytes; of 0, none.
    #[must_use]
    pub fn new(most_bytes: usize) -> Answers {
        let kept = Kept { answers: LruCache::new_unbounded(), bytes: 0, found: 0 };
        Answers { most_bytes, kept: Mutex::new(kept) }
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
        if answer.rows.len() <= MOST_ROWS {
            let bytes = key.len() + weight(&answer);
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
        let answer = self.answers.get(key)?.answer.clone();
        self.found += 1;
        Some(answer)
    }

    /// Keeps an answer; those that were not asked for longest make room.
    fn keep(&mut self, key: String, answer: Answer, bytes: usize, most: usize) {
        if bytes > most {
            return;
        }
        if let Some(replaced) = self.answers.insert(key, Entry { answer, bytes }) {
            self.bytes -= replaced.bytes;
        }
        self.bytes += bytes;
        while self.bytes > most
            && let Some((_, gone)) = self.answers.remove_lru()
        {
            self.bytes -= gone.bytes;
        }
    }
}

/// About how many bytes of memory an answer takes.
fn weight(answer: &Answer) -> usize {
    size_of::<Answer>() + answer.rows.iter().chain([&answer.meta]).map(of_row).sum::<usize>()
}

fn of_row(row: &Row) -> usize {
    // A field has its name and value in a table, beside a hash and a place in the index.
    let field = size_of::<(String, Value)>() + 2 * size_of::<usize>();
    let fields = row.iter().map(|(name, value)| field + name.len() + beneath(value));
    size_of::<Row>() + fields.sum::<usize>()
}

/// What a value takes beside its own place.
fn beneath(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + beneath(item)).sum(),
        Value::Object(row) => of_row(row),
    }
}

/// All that the answer follows from; `None` where that cannot be written down.
fn key(context: &Context, request: &Request) -> Option<String> {
    let position = context.source.position();
    let period = Period::of(context, request).ok()?;
    let period = period.map(|period| (period.from.0, period.until.0));
    let key = json!([
        request,
        [position.snapshot, position.next_seq],
        period,
        looks_at_now(&request.report).then_some(context.now.0),
        // A zone without a name has rules that are not told by one.
        context.timezone.iana_name()?,
        context.visits,
        context.goals,
        context.segments,
    ]);
    serde_json::to_string(&key).ok()
}
