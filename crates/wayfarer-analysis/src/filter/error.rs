//! What can be wrong with a filter.

use std::fmt;

use crate::error::suggestion;

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    position: usize,
    kind: FilterErrorKind,
}

/// The ways in which a filter can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterErrorKind {
    /// Something else should stand here.
    Expected {
        /// What should.
        expected: &'static str,
        /// What does; `None` at the end of the filter.
        found: Option<String>,
    },
    /// A text has no closing quote.
    OpenQuote,
    /// There is no such field.
    UnknownField {
        /// What stands there.
        name: String,
        /// The field that was probably meant.
        nearest: Option<String>,
    },
    /// The field is of another type than the value, or does not know the comparison.
    WrongType {
        /// The field.
        field: String,
        /// How it is to be compared, such as `is a number: write it without quotes`.
        hint: &'static str,
    },
    /// The pattern is no regular expression, or too large a one.
    Pattern(String),
    /// The filter is longer, or nested deeper, than is allowed.
    TooLarge(&'static str),
}

impl FilterError {
    pub(super) fn new(position: usize, kind: FilterErrorKind) -> FilterError {
        FilterError { position, kind }
    }

    /// The character at which it is wrong, from 0.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// What is wrong there.
    #[must_use]
    pub fn kind(&self) -> &FilterErrorKind {
        &self.kind
    }
}

impl std::error::Error for FilterError {}

/// One sentence with the place, counted from 1 as people do.
impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: ", self.position + 1)?;
        match &self.kind {
            FilterErrorKind::Expected { expected, found: Some(found) } => {
                write!(f, "expected {expected}, found `{found}`")
            }
            FilterErrorKind::Expected { expected, found: None } => {
                write!(f, "expected {expected}, found the end")
            }
            FilterErrorKind::OpenQuote => f.write_str("the text that begins here has no end"),
            FilterErrorKind::UnknownField { name, nearest } => {
                write!(f, "there is no field `{name}`{}", suggestion(nearest.as_deref()))
            }
            FilterErrorKind::WrongType { field, hint } => write!(f, "`{field}` {hint}"),
            FilterErrorKind::Pattern(problem) => {
                write!(f, "not a regular expression: {problem}")
            }
            FilterErrorKind::TooLarge(what) => write!(f, "the filter is {what}"),
        }
    }
}
