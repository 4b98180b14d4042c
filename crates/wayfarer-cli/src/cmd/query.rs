//! `wayfarer query`: SQL over the lake, by the engine of the feature `sql`. A build without it says how to get one with it,
//! and how DuckDB answers the query.

use clap::{Args, ValueEnum};
#[cfg(feature = "sql")]
use wayfarer_server::local::{Folder, SqlLimits};

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
};

/// Ask in SQL, over the tables events and visits (feature `sql`)
#[derive(Args, Debug)]
pub(crate) struct Query {
    /// The query; it can only read
    #[arg(value_name = "SQL")]
    sql: String,
    /// How the rows are printed; --json is for json
    #[arg(long, value_name = "FORMAT", default_value = "table", conflicts_with = "json")]
    format: Format,
    /// Seconds that the query may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Megabytes of memory for what is sorted, grouped and joined; sorts and groups use the disk beyond it
    #[arg(long, value_name = "MB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    max_memory: u32,
    /// How many rows the answer may have
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_rows: u32,
}

/// How the rows of an answer are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people
    Table,
    /// A list of objects
    Json,
    /// One line a row under a heading; null is empty
    Csv,
    /// A file with the types of the columns, for a pipe
    Parquet,
}

impl Query {
    /// Prints the answer.
    #[cfg(feature = "sql")]
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        use std::io::IsTerminal as _;

        let format = if desk.json { Format::Json } else { self.format };
        if format == Format::Parquet && std::io::stdout().is_terminal() {
            return Err(Failure::new("cli-query-terminal").usage());
        }
        let limits = self.limits();
        let folder = desk.existing().await?;
        let work = async |folder: &Folder| Ok(folder.query(&self.sql, &limits).await?);
        let answer = with_folder(folder, work).await?;
        Ok(crate::show::batches::write(&answer, format)?)
    }

    #[cfg(feature = "sql")]
    fn limits(&self) -> SqlLimits {
        SqlLimits {
            time: std::time::Duration::from_secs(self.timeout),
            memory: (self.max_memory as usize).saturating_mul(1 << 20),
            rows: self.max_rows as usize,
            ..SqlLimits::default()
        }
    }

    /// Tells how to build the engine in, and how DuckDB answers the query.
    #[cfg(not(feature = "sql"))]
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let folder = desk.existing().await?;
        let status = with_folder(folder, async |folder| Ok(folder.status().await?)).await?;
        let line = format!("{} {}", status.lake.duckdb, self.sql);
        Err(Failure::new("cli-query-unbuilt").with("line", line))
    }
}
