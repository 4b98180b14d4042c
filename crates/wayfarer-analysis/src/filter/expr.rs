//! The typed tree of a filter, and its meaning on one event: the definition that every faster way must agree with.

use std::{borrow::Cow, cmp::Ordering};

use regex::Regex;
use wayfarer_event::{Column, Event, Kind, Micros};

use super::props;

/// What a filter looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// A column of the event.
    Column(Column),
    /// A property: one entry of the column `props`.
    Prop(String),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Op {
    /// Whether a value that compares to the other in this way passes.
    #[must_use]
    pub fn passes(self, ordering: Ordering) -> bool {
        match self {
            Op::Eq => ordering.is_eq(),
            Op::Ne => ordering.is_ne(),
            Op::Lt => ordering.is_lt(),
            Op::Le => ordering.is_le(),
            Op::Gt => ordering.is_gt(),
            Op::Ge => ordering.is_ge(),
        }
    }
}

/// A value written in a filter. The parser gives each field a literal of its own type.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// An instant.
    Time(Micros),
    /// A visitor.
    Id(u64),
}

/// What is asked of one field.
#[derive(Clone, Debug)]
pub enum Test {
    /// It compares so to the literal.
    Compare(Op, Literal),
    /// It equals one of them.
    In(Vec<Literal>),
    /// The pattern is found in it.
    Matches(Regex),
    /// It is not known.
    IsNull,
}

/// Patterns are equal when they are written alike.
impl PartialEq for Test {
    fn eq(&self, other: &Test) -> bool {
        match (self, other) {
            (Test::Compare(op, literal), Test::Compare(other_op, other)) => {
                (op, literal) == (other_op, other)
            }
            (Test::In(literals), Test::In(others)) => literals == others,
            (Test::Matches(pattern), Test::Matches(other)) => pattern.as_str() == other.as_str(),
            (Test::IsNull, Test::IsNull) => true,
            _ => false,
        }
    }
}

/// A filter: a condition on one event.
///
/// The logic has three values, as in SQL: a test of a field that is null is neither true nor false but unknown, `not` of
/// unknown is unknown, and an event is selected only where the whole is true. So `country != 'DE'` and
/// `not country = 'DE'` both leave out events whose country is not known; `country is null or country != 'DE'` takes them.
/// `is null` is always true or false.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A test of one field.
    Test(Field, Test),
    /// Every one holds. Of none: true.
    All(Vec<Expr>),
    /// At least one holds. Of none: false.
    Any(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
}

/// The value of a field in one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known.
    Null,
    /// Text.
    Text(&'a str),
    /// A number, of a column that holds fractions.
    Number(f64),
    /// A whole number: of a column that holds such, microseconds for times.
    Int(i64),
    /// A whole number that is never negative.
    Id(u64),
    /// A property, as the JSON that stands for it.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// The property `name` of the JSON object `props`.
    #[must_use]
    pub fn of_prop(props: Option<&'a str>, name: &str) -> Value<'a> {
        match props.and_then(|props| props::find(props, name)) {
            None | Some("null") => Value::Null,
            Some(json) => Value::Json(json),
        }
    }

    /// The value as text, where it is text or a property.
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Json(json) => Some(props::text(json)),
            _ => None,
        }
    }

    /// The value as a number, where it is one or reads as one.
    fn number(self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(number),
            Value::Int(number) => Some(number as f64),
            Value::Id(number) => Some(number as f64),
            Value::Json(json) => props::text(json).parse().ok(),
            Value::Null | Value::Text(_) => None,
        }
    }

    fn compare(self, literal: &Literal) -> Option<Ordering> {
        match (literal, self) {
            (Literal::Text(text), value) => Some(value.text()?.as_ref().cmp(text.as_str())),
            (Literal::Number(number), value) => value.number()?.partial_cmp(number),
            (Literal::Time(time), Value::Int(micros)) => Some(micros.cmp(&time.0)),
            (Literal::Id(id), Value::Id(value)) => Some(value.cmp(id)),
            (Literal::Time(_) | Literal::Id(_), _) => None,
        }
    }
}

impl Test {
    /// Whether a value passes: `None` is unknown. A property that does not read as a number is unknown to a comparison
    /// with one.
    #[must_use]
    pub fn eval(&self, value: Value<'_>) -> Option<bool> {
        match self {
            Test::IsNull => Some(value == Value::Null),
            Test::Compare(op, literal) => value.compare(literal).map(|order| op.passes(order)),
            Test::In(literals) => {
                let mut known =
                    literals.iter().filter_map(|literal| value.compare(literal)).peekable();
                known.peek()?;
                Some(known.any(Ordering::is_eq))
            }
            Test::Matches(regex) => value.text().map(|text| regex.is_match(&text)),
        }
    }
}

/// Whether all hold (`decisive` is false) or any does (`decisive` is true), in the logic of three values.
fn kleene<'a>(
    parts: &[Expr],
    value: &impl Fn(&Field) -> Value<'a>,
    decisive: bool,
) -> Option<bool> {
    let mut result = Some(!decisive);
    for part in parts {
        match part.eval(value) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

/// The filter that selects the events of this name.
#[must_use]
pub fn named(name: &str) -> Expr {
    let test = Test::Compare(Op::Eq, Literal::Text(name.to_owned()));
    Expr::Test(Field::Column(Column::Name), test)
}

/// The value of a column of an event. `writer` and `seq`, which only the lake knows, are null.
fn column_value(column: Column, event: &Event) -> Value<'_> {
    let value = match column.kind() {
        Kind::Text => column.text(event).map(Value::Text),
        Kind::Time | Kind::I64 => column.int(event).map(Value::Int),
        Kind::F64 => column.float(event).map(Value::Number),
        Kind::U64 if column == Column::Visitor => Some(Value::Id(event.visitor.0)),
        Kind::U64 => None,
    };
    value.unwrap_or(Value::Null)
}

impl Expr {
    /// The value of the filter where `value` tells the fields: `None` is unknown.
    pub fn eval<'a>(&self, value: &impl Fn(&Field) -> Value<'a>) -> Option<bool> {
        match self {
            Expr::Test(field, test) => test.eval(value(field)),
            Expr::All(parts) => kleene(parts, value, false),
            Expr::Any(parts) => kleene(parts, value, true),
            Expr::Not(inner) => inner.eval(value).map(|holds| !holds),
        }
    }

    /// Whether the filter selects this event. `writer` and `seq`, which only the lake knows, are null here.
    #[must_use]
    pub fn selects(&self, event: &Event) -> bool {
        self.eval(&|field| match field {
            Field::Column(column) => column_value(*column, event),
            Field::Prop(name) => Value::of_prop(event.props.as_deref(), name),
        }) == Some(true)
    }

    /// Every field that the filter looks at; some may come more than once.
    #[must_use]
    pub fn fields(&self) -> Vec<&Field> {
        match self {
            Expr::Test(field, _) => vec![field],
            Expr::All(parts) | Expr::Any(parts) => parts.iter().flat_map(Expr::fields).collect(),
            Expr::Not(inner) => inner.fields(),
        }
    }
}
