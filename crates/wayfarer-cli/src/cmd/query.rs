//! `wayfarer query`: SQL over the lake. The command has no engine for it yet, and says so: DuckDB has one, and for Rust
//! programs `wayfarer-query`.

use clap::Args;

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
};

/// Ask in SQL: says how DuckDB opens the lake
#[derive(Args, Debug)]
pub(crate) struct Query {
    /// The query, over `lake.events`
    #[arg(value_name = "SQL")]
    sql: String,
}

impl Query {
    /// Tells how DuckDB answers the query.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let folder = desk.existing().await?;
        let status = with_folder(folder, async |folder| Ok(folder.status().await?)).await?;
        let line = format!("{} {}", status.lake.duckdb, self.sql);
        Err(Failure::new("cli-query-unbuilt").with("line", line))
    }
}
