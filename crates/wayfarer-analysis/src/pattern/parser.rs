//! Reads patterns.

use super::{CONDITIONS, PLACES, Pattern, Place, Set, Times};
use crate::{
    Error,
    filter::{Expr, Field, Literal, Op, Test, named},
    job::{page_view, read},
};

use wayfarer_event::Column;

/// Characters that end a name or path.
const SPECIAL: &str = "[](){},*+?^$'\"";

/// Reads a pattern.
///
/// # Errors
/// Says what was expected, and after how many characters.
pub(crate) fn parse(text: &str) -> Result<Pattern, Error> {
    let mut parser = Parser { text, at: 0, conditions: Vec::new(), places: Vec::new() };
    let at_start = parser.take("^");
    loop {
        parser.item()?;
        if !parser.take("->") {
            break;
        }
    }
    let at_end = parser.take("$");
    if !parser.rest().is_empty() {
        return Err(parser.expected("`->` or the end"));
    }
    if parser.places.iter().all(|place| place.times != Times::One) {
        return Err(Error::parameter(
            "pattern",
            "can match no event at all: give an item that must be there",
        ));
    }
    Ok(Pattern { conditions: parser.conditions, places: parser.places, at_start, at_end })
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
    conditions: Vec<Expr>,
    places: Vec<Place>,
}

impl<'a> Parser<'a> {
    /// What is still to be read, from its first character that is no space.
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default().trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is_there = self.rest().starts_with(wanted);
        self.at += if is_there { wanted.len() } else { 0 };
        is_there
    }

    fn must(&mut self, wanted: &str) -> Result<(), Error> {
        if self.take(wanted) { Ok(()) } else { Err(self.expected(&format!("`{wanted}`"))) }
    }

    fn expected(&self, what: &str) -> Error {
        let after = self.text.get(..self.at).unwrap_or_default().chars().count();
        Error::parameter("pattern", format!("needs {what} after {after} characters"))
    }

    fn item(&mut self) -> Result<(), Error> {
        let set = self.set()?;
        let (least, most) = self.times()?;
        let optional = match most {
            None => vec![Times::Any],
            Some(most) => vec![Times::AtMostOne; most.saturating_sub(least)],
        };
        if self.places.len() + least + optional.len() > PLACES {
            return Err(Error::TooMany { what: "places of a pattern", limit: PLACES });
        }
        let times = std::iter::repeat_n(Times::One, least).chain(optional);
        self.places.extend(times.map(|times| Place { set, times }));
        Ok(())
    }

    fn set(&mut self) -> Result<Set, Error> {
        if self.rest().starts_with('.') {
            self.at += 1;
            return Ok(Set::ANY);
        }
        if !self.take("[") {
            return Ok(Set { bits: self.condition()?, negated: false });
        }
        let negated = self.take("^");
        let mut bits = self.condition()?;
        while self.take(",") {
            bits |= self.condition()?;
        }
        self.must("]")?;
        Ok(Set { bits, negated })
    }

    /// One condition, as its bit.
    fn condition(&mut self) -> Result<u64, Error> {
        let expr = if self.rest().starts_with('(') { self.filter()? } else { self.name()? };
        let known = self.conditions.iter().position(|known| same(known, &expr));
        let place = known.unwrap_or(self.conditions.len());
        if place == CONDITIONS {
            return Err(Error::TooMany { what: "conditions in a pattern", limit: CONDITIONS });
        }
        if known.is_none() {
            self.conditions.push(expr);
        }
        Ok(1 << place)
    }

    /// A filter in brackets: up to the bracket that closes it, outside of quotes.
    fn filter(&mut self) -> Result<Expr, Error> {
        let rest = self.rest();
        let (mut depth, mut quote) = (0_u32, None);
        for (place, c) in rest.char_indices() {
            match (c, quote) {
                (c, Some(open)) if c == open => quote = None,
                ('\'' | '"', None) => quote = Some(c),
                ('(', None) => depth += 1,
                (')', None) => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at += place + 1;
                let filter = read("pattern", rest.get(1..place))?;
                return filter.ok_or_else(|| self.expected("a filter in the brackets"));
            }
        }
        Err(self.expected("`)`"))
    }

    /// A name or a path.
    fn name(&mut self) -> Result<Expr, Error> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let (name, length) = match quote {
            Some(quote) => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find(quote).ok_or_else(|| self.expected("the closing quote"))?;
                (inner.get(..end).unwrap_or_default(), end + 2)
            }
            None => {
                let is_end = |c: char| c.is_whitespace() || SPECIAL.contains(c);
                let end = rest
                    .find(is_end)
                    .unwrap_or(rest.len())
                    .min(rest.find("->").unwrap_or(rest.len()));
                (rest.get(..end).unwrap_or_default(), end)
            }
        };
        if name.is_empty() {
            return Err(self.expected("a name, a path, a filter in brackets, `[…]` or `.`"));
        }
        self.at += length;
        Ok(if name.starts_with('/') { viewed(name) } else { named(name) })
    }

    /// How often an item comes: at least, and at most if there is a most.
    fn times(&mut self) -> Result<(usize, Option<usize>), Error> {
        for (mark, times) in [("*", (0, None)), ("+", (1, None)), ("?", (0, Some(1)))] {
            if self.take(mark) {
                return Ok(times);
            }
        }
        if !self.take("{") {
            return Ok((1, Some(1)));
        }
        let least = self.number()?;
        let most = match (self.take(","), self.rest().starts_with('}')) {
            (false, _) => Some(least),
            (true, true) => None,
            (true, false) => Some(self.number()?),
        };
        if most.is_some_and(|most| most < least || most == 0) {
            return Err(self.expected("a range of times that is not empty"));
        }
        self.must("}")?;
        Ok((least, most))
    }

    fn number(&mut self) -> Result<usize, Error> {
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest.get(..digits).and_then(|digits| digits.parse().ok());
        let number = number.filter(|number| *number <= PLACES);
        self.at += digits;
        number.ok_or_else(|| self.expected(&format!("a number up to {PLACES}")))
    }
}

/// The page views of a path.
fn viewed(path: &str) -> Expr {
    let test = Test::Compare(Op::Eq, Literal::Text(path.to_owned()));
    Expr::All(vec![page_view(), Expr::Test(Field::Column(Column::Path), test)])
}

/// Whether two conditions were written alike.
fn same(one: &Expr, other: &Expr) -> bool {
    format!("{one:?}") == format!("{other:?}")
}
