//! What the owner of a site has saved to ask reports with: goals and segments.
//!
//! Both are [`Saved`]: kept as JSON in one table, by site, kind and name, and whole in memory, since every report sees them.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, SqlitePool};
use wayfarer_analysis::{Goal, Segment};
use wayfarer_event::Micros;

use super::Control;
use crate::{Error, ErrorKind, OpenError};

/// What can be saved for a site: a [`Goal`] or a [`Segment`].
pub trait Saved: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// How it is called: `goal`, `segment`. So it stands in the store, in addresses and on the command line.
    const KIND: &'static str;
    /// How many a site has at the most.
    const MOST: usize;

    /// Its name, one of a kind in its site.
    fn name(&self) -> &str;

    /// Whether it can be saved beside these.
    ///
    /// # Errors
    /// Why it cannot.
    fn check(&self, others: &[Self]) -> Result<(), wayfarer_analysis::Error>;

    /// Those of `others` that rest on the one of this name.
    fn resting_on<'a>(name: &str, others: &'a [Self]) -> Vec<&'a str>;

    #[doc(hidden)]
    fn of(site: &mut OfSite) -> &mut Vec<Self>;
}

impl Saved for Goal {
    const KIND: &'static str = "goal";
    // Reports tell so many apart.
    const MOST: usize = 64;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: &[Goal]) -> Result<(), wayfarer_analysis::Error> {
        Goal::check(self)
    }

    fn resting_on<'a>(_: &str, _: &'a [Goal]) -> Vec<&'a str> {
        Vec::new()
    }

    fn of(site: &mut OfSite) -> &mut Vec<Goal> {
        &mut site.goals
    }
}

impl Saved for Segment {
    const KIND: &'static str = "segment";
    const MOST: usize = 1000;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, others: &[Segment]) -> Result<(), wayfarer_analysis::Error> {
        Segment::check(self, others)
    }

    fn resting_on<'a>(name: &str, others: &'a [Segment]) -> Vec<&'a str> {
        let narrows = |other: &&Segment| other.segment.iter().any(|narrowed| narrowed == name);
        others.iter().filter(narrows).map(|other| other.name.as_str()).collect()
    }

    fn of(site: &mut OfSite) -> &mut Vec<Segment> {
        &mut site.segments
    }
}

/// What was saved for one site, by name.
#[derive(Clone, Debug, Default)]
pub struct OfSite {
    pub(crate) goals: Vec<Goal>,
    pub(crate) segments: Vec<Segment>,
}

impl OfSite {
    /// Puts one in the place of the one of its name, or among the others.
    fn put<T: Saved>(&mut self, one: T) {
        let all = T::of(self);
        match all.binary_search_by(|other| other.name().cmp(one.name())) {
            Ok(place) => all.splice(place..=place, [one]).for_each(drop),
            Err(place) => all.insert(place, one),
        }
    }
}

/// What was saved for every site, in memory.
#[derive(Default)]
pub(super) struct AllSaved {
    sites: RwLock<BTreeMap<String, OfSite>>,
    /// Held while something changes: what was checked against the others must still hold when it is among them.
    turn: tokio::sync::Mutex<()>,
}

impl AllSaved {
    pub(super) async fn load(pool: &SqlitePool) -> Result<AllSaved, OpenError> {
        let mut sites: BTreeMap<String, OfSite> = BTreeMap::new();
        let rows = sqlx::query("SELECT site, kind, definition FROM saved").fetch_all(pool);
        for row in rows.await? {
            let (kind, text): (String, String) = (row.try_get("kind")?, row.try_get("definition")?);
            let site = sites.entry(row.try_get("site")?).or_default();
            let damaged = |_| OpenError::Damaged { what: "a goal or segment in the control store" };
            match kind.as_str() {
                Goal::KIND => site.put(serde_json::from_str::<Goal>(&text).map_err(damaged)?),
                _ => site.put(serde_json::from_str::<Segment>(&text).map_err(damaged)?),
            }
        }
        Ok(AllSaved { sites: RwLock::new(sites), turn: tokio::sync::Mutex::default() })
    }

    fn of(&self, site: &str) -> OfSite {
        let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
        sites.get(site).cloned().unwrap_or_default()
    }

    fn change(&self, site: &str, change: impl FnOnce(&mut OfSite)) {
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        change(sites.entry(site.to_owned()).or_default());
    }
}

impl Control {
    /// Everything that was saved for a site.
    pub(crate) fn all_saved(&self, site: &str) -> OfSite {
        self.saved.of(site)
    }

    /// What was saved of one kind for a site, by name.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSite`].
    pub fn saved<T: Saved>(&self, site: &str) -> Result<Vec<T>, Error> {
        self.site(site).ok_or_else(|| Error::unknown_site(site))?;
        Ok(std::mem::take(T::of(&mut self.saved.of(site))))
    }

    /// Saves something, in the place of what has its name if there is such.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSite`]; [`ErrorKind::Invalid`] for what no report could use; [`ErrorKind::Unavailable`] if the
    /// store cannot be written.
    pub async fn save<T: Saved>(&self, site: &str, one: &T, now: Micros) -> Result<(), Error> {
        let _turn = self.saved.turn.lock().await;
        let all = self.saved::<T>(site)?;
        one.check(&all)?;
        if all.len() >= T::MOST && !all.iter().any(|other| other.name() == one.name()) {
            let problem = format!("a site has at most {} {}s", T::MOST, T::KIND);
            return Err(Error::new(ErrorKind::Invalid, problem));
        }
        let definition = serde_json::to_string(one)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot write it down").with(e))?;
        sqlx::query(
            "INSERT INTO saved (site, kind, name, definition, created_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (site, kind, name) DO UPDATE SET definition = excluded.definition",
        )
        .bind(site)
        .bind(T::KIND)
        .bind(one.name())
        .bind(definition)
        .bind(now.0)
        .execute(&self.pool)
        .await?;
        self.saved.change(site, |saved| saved.put(one.clone()));
        Ok(())
    }

    /// Forgets what was saved under a name; `false` if there was nothing.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSite`]; [`ErrorKind::Invalid`] while others rest on it; [`ErrorKind::Unavailable`] if the store
    /// cannot be written.
    pub async fn forget<T: Saved>(&self, site: &str, name: &str) -> Result<bool, Error> {
        let _turn = self.saved.turn.lock().await;
        let all = self.saved::<T>(site)?;
        let others = T::resting_on(name, &all);
        if !others.is_empty() {
            let (kind, others) = (T::KIND, others.join("`, `"));
            let problem =
                format!("the {kind} `{name}` is narrowed by `{others}`: remove that first");
            return Err(Error::new(ErrorKind::Invalid, problem));
        }
        let delete = sqlx::query("DELETE FROM saved WHERE site = ? AND kind = ? AND name = ?");
        let done = delete.bind(site).bind(T::KIND).bind(name).execute(&self.pool).await?;
        self.saved.change(site, |saved| T::of(saved).retain(|one| one.name() != name));
        Ok(done.rows_affected() > 0)
    }
}
