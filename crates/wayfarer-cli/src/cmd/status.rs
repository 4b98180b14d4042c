//! `wayfarer status`: how the lake is.

use clap::Args;
use serde_json::Value;

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
    show::{output, table},
};

/// Show how the lake is, and the line that opens it in DuckDB
#[derive(Args, Debug)]
pub(crate) struct Status {}

impl Status {
    /// Prints the status.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let folder = desk.existing().await?;
        let status = with_folder(folder, async |folder| Ok(folder.status().await?)).await?;
        if desk.json {
            return Ok(output::json(&status)?);
        }
        let row = flat(&serde_json::to_value(&status).unwrap_or_default());
        let heading = |name: &str| table::heading(&desk.words, name);
        Ok(output::stdout(|out| table::write_list(out, &row, &heading))?)
    }
}

/// One level of fields: what lies in an object within comes out beside the others.
fn flat(value: &Value) -> table::Row {
    let mut row = table::Row::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => row.extend(flat(value)),
            _ => _ = row.insert(name.clone(), value.clone()),
        }
    }
    row
}
