//! What the nodes of a shared catalog say to each other through it: who is which writer, and which lake this is.
//!
//! In a catalog of one folder there is nobody to speak to, and all this does nothing.

use std::path::PathBuf;

use super::{Address, Catalog, failed, link::Work};
#[cfg(feature = "postgres")]
use super::{
    create::{add_writer, draw, metadata},
    erase::load_rules,
    link::Link,
    postgres,
};
#[cfg(feature = "postgres")]
use crate::{Error, ErrorKind};
use crate::{Random, Result, ids::Fingerprint};

/// What a shared catalog says of itself.
#[derive(Clone, Debug)]
pub(crate) struct SharedLake {
    /// The folder that all nodes share, as the first of them knew it.
    pub(crate) root: PathBuf,
    /// The lake's number.
    pub(crate) lake: String,
    /// No data file was ever named.
    pub(crate) is_empty: bool,
}

/// What a node has to know of the others.
#[derive(Clone, Debug)]
pub(crate) struct Others {
    /// The rules that decline what erased persons did.
    pub(crate) rules: Vec<(Fingerprint, i64)>,
    /// How often the others asked this node to seal all it has.
    pub(crate) asked: u64,
    /// Somebody was erased while this node was away: the rules apply to what is still in its log.
    pub(crate) away: bool,
}

/// Whoever of all nodes holds this lock is the one to merge and to rewrite. It ends with the connection.
const CLAIM: &str = "SELECT pg_try_advisory_lock(1464224843, 2)";
const RELEASE: &str = "SELECT pg_advisory_unlock(1464224843, 2)";

/// What nodes do, over a catalog that they share.
impl Catalog {
    /// The newest snapshot, and whether the others ask for something: a look that costs little.
    pub(crate) async fn head(&self, writer: u64) -> Result<(u64, Option<u64>)> {
        let doing = "cannot read the catalog";
        let mut link = self.link().await?;
        let mut work = link.read().await.map_err(failed(doing))?;
        let row = work
            .row(
                "SELECT (SELECT max(snapshot_id) FROM ducklake_snapshot), asked, answered
                 FROM wayfarer_writer WHERE writer = $1",
                &[writer.into()],
            )
            .await
            .and_then(|row| row.ok_or(sqlx::Error::RowNotFound))
            .and_then(|row| Ok((row.count(0)?, row.count(1)?, row.count(2)?)));
        let (snapshot, asked, answered) = row.map_err(failed(doing))?;
        Ok((snapshot, (asked > answered).then_some(asked)))
    }

    /// Says that the node is there, and which the oldest snapshot is that it still reads.
    pub(crate) async fn say_read(&self, writer: u64, snapshot: u64) -> Result<()> {
        let statement = "UPDATE wayfarer_writer SET reads = $2, seen = now() WHERE writer = $1";
        self.tell(statement, writer, snapshot).await
    }

    /// Says that nothing is hot any more of what was there when the others asked for the n-th time.
    pub(crate) async fn answer(&self, writer: u64, asked: u64) -> Result<()> {
        let statement = "UPDATE wayfarer_writer SET answered = $2, away = FALSE WHERE writer = $1";
        self.tell(statement, writer, asked).await
    }

    async fn tell(&self, statement: &'static str, writer: u64, value: u64) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        let values = [writer.into(), value.into()];
        work.change(statement, &values).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))
    }

    /// Looks who has not answered yet. Nodes that are not connected are noted as away, and not waited for: says how many
    /// still have to answer, and how many are away.
    pub(crate) async fn silent(&self, writer: u64) -> Result<(usize, u64)> {
        let doing = "cannot write the catalog";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        let counted = silent(&mut work, writer).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))?;
        Ok(counted)
    }

    /// Becomes the node that merges and rewrites; false while another one is.
    pub(crate) async fn claim(&self) -> Result<bool> {
        self.lock_of_nodes(CLAIM).await
    }

    /// Lets another node merge.
    pub(crate) async fn release(&self) -> Result<()> {
        self.lock_of_nodes(RELEASE).await.map(drop)
    }

    async fn lock_of_nodes(&self, statement: &'static str) -> Result<bool> {
        let doing = "cannot ask the catalog for the lock of those who merge";
        let mut link = self.link().await?;
        let mut work = link.read().await.map_err(failed(doing))?;
        let row = work.row(statement, &[]).await;
        let row = row.and_then(|row| row.map_or(Ok(false), |row| row.truth(0)));
        let done = row.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))?;
        Ok(done)
    }
}

async fn silent(work: &mut Work<'_>, writer: u64) -> sqlx::Result<(usize, u64)> {
    let statement = "SELECT writer FROM wayfarer_writer
                     WHERE writer <> $1 AND answered < asked AND NOT away";
    let mut waiting = 0;
    for row in work.rows(statement, &[writer.into()]).await? {
        let other = row.count(0)?;
        // A node that is connected holds the lock of its number.
        let free = "SELECT pg_try_advisory_xact_lock(-$1)";
        let free = work.row(free, &[other.into()]).await?.map_or(Ok(false), |row| row.truth(0))?;
        if free {
            let away = "UPDATE wayfarer_writer SET away = TRUE WHERE writer = $1";
            work.change(away, &[other.into()]).await?;
        } else {
            waiting += 1;
        }
    }
    let away = "SELECT count(*) FROM wayfarer_writer WHERE away AND writer <> $1";
    let away = work.row(away, &[writer.into()]).await?;
    Ok((waiting, away.map(|row| row.count(0)).transpose()?.unwrap_or_default()))
}

/// Asks all other nodes to seal what they have; in the transaction that adds the rules for it.
pub(super) async fn ask_others(work: &mut Work<'_>, writer: u64) -> sqlx::Result<()> {
    let statement = "UPDATE wayfarer_writer SET asked = asked + 1 WHERE writer <> $1";
    work.change(statement, &[writer.into()]).await.map(drop)
}

/// What a node has to know of the others, read with the snapshot.
#[cfg(feature = "postgres")]
pub(super) async fn load_others(work: &mut Work<'_>, writer: u64) -> sqlx::Result<Others> {
    let statement = "SELECT asked, away FROM wayfarer_writer WHERE writer = $1";
    let row = work.row(statement, &[writer.into()]).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Others { rules: load_rules(work).await?, asked: row.count(0)?, away: row.truth(1)? })
}

impl Catalog {
    /// What the catalog says of itself, where nodes share it.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "nobody to ask"))]
    pub(crate) async fn shared(&self) -> Result<Option<SharedLake>> {
        match &self.address {
            Address::File(_) => Ok(None),
            #[cfg(feature = "postgres")]
            Address::Server { .. } => self.read_shared().await.map(Some),
        }
    }

    /// Takes the number of a writer, which no other process has while this one is connected; a new one where none is known.
    ///
    /// # Errors
    /// When another process has it: the folder is a copy.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "nobody to ask"))]
    pub(crate) async fn become_writer(&self, known: Option<u64>, random: &Random) -> Result<u64> {
        match &self.address {
            Address::File(_) => Ok(known.unwrap_or_else(|| (random() >> 12).max(1))),
            #[cfg(feature = "postgres")]
            Address::Server { writer, .. } => {
                let number = self.hold(known, random).await?;
                writer.store(number, std::sync::atomic::Ordering::Release);
                Ok(number)
            }
        }
    }
}

#[cfg(feature = "postgres")]
impl Catalog {
    async fn read_shared(&self) -> Result<SharedLake> {
        let doing = "cannot read the catalog";
        let mut link = self.link().await?;
        let mut work = link.read().await.map_err(failed(doing))?;
        let path = metadata(&mut work, "data_path").await?.unwrap_or_default();
        let Some(root) = path.strip_suffix("lake/") else {
            let text = format!("the data path {path:?} of the catalog is not Wayfarer's");
            return Err(Error::new(ErrorKind::Unsupported, text));
        };
        let asked = work
            .row(
                "SELECT table_uuid::text, (SELECT max(next_file_id) FROM ducklake_snapshot)
                 FROM ducklake_table WHERE table_id = 1",
                &[],
            )
            .await
            .and_then(|row| row.ok_or(sqlx::Error::RowNotFound))
            .and_then(|row| Ok((row.text(0)?, row.count(1)?)));
        let (lake, next_file) = asked.map_err(failed(doing))?;
        Ok(SharedLake { root: root.into(), lake, is_empty: next_file == 0 })
    }

    async fn hold(&self, known: Option<u64>, random: &Random) -> Result<u64> {
        let doing = "cannot take the number of the writer";
        let writer = known.unwrap_or_else(|| draw(random));
        let mut link = self.link().await?;
        if let Link::Postgres(link) = &mut *link {
            postgres::hold_writer(link, writer).await.map_err(|error| {
                let text =
                    "another process writes under this folder's number: is the folder a copy?";
                Error::because(ErrorKind::Busy, text, error)
            })?;
        }
        let mut work = link.write().await.map_err(failed(doing))?;
        let there = "SELECT 1::bigint FROM wayfarer_writer WHERE writer = $1";
        let there = work.row(there, &[writer.into()]).await.map_err(failed(doing))?.is_some();
        match (known, there) {
            (Some(_), false) => {
                let text = "the catalog does not know this folder's writer: was it made anew?";
                return Err(Error::new(ErrorKind::Catalog, text));
            }
            (None, true) => {
                let text = "the number of the new writer is taken: try again";
                return Err(Error::new(ErrorKind::Busy, text));
            }
            (None, false) => add_writer(&mut work, writer).await.map_err(failed(doing))?,
            (Some(_), true) => {}
        }
        let says = "UPDATE wayfarer_writer SET seen = now(),
                        reads = (SELECT max(snapshot_id) FROM ducklake_snapshot)
                    WHERE writer = $1";
        work.change(says, &[writer.into()]).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))?;
        Ok(writer)
    }
}
