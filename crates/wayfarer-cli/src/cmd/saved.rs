//! `wayfarer admin goal` and `wayfarer admin segment`: what reports can be asked with.

use clap::{Args, Subcommand};
use serde_json::json;
use wayfarer_embedded::{Goal, Saved, Segment};
use wayfarer_server::local::Folder;

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
    show::{output, rows},
};

/// What is done with goals, or with segments.
#[derive(Debug, Subcommand)]
pub(crate) enum Of<A: Args> {
    /// Save one, in the place of the one of its name
    Add(A),
    /// List those of a site
    List {
        /// Whose
        #[arg(long, value_name = "S")]
        site: String,
    },
    /// Forget one
    Remove {
        /// Whose
        #[arg(long, value_name = "S")]
        site: String,
        /// Its name
        #[arg(long, value_name = "N")]
        name: String,
    },
}

/// Which of them, and whose.
#[derive(Args, Debug)]
struct Which {
    /// Whose
    #[arg(long, value_name = "S")]
    site: String,
    /// Its name
    #[arg(long, value_name = "N")]
    name: String,
}

/// Save a goal
#[derive(Args, Debug)]
pub(crate) struct AddGoal {
    #[command(flatten)]
    which: Which,
    /// Which events reach it, such as name = 'purchase'
    #[arg(long, value_name = "EXPR")]
    filter: String,
}

/// Save a segment: what it says counts in every report that names it
#[derive(Args, Debug)]
pub(crate) struct AddSegment {
    #[command(flatten)]
    which: Which,
    /// Which events count
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// Only visitors with such an event; given once for each event that they must have
    #[arg(long, value_name = "EXPR")]
    did: Vec<String>,
    /// Only visitors without such an event; given once for each event that they must not have
    #[arg(long, value_name = "EXPR")]
    did_not: Vec<String>,
    /// How long before the end of a report's period `did` and `did-not` look back; that period itself by default
    #[arg(long, value_name = "TIME")]
    within: Option<String>,
    /// A segment that it narrows; given once for each
    #[arg(long, value_name = "NAME")]
    segment: Vec<String>,
}

/// What can be saved as the command line says it.
pub(crate) trait Said: Args {
    /// What is saved.
    type Saved: Saved;

    /// Whose, and what.
    fn read(self) -> (String, Self::Saved);
}

impl Said for AddGoal {
    type Saved = Goal;

    fn read(self) -> (String, Goal) {
        (self.which.site, Goal { name: self.which.name, filter: self.filter })
    }
}

impl Said for AddSegment {
    type Saved = Segment;

    fn read(self) -> (String, Segment) {
        let AddSegment { which, filter, did, did_not, within, segment } = self;
        (which.site, Segment { name: which.name, filter, did, did_not, within, segment })
    }
}

impl<A: Said> Of<A> {
    /// Does it.
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failure> {
        match self {
            Of::Add(said) => add(desk, said).await,
            Of::List { site } => {
                let list = async |folder: &Folder| Ok(folder.saved::<A::Saved>(&site).await?);
                rows(desk, &with_folder(desk.existing().await?, list).await?)
            }
            Of::Remove { site, name } => remove::<A::Saved>(desk, &site, name).await,
        }
    }
}

async fn add(desk: &Desk, said: impl Said) -> Result<(), Failure> {
    let (site, one) = said.read();
    let save = async |folder: &Folder| Ok(folder.save(&site, &one).await?);
    with_folder(desk.existing().await?, save).await?;
    if desk.json {
        return Ok(output::json(&one)?);
    }
    Ok(output::line(&desk.words.with("cli-saved", &[("name", one.name().into())]))?)
}

async fn remove<T: Saved>(desk: &Desk, site: &str, name: String) -> Result<(), Failure> {
    let forget = async |folder: &Folder| Ok(folder.forget::<T>(site, &name).await?);
    if !with_folder(desk.existing().await?, forget).await? {
        return Err(Failure::new("cli-saved-unknown").with("name", name).with("kind", T::KIND));
    }
    if desk.json {
        return Ok(output::json(&json!({ "removed": name }))?);
    }
    Ok(output::line(&desk.words.with("cli-saved-removed", &[("name", name.into())]))?)
}
