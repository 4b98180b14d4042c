//! `wayfarer compact`: small files become larger ones, and what sites no longer keep goes.

use clap::Args;

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
};

/// Merge small files, and drop what sites no longer keep
///
/// The lake does this by itself while it is served, as far as it pays; here all is merged that can be.
#[derive(Args, Debug)]
pub(crate) struct Compact {}

impl Compact {
    /// Compacts, and says what came of it.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let folder = desk.existing().await?;
        let done = with_folder(folder, async |folder| Ok(folder.compact().await?)).await?;
        desk.tell(&done)
    }
}
