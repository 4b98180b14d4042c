//! `wayfarer erase`: a person's data goes, on their request.

use clap::Args;
use wayfarer_embedded::ErasureRequest;
use wayfarer_server::local::Folder;

use crate::{
    args::Whom,
    desk::{Desk, with_folder},
    failure::Failure,
};

/// Erase a person: afterwards no byte of theirs is in the data folder
///
/// A sender that kept their old events does not bring them back: what they did before this moment is declined from now on. Other
/// people who used the same browser under another account stay. Prints a receipt, which names nobody.
#[derive(Args, Debug)]
pub(crate) struct Erase {
    #[command(flatten)]
    whom: Whom,
    /// Only from this site; from all by default
    #[arg(long, value_name = "S")]
    site: Option<String>,
}

impl Erase {
    /// Erases, and prints the receipt.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let Some(person) = self.whom.person() else {
            return Err(Failure::new("cli-erase-whom").usage());
        };
        let request = ErasureRequest { site: self.site, person };
        let erase = async |folder: &Folder| Ok(folder.erase(&request).await?);
        let receipt = with_folder(desk.existing().await?, erase).await?;
        desk.tell(&receipt)
    }
}
