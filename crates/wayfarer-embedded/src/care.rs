//! The care of a data folder: compaction, retention, erasure, checks, and what of it happens by itself.
//!
//! What these do to files is `wayfarer-lake`'s; here is decided for which sites and times, and what else a folder knows of a
//! person: the models and the list of who is there, which live in memory and are learnt anew after an erasure.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use wayfarer_lake::{Check, Erased, Person, Retained};

use crate::{Error, ErrorKind, Wayfarer};

/// How often is looked for salts that nobody uses any more, and for events that are too old.
const ROUND: Duration = Duration::from_secs(600);
/// The first round comes so late that a command on the folder is over before it.
const FIRST_ROUND: Duration = Duration::from_secs(60);

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Files that were merged.
    pub merged: u64,
    /// Files that they became.
    pub made: u64,
    /// Rows that were written again.
    pub rows: u64,
    /// Files of other programs that were taken in.
    pub adopted: u64,
    /// Rows that were dropped, since their sites do not keep them so long.
    pub expired: u64,
    /// Files that were removed from the disk.
    pub removed: u64,
}

/// Whom to erase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest {
    /// From one site; from all when not given.
    #[serde(default)]
    pub site: Option<String>,
    /// Whom.
    pub person: Person,
}

/// The receipt of an erasure. It names nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// How many sites were looked through.
    pub sites: u64,
    /// What was removed from the lake, and where.
    #[serde(flatten)]
    pub lake: Erased,
    /// How many sites have models that were trained again without the person.
    pub models: u64,
}

impl Wayfarer {
    /// Drops what the sites no longer keep, merges all files that can be merged, and removes those that nobody needs.
    ///
    /// # Errors
    /// When a file or the catalog cannot be read or written. Nothing is lost then.
    pub async fn compact(&self) -> Result<Compacted, Error> {
        let wayfarer = self.clone();
        to_the_end(async move {
            let retained = wayfarer.drop_old().await?;
            let compacted = wayfarer.lake().compact().await?;
            Ok(Compacted {
                merged: compacted.merged,
                made: compacted.made,
                rows: compacted.rows,
                adopted: compacted.adopted,
                expired: retained.rows,
                removed: retained.removed + compacted.removed,
            })
        })
        .await
    }

    /// Verifies log, catalog and files against each other. Changes nothing; events are taken meanwhile.
    ///
    /// # Errors
    /// When the catalog cannot be read. What is wrong with files is in [`Check::problems`].
    pub async fn check(&self) -> Result<Check, Error> {
        // Broken off, it would go on keeping the other nodes of a shared lake from merging and erasing.
        let wayfarer = self.clone();
        to_the_end(async move { Ok(wayfarer.lake().check().await?) }).await
    }

    /// Erases a person: afterwards no byte of theirs is in the folder, and a sender that kept their old events does not
    /// bring them back. Ends what it began even if the caller goes away.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSite`]; or when a file or the catalog cannot be read or written. Then it has to be called again.
    pub async fn erase(&self, request: &ErasureRequest) -> Result<Erasure, Error> {
        let sites = match &request.site {
            Some(site) => vec![self.known_site(site)?.name.clone()],
            None => self.every_site(),
        };
        let (wayfarer, person) = (self.clone(), request.person.clone());
        to_the_end(async move {
            let lake = wayfarer.lake().erase(&sites, &person).await?;
            let touched = if lake.rows > 0 { sites.clone() } else { Vec::new() };
            let models = touched.len() as u64;
            wayfarer.learn_again(touched).await?;
            Ok(Erasure { sites: sites.len() as u64, lake, models })
        })
        .await
    }

    /// Drops the events that are older than their sites keep them.
    async fn drop_old(&self) -> Result<Retained, Error> {
        let from = self.control().kept_from(self.now());
        if from.is_empty() {
            return Ok(Retained::default());
        }
        Ok(self.lake().retain(&from).await?)
    }

    /// The sites that were made, and those that have rows.
    fn every_site(&self) -> Vec<String> {
        let made = self.control().sites().into_iter().map(|site| site.name);
        made.chain(self.lake().view().sites()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Keeps salts and events no longer than they are to be kept, until the folder closes.
pub(crate) async fn keep_up(wayfarer: Wayfarer, mut closing: watch::Receiver<bool>) {
    let mut wait = FIRST_ROUND;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        wait = ROUND;
        if let Err(error) = wayfarer.control().salts().expire(wayfarer.now()).await {
            tracing::warn!(error = %error, "old daily salts could not be thrown away");
        }
        match wayfarer.drop_old().await {
            Ok(done) if done.rows > 0 => tracing::info!(?done, "dropped events that were too old"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => tracing::warn!(error = %error, "old events could not be dropped"),
        }
    }
}

/// Runs something in a task of its own, so that it is not left half done where the caller goes away.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work)
        .await
        .map_err(|e| Error::new(ErrorKind::Internal, "the work broke off").with(e))?
}
