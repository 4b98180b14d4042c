//! What is told of many lengths of time: their median, and what nine in ten do not exceed.

use serde_json::{Value, json};

/// How many times are kept to tell this.
pub(crate) const TIMES: usize = 20_000_000;

/// The middle one of sorted times in seconds, or the mean of the two in the middle.
pub(crate) fn median(times: &[i64]) -> Value {
    let middle = times.len() / 2;
    match (times.get(middle), times.len() % 2) {
        (None, _) => Value::Null,
        (Some(time), 1) => json!(*time as f64 / 1e6),
        (Some(time), _) => json!((times[middle - 1] + time) as f64 / 2e6),
    }
}

/// The least of sorted times in seconds that nine in ten do not exceed.
pub(crate) fn p90(times: &[i64]) -> Value {
    let place = (times.len() * 9).div_ceil(10).saturating_sub(1);
    times.get(place).map_or(Value::Null, |time| json!(*time as f64 / 1e6))
}
