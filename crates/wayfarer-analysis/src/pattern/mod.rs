//! Patterns: sequences of events as people write them, such as `/cart->[^purchase]*->/`.
//!
//! **Language.** Items stand in a row, with `->` between. An item is one of
//!
//! | item | an event that |
//! | --- | --- |
//! | `purchase` | has this name |
//! | `/cart` | is a page view of this path |
//! | `'add to cart'` | the same for names and paths with other characters |
//! | `(value > 10)` | the filter selects |
//! | `[a, /b]`, `[^a, /b]` | is one of these, is none of these |
//! | `.` | is there |
//!
//! and may be followed by `*`, `+`, `?`, `{2}`, `{2,}` or `{2,5}`, as in regular expressions. `^` at the beginning and `$` at the
//! end mean the first and the last event.
//!
//! **Definition.** A *match* is a run of events, one right after the other, that the items describe from the first to the
//! last. Matches are taken from left to right and share no event: each ends as early as any can, and of those that end there
//! it is the shortest.
//!
//! `parser` reads a pattern, `matcher` finds its matches in one pass, with one place for each item.

mod matcher;
mod parser;
#[cfg(test)]
mod tests;

pub(crate) use parser::parse;

use crate::filter::Expr;

/// The most different conditions in one pattern: one bit each.
const CONDITIONS: usize = 64;

/// The most places of a pattern: items, with each repeat that is written as a number counted out.
const PLACES: usize = 256;

/// A pattern, ready to be searched for.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// What the bits of an event's mask mean.
    pub(crate) conditions: Vec<Expr>,
    places: Vec<Place>,
    at_start: bool,
    at_end: bool,
}

/// A place for one event, or for any number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    set: Set,
    times: Times,
}

/// Which events fit, by the bits of their conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set {
    bits: u64,
    negated: bool,
}

/// How many events a place takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    One,
    AtMostOne,
    Any,
}

impl Set {
    /// Every event.
    const ANY: Set = Set { bits: 0, negated: true };

    fn fits(self, mask: u64) -> bool {
        (mask & self.bits != 0) != self.negated
    }
}
