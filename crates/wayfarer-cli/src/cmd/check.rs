//! `wayfarer check`: is what lies in the folder whole?

use clap::Args;
use wayfarer_server::local::Folder;

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
    show::output,
};

/// Verify log, catalog and files against each other
///
/// Every file is read whole, and nothing is changed. Status 1 if something is wrong.
#[derive(Args, Debug)]
pub(crate) struct Check {}

impl Check {
    /// Checks, tells what was found, and fails where something is wrong.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let folder = desk.existing().await?;
        let check = async |folder: &Folder| Ok(folder.check().await?);
        let found = with_folder(folder, check).await?;
        desk.tell(&found)?;
        if found.problems.is_empty() {
            return Ok(());
        }
        if !desk.json {
            found.problems.iter().try_for_each(|problem| output::line(problem))?;
        }
        Err(Failure::new("cli-check-failed").with("problems", found.problems.len()))
    }
}
