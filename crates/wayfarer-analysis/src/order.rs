//! In which order rows come, and how many.

use std::cmp::Ordering;

use serde_json::Value;

use crate::{
    Error, Request, Row,
    error::{nearest, suggestion},
};

/// By which field rows are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    field: String,
    ascending: bool,
}

impl Order {
    /// The order of a request, which must name one of the fields; largest first by `default` where it names none.
    pub(crate) fn of(request: &Request, fields: &[&str], default: &str) -> Result<Order, Error> {
        let text = request.order.as_deref().unwrap_or(default);
        let (field, ascending) =
            text.strip_prefix('-').map_or((text, false), |field| (field, true));
        if !fields.contains(&field) && field != "key" {
            let meant = suggestion(nearest(field, fields.iter().copied()));
            return Err(Error::parameter("order", format!("names no field `{field}`{meant}")));
        }
        Ok(Order { field: field.to_owned(), ascending })
    }

    /// Sorts the rows; those that are equal in the field by `then`, least first. Keeps the first `limit`.
    pub(crate) fn apply(&self, rows: &mut Vec<Row>, then: &str, limit: Option<usize>) {
        let get = |row: &Row, field: &str| row.get(field).cloned().unwrap_or(Value::Null);
        rows.sort_by(|a, b| {
            let order = compare(&get(a, &self.field), &get(b, &self.field));
            let order = if self.ascending { order } else { order.reverse() };
            order.then_with(|| compare(&get(a, then), &get(b, then)))
        });
        rows.truncate(limit.unwrap_or(usize::MAX));
    }
}

/// Null first, then numbers, then texts.
fn compare(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Number(_) => 1,
        _ => 2,
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0))
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}
