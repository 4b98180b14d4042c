//! Whether two answers are the same: cell by cell, over the columns that both have.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// What comparing two answers came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub(crate) enum Verdict {
    /// Every cell is the same.
    Equal {
        /// How many rows.
        rows: usize,
    },
    /// They differ first here.
    Different {
        /// The row.
        row: usize,
        /// Ours.
        ours: Value,
        /// Theirs.
        theirs: Value,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Equal { rows } => write!(f, "equal, {rows} rows"),
            Verdict::Different { row, ours, theirs } => {
                write!(f, "row {row}: {ours}, theirs {theirs}")
            }
        }
    }
}

/// Compares rows of cells.
pub(crate) fn verdict(ours: &Value, theirs: &Value) -> Verdict {
    let none = Vec::new();
    let ours = ours.as_array().unwrap_or(&none);
    let theirs = theirs.as_array().unwrap_or(&none);
    let rows = ours.len().max(theirs.len());
    for row in 0..rows {
        let (our, their) = (ours.get(row), theirs.get(row));
        if !our.zip(their).is_some_and(|(our, their)| same_row(our, their)) {
            let (our, their) = (our.cloned(), their.cloned());
            let (ours, theirs) = (our.unwrap_or_default(), their.unwrap_or_default());
            return Verdict::Different { row, ours, theirs };
        }
    }
    Verdict::Equal { rows }
}

/// A row of ours may have fewer cells: those that mean something else are left out.
fn same_row(ours: &Value, theirs: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array()) else { return false };
    !ours.is_empty()
        && ours.len() <= theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| same_cell(ours, theirs))
}

fn same_cell(ours: &Value, theirs: &Value) -> bool {
    match (number(ours), number(theirs)) {
        // Peers round means to three digits.
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 0.000_501_f64.max(ours.abs() * 1e-9),
        _ => match (ours.as_str(), theirs.as_str()) {
            // A day may be told as an instant.
            (Some(ours), Some(theirs)) => {
                theirs == ours || theirs.strip_prefix(ours).is_some_and(is_midnight)
            }
            _ => false,
        },
    }
}

fn is_midnight(rest: &str) -> bool {
    rest.trim_start().starts_with("00:00:00")
}

fn number(cell: &Value) -> Option<f64> {
    cell.as_f64().or_else(|| cell.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        let ours = json!([["2026-01-01", 3, 1.2344], ["2026-01-02", 4]]);
        let same = json!([["2026-01-01 00:00:00+00:00", "3", 1.234], ["2026-01-02", 4, 9]]);
        assert_eq!(verdict(&ours, &same), Verdict::Equal { rows: 2 });
        let other = json!([["2026-01-01", 3, 1.234], ["2026-01-02", 5]]);
        assert!(matches!(verdict(&ours, &other), Verdict::Different { row: 1, .. }));
        let fewer = json!([["2026-01-01", 3, 1.234]]);
        assert!(matches!(verdict(&ours, &fewer), Verdict::Different { row: 1, .. }));
        assert!(!same_row(&json!([]), &json!([])));
    }
}
