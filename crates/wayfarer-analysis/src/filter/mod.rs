//! The filter language: which events count.
//!
//! `name = 'purchase' and value > 10`, `path ~ '^/product/' or prop.plan in ('pro', 'team')`, `country is not null`.
//!
//! [`parse`] reads a filter into a typed tree, [`Expr`], whose documentation tells the logic of unknown values.
//! [`Expr::selects`] is its meaning on one event. The fold engine does not go event by event: it asks each text of a
//! dictionary once (`fold::compile`). Both rest on [`Expr::eval`], and a property test holds them together.

mod error;
mod expr;
mod lexer;
mod parser;
mod props;
#[cfg(test)]
mod tests;

pub use error::{FilterError, FilterErrorKind};
pub use expr::{Expr, Field, Literal, Op, Test, Value, named};
pub use parser::parse;

pub(crate) use parser::field;
pub(crate) use props::{find as find_prop, text as prop_text};
