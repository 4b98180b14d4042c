//! `wayfarer status`: how the lake is.

use clap::Args;

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
};

/// Show how the lake is, and the line that opens it in DuckDB
#[derive(Args, Debug)]
pub(crate) struct Status {}

impl Status {
    /// Prints the status.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let folder = desk.existing().await?;
        let status = with_folder(folder, async |folder| Ok(folder.status().await?)).await?;
        desk.tell(&status)
    }
}
