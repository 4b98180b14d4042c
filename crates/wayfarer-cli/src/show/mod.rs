//! What people see: numbers, tables and progress bars. Owns the look of standard output and standard error, and nothing of
//! what is shown. Start with [`output`], through which every word on standard output goes.

#[cfg(feature = "sql")]
pub(crate) mod batches;
pub(crate) mod number;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod table;

use serde::Serialize;

use crate::{desk::Desk, failure::Failure};

/// Prints one thing: as JSON, or its fields and values for people.
pub(crate) fn one(desk: &Desk, told: &impl Serialize) -> Result<(), Failure> {
    if desk.json {
        return Ok(output::json(told)?);
    }
    let row = serde_json::to_value(told).unwrap_or_default();
    let row = row.as_object().cloned().unwrap_or_default();
    let heading = |name: &str| table::heading(&desk.words, name);
    Ok(output::stdout(|out| table::write_list(out, &row, &heading))?)
}

/// Prints a list: as JSON, or as a table for people.
pub(crate) fn rows(desk: &Desk, told: &[impl Serialize]) -> Result<(), Failure> {
    if desk.json {
        return Ok(output::json(&told)?);
    }
    let row = |told| serde_json::to_value(told).ok()?.as_object().cloned();
    let rows: Vec<table::Row> = told.iter().filter_map(row).collect();
    let heading = |name: &str| table::heading(&desk.words, name);
    Ok(output::stdout(|out| table::write(out, &rows, &heading))?)
}
