//! Erasure: afterwards no byte of a person is under the lake's folders, and nothing brings them back.
//!
//! A rule comes first: from then on the log's thread declines what the person did before. Then all rows are sealed, so that
//! the log holds none; the files that have rows of the person are written again without them, as are the files of ids; the
//! catalog's statistics are worked out anew, its old snapshots let go at once, and the database is rewritten without free
//! pages. The rule itself keeps only fingerprints.

use std::{collections::HashSet, path::PathBuf, sync::Arc, sync::atomic::Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use wayfarer_event::{Column, Micros, VisitorId};

use crate::{
    Error, ErrorKind, Result, Scan, View,
    block::{Block, Values},
    catalog::Replace,
    commit::Command,
    compact::Compactor,
    file::{DataFile, write::Written},
    ids::Fingerprint,
    merge::Merge,
    period::Calendar,
    rule,
    seal::PREFIX,
};

/// Whom to erase from a site.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Person {
    /// An account. What its visitors did before they logged in goes as well.
    User(String),
    /// A visitor.
    Visitor(VisitorId),
}

/// The receipt of an erasure. It names nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Events that were erased.
    pub rows: u64,
    /// Visitors that they were of.
    pub visitors: u64,
    /// Files that were written again.
    pub files: u64,
    /// When, in microseconds of UTC. What the person did before this is not taken any more.
    pub at: i64,
}

/// Which rows are a person's.
#[derive(Clone, Debug)]
struct Target {
    site: String,
    user: Option<String>,
    visitors: HashSet<u64>,
}

impl Target {
    fn new(site: &str, person: &Person) -> Target {
        let (user, visitors) = match person {
            Person::User(user) => (Some(user.clone()), HashSet::new()),
            Person::Visitor(visitor) => (None, HashSet::from([visitor.0])),
        };
        Target { site: site.to_owned(), user, visitors }
    }

    /// The fingerprints by which the log's thread knows the person.
    fn rules(&self) -> Vec<Fingerprint> {
        let visitors = self.visitors.iter();
        match &self.user {
            Some(user) => visitors
                .map(|visitor| rule::anonymous(&self.site, *visitor))
                .chain([rule::user(&self.site, user)])
                .collect(),
            None => visitors.map(|visitor| rule::visitor(&self.site, *visitor)).collect(),
        }
    }

    /// Whether a row of the person's site is the person's, by its visitor and user.
    fn has(&self, visitor: u64, user: Option<&str>) -> bool {
        match (&self.user, user) {
            // A browser may be shared: what another user did stays.
            (Some(own), Some(user)) => own == user,
            _ => self.visitors.contains(&visitor),
        }
    }

    fn has_row(&self, block: &Block, user: usize, row: usize) -> bool {
        let visitor = block.visitor(row).unwrap_or_default();
        self.has(visitor, block.columns.get(user).and_then(|values| values.text(row)))
    }

    /// Adds the visitors that the user was seen as.
    fn link(&mut self, view: &View) -> Result<()> {
        let Some(own) = self.user.clone() else { return Ok(()) };
        for mut run in view.runs(&Scan::new(self.site.as_str(), &[Column::User]))? {
            while let Some(block) = run.next_block()? {
                let user = |row| block.columns.first().and_then(|values| values.text(row));
                let own = (0..block.len()).filter(|&row| user(row) == Some(own.as_str()));
                self.visitors.extend(own.filter_map(|row| block.visitor(row)));
            }
        }
        Ok(())
    }

    /// How many rows of a file are the person's; the fingerprints of their ids go into `ids`.
    fn find(&self, file: &Arc<DataFile>, ids: &mut HashSet<Fingerprint>) -> Result<u64> {
        let Some(span) = file.span(&self.site) else { return Ok(0) };
        let scan = Scan::new(self.site.as_str(), &[Column::User, Column::Id]);
        let mut run = crate::Run::of_file(Arc::clone(file), span.clone(), &scan);
        let mut rows = 0;
        while let Some(block) = run.next_block()? {
            for row in (0..block.len()).filter(|&row| self.has_row(&block, 0, row)) {
                rows += 1;
                let id = block.columns.get(1).and_then(|values| values.text(row));
                ids.extend(id.map(|id| crate::ids::fingerprint_of(&self.site, id)));
            }
        }
        Ok(rows)
    }
}

impl Values {
    /// The text of a row.
    fn text(&self, row: usize) -> Option<&str> {
        let Values::Text { codes, dictionary } = self else { return None };
        let code = *codes.get(row)? as usize;
        (code < arrow_array::Array::len(dictionary.as_ref())).then(|| dictionary.value(code))
    }
}

impl Compactor {
    /// Erases a person from a site.
    pub(crate) async fn erase(&self, site: &str, person: &Person) -> Result<Erased> {
        let merging = self.merging.lock().await;
        let at: Micros = (self.sealer.clock.0)();
        let mut target = Target::new(site, person);
        self.add_rules(&target, at).await?;
        self.seal_all().await?;
        target.link(&self.sealer.shared.view())?;
        self.add_rules(&target, at).await?;
        self.seal_all().await?;
        let mut erased =
            Erased { at: at.0, visitors: target.visitors.len() as u64, ..Erased::default() };
        let mut ids = HashSet::new();
        let files = Arc::clone(&self.sealer.shared.rows().files);
        for file in files.iter() {
            let rows = target.find(file, &mut ids)?;
            if rows > 0 {
                self.rewrite(Arc::clone(file), &target, at).await?;
                erased.rows += rows;
                erased.files += 1;
            }
        }
        self.sealer.forget_ids(&ids).await?;
        self.sealer.catalog.narrow().await?;
        self.expire_all().await?;
        self.sealer.catalog.vacuum().await?;
        drop(merging);
        Ok(erased)
    }

    /// Makes a rule durable and known to the log's thread.
    async fn add_rules(&self, target: &Target, at: Micros) -> Result<()> {
        let rules = target.rules();
        self.sealer.catalog.add_rules(&rules, at.0).await?;
        let (answer, done) = oneshot::channel();
        self.sealer
            .commands
            .send(Command::Decline(rules, at.0, answer))
            .map_err(|_| Error::closed())?;
        done.await.map_err(|_| Error::closed())
    }

    /// Seals what is hot, also when the last seal failed and still has older rows.
    async fn seal_all(&self) -> Result<()> {
        self.sealer.seal().await?;
        self.sealer.seal().await
    }

    /// Replaces a file by one without the person's rows.
    async fn rewrite(&self, file: Arc<DataFile>, target: &Target, at: Micros) -> Result<()> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let writer = self.sealer.shared.writer;
        let stem = self.sealer.table.join(format!("{PREFIX}{writer:x}-e{:x}-{attempt}", file.id));
        let (storage, calendar) = (Arc::clone(&self.sealer.storage), Calendar::new(at, self.days));
        let (target, gone) = (target.clone(), vec![file.id]);
        let rewrite = move || -> Result<Vec<Written>> {
            let user = Column::User.index();
            let merge = Merge {
                storage: storage.as_ref(),
                files: vec![file],
                period: Box::new(move |ts| calendar.period(ts)),
                path: Box::new(|n| PathBuf::from(format!("{}-{n}.parquet", stem.display()))),
                leave_out: Some(Box::new(move |site, block, row| {
                    site == target.site && target.has_row(block, user, row)
                })),
            };
            merge.run()
        };
        let files = tokio::task::spawn_blocking(rewrite)
            .await
            .map_err(|error| Error::because(ErrorKind::Io, "an erasure was broken off", error))??;
        let replace = Replace { gone, files, now: at.timestamp(), erases: true };
        self.sealer.catalog.replace(&replace).await?;
        self.sealer.publish().await
    }
}
