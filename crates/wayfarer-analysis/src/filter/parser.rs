//! Reads a filter: recursive descent over the tokens, one function a rule of the grammar.
//!
//! ```text
//! any   = all { "or" all }
//! all   = not { "and" not }
//! not   = "not" not | "(" any ")" | test
//! test  = field ( op value | "~" text | "!~" text | ["not"] "in" "(" value { "," value } ")" | "is" ["not"] "null" )
//! field = column | "event" | "prop." name
//! op    = "=" | "!=" | "<" | "<=" | ">" | ">="
//! value = text | number | "true" | "false"
//! ```

use regex::RegexBuilder;
use wayfarer_event::{Column, Kind, Micros};

use super::{
    FilterError,
    error::FilterErrorKind,
    expr::{Expr, Field, Literal, Op, Test},
    lexer::{Spanned, Token, tokens},
};
use crate::error::nearest;

/// The longest filter, in bytes.
const LENGTH: usize = 64 * 1024;
/// How deep brackets and `not` may be nested.
const DEPTH: usize = 100;
/// How large a compiled pattern may be, in bytes.
const PATTERN: usize = 1 << 20;

/// Reads a filter.
///
/// ```
/// use wayfarer_analysis::filter;
///
/// assert!(filter::parse("name = 'page_view' and (path ~ '^/product/' or prop.plan in ('pro', 'team'))").is_ok());
///
/// let error = filter::parse("paht = '/'").unwrap_err();
/// assert_eq!(error.to_string(), "at character 1: there is no field `paht`, did you mean `path`?");
/// ```
///
/// # Errors
/// The first thing wrong with it, and where.
pub fn parse(text: &str) -> Result<Expr, FilterError> {
    if text.len() > LENGTH {
        return Err(FilterError::new(0, FilterErrorKind::TooLarge("longer than 64 KiB")));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.chars().count(), depth: 0 };
    let expr = parser.any()?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser<'a> {
    tokens: &'a [Spanned],
    at: usize,
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.not()?];
        while self.keyword("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expr::All))
    }

    fn not(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH {
            let kind = FilterErrorKind::TooLarge("nested deeper than 100");
            return Err(FilterError::new(self.position(), kind));
        }
        let expr = if self.keyword("not") {
            Expr::Not(Box::new(self.not()?))
        } else if self.take(&Token::Open) {
            let inner = self.any()?;
            self.require(&Token::Close, "`)`")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn test(&mut self) -> Result<Expr, FilterError> {
        let (field, name) = self.field()?;
        let negated = self.keyword("not");
        if self.keyword("in") {
            let test = Test::In(self.list(&field, &name)?);
            return Ok(negate(negated, Expr::Test(field, test)));
        }
        if negated {
            return Err(self.expected("`in`"));
        }
        if self.keyword("is") {
            let negated = self.keyword("not");
            if !self.keyword("null") {
                return Err(self.expected("`null`"));
            }
            return Ok(negate(negated, Expr::Test(field, Test::IsNull)));
        }
        let position = self.position();
        match self.peek() {
            Some(Token::Op(op)) => {
                let op = *op;
                self.at += 1;
                check_op(op, &field, &name, position)?;
                let literal = self.literal(&field, &name)?;
                Ok(Expr::Test(field, Test::Compare(op, literal)))
            }
            Some(Token::Pattern { negated }) => {
                let negated = *negated;
                self.at += 1;
                check_pattern(&field, &name, position)?;
                Ok(negate(negated, Expr::Test(field, Test::Matches(self.pattern()?))))
            }
            _ => {
                Err(self
                    .expected("a comparison such as `= 'text'`, `> 10`, `~`, `in` or `is null`"))
            }
        }
    }

    /// A field, and its name as written.
    fn field(&mut self) -> Result<(Field, String), FilterError> {
        let position = self.position();
        let Some(Token::Word(word)) = self.peek() else { return Err(self.expected("a field")) };
        let word = word.clone();
        self.at += 1;
        match field(&word) {
            Some(field) => Ok((field, word)),
            None => {
                let names = Column::ALL.iter().map(|column| column.name()).chain(["event"]);
                let nearest = nearest(&word.to_lowercase(), names).map(Into::into);
                let kind = FilterErrorKind::UnknownField { name: word, nearest };
                Err(FilterError::new(position, kind))
            }
        }
    }

    fn list(&mut self, field: &Field, name: &str) -> Result<Vec<Literal>, FilterError> {
        self.require(&Token::Open, "`(`")?;
        let mut items = vec![self.literal(field, name)?];
        while self.take(&Token::Comma) {
            items.push(self.literal(field, name)?);
        }
        self.require(&Token::Close, "`,` or `)`")?;
        Ok(items)
    }

    fn literal(&mut self, field: &Field, name: &str) -> Result<Literal, FilterError> {
        let position = self.position();
        let value = match self.peek() {
            Some(Token::Text(text)) => Literal::Text(text.clone()),
            Some(Token::Number(number)) => Literal::Number(*number),
            Some(Token::Word(word)) if is_one_of(word, &["true", "false"]) => {
                Literal::Text(word.to_lowercase())
            }
            _ => return Err(self.expected("a number, or a text in quotes")),
        };
        self.at += 1;
        typed(value, field).map_err(|hint| {
            FilterError::new(position, FilterErrorKind::WrongType { field: name.to_owned(), hint })
        })
    }

    fn pattern(&mut self) -> Result<regex::Regex, FilterError> {
        let position = self.position();
        let Some(Token::Text(pattern)) = self.peek() else {
            return Err(self.expected("a pattern in quotes"));
        };
        self.at += 1;
        RegexBuilder::new(pattern).size_limit(PATTERN).build().map_err(|error| {
            let line = error.to_string().lines().last().unwrap_or_default().to_owned();
            let problem = line.trim_start_matches("error: ").to_owned();
            FilterError::new(position, FilterErrorKind::Pattern(problem))
        })
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |spanned| spanned.position)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn keyword(&mut self, wanted: &str) -> bool {
        let is_there =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(is_there);
        is_there
    }

    fn require(&mut self, wanted: &Token, called: &'static str) -> Result<(), FilterError> {
        if self.take(wanted) { Ok(()) } else { Err(self.expected(called)) }
    }

    fn expected(&self, expected: &'static str) -> FilterError {
        let found = self.tokens.get(self.at).map(|spanned| spanned.written.clone());
        FilterError::new(self.position(), FilterErrorKind::Expected { expected, found })
    }
}

/// The field of this name: a column, `event` for `name`, or `prop.` and the name of a property.
pub(crate) fn field(word: &str) -> Option<Field> {
    match word.strip_prefix("prop.") {
        Some("") => None,
        Some(name) => Some(Field::Prop(name.to_owned())),
        None if word == "event" => Some(Field::Column(Column::Name)),
        None => word.parse().ok().map(Field::Column),
    }
}

fn one_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn negate(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|candidate| word.eq_ignore_ascii_case(candidate))
}

/// Gives a literal the type of its field, or says how such a field is compared.
fn typed(value: Literal, field: &Field) -> Result<Literal, &'static str> {
    let Field::Column(column) = field else { return Ok(value) };
    match (column.kind(), value) {
        (Kind::Text, value @ Literal::Text(_)) => Ok(value),
        (Kind::Text, _) => Err("is text: write the value in quotes"),
        (Kind::I64 | Kind::F64, value @ Literal::Number(_)) => Ok(value),
        (Kind::I64 | Kind::F64, _) => Err("is a number: write the value without quotes"),
        (Kind::Time, Literal::Text(text)) => Micros::parse(&text)
            .map(Literal::Time)
            .map_err(|_| "is a time: write it as '2026-05-04T12:30:00Z'"),
        (Kind::Time, _) => Err("is a time: write it as '2026-05-04T12:30:00Z'"),
        (Kind::U64, Literal::Text(text)) if *column == Column::Visitor && text.len() == 16 => {
            u64::from_str_radix(&text, 16)
                .map(Literal::Id)
                .map_err(|_| "is written with sixteen hexadecimal digits, in quotes")
        }
        (Kind::U64, Literal::Number(number))
            if *column != Column::Visitor && number >= 0.0 && number.fract() == 0.0 =>
        {
            Ok(Literal::Number(number))
        }
        (Kind::U64, _) if *column == Column::Visitor => {
            Err("is written with sixteen hexadecimal digits, in quotes")
        }
        (Kind::U64, _) => Err("is a whole number that is never negative"),
    }
}

fn check_op(op: Op, field: &Field, name: &str, position: usize) -> Result<(), FilterError> {
    let ordered = !matches!(op, Op::Eq | Op::Ne);
    if ordered && *field == Field::Column(Column::Visitor) {
        let hint = "has no order: use `=`, `!=` or `in`";
        let kind = FilterErrorKind::WrongType { field: name.to_owned(), hint };
        return Err(FilterError::new(position, kind));
    }
    Ok(())
}

fn check_pattern(field: &Field, name: &str, position: usize) -> Result<(), FilterError> {
    match field {
        Field::Column(column) if column.kind() != Kind::Text => {
            let hint = "is no text: patterns are for text";
            let kind = FilterErrorKind::WrongType { field: name.to_owned(), hint };
            Err(FilterError::new(position, kind))
        }
        _ => Ok(()),
    }
}
