//! Sites: a name, a time zone, and the hosts whose pages are the site's own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqlitePool};
use wayfarer_collect::Site;
use wayfarer_event::{Micros, limit};

use super::Control;
use crate::{Error, ErrorKind, OpenError};

/// The most bytes of a site's name.
const NAME: usize = 64;
/// The most sites in a folder.
const MOST: usize = 10_000;
/// The most hosts of a site.
const MOST_HOSTS: usize = 100;

/// The most days that events are kept, if not for ever: a hundred years.
const MOST_DAYS: u32 = 36_525;

/// A site as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteSpec {
    /// Its name: letters, digits, `.`, `-` and `_`, at most 64.
    pub name: String,
    /// The time zone of its days: an IANA name such as `Europe/Berlin`.
    pub timezone: String,
    /// Hosts whose pages are its own, without port. They are no source of visits, and browsers send events from them only;
    /// without any, from everywhere.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// How many days its events are kept, from 1; for ever when not given.
    #[serde(default)]
    pub keep_days: Option<u32>,
}

impl SiteSpec {
    /// A site whose days are UTC's.
    #[must_use]
    pub fn new(name: impl Into<String>) -> SiteSpec {
        let (name, timezone) = (name.into(), "UTC".to_owned());
        SiteSpec { name, timezone, hosts: Vec::new(), keep_days: None }
    }

    /// The same site with the days of this time zone.
    #[must_use]
    pub fn timezone(self, zone: impl Into<String>) -> SiteSpec {
        SiteSpec { timezone: zone.into(), ..self }
    }

    /// The same site with one more host of its own.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> SiteSpec {
        self.hosts.push(host.into());
        self
    }

    /// The same site, whose events go after so many days.
    #[must_use]
    pub fn keep_days(self, days: u32) -> SiteSpec {
        SiteSpec { keep_days: Some(days), ..self }
    }

    fn check(&self) -> Result<Site, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.name.is_empty() || self.name.len() > NAME || !self.name.chars().all(fits) {
            return Err(invalid("a site's name is 1 to 64 letters, digits, `.`, `-` or `_`"));
        }
        let timezone = zone(&self.timezone)?;
        if self.hosts.len() > MOST_HOSTS {
            return Err(invalid("a site has at most 100 hosts"));
        }
        if self.keep_days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            return Err(invalid(format!("events are kept for 1 to {MOST_DAYS} days, or for ever")));
        }
        let own_hosts = self.hosts.iter().map(|host| tidy_host(host)).collect::<Result<_, _>>()?;
        Ok(Site { name: self.name.clone(), timezone, own_hosts })
    }
}

fn zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name)
        .map_err(|_| invalid(format!("`{name}` is no time zone: use a name such as Europe/Berlin")))
}

/// A host in lower case, as browsers name it.
fn tidy_host(host: &str) -> Result<String, Error> {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':');
    let port = !host.starts_with('[') && host.contains(':');
    if host.is_empty() || host.len() > limit::HOST || port || !host.chars().all(fits) {
        return Err(invalid(format!("`{host}` is no host name: use one such as shop.example.org")));
    }
    Ok(host.to_ascii_lowercase())
}

fn invalid(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, problem)
}

/// All sites, in memory.
#[derive(Default)]
pub(super) struct Sites(RwLock<BTreeMap<String, Known>>);

#[derive(Clone)]
struct Known {
    site: Arc<Site>,
    keep_days: Option<u32>,
}

impl Sites {
    pub(super) async fn load(pool: &SqlitePool) -> Result<Sites, OpenError> {
        let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in sqlx::query("SELECT site, host FROM site_host").fetch_all(pool).await? {
            hosts.entry(row.try_get("site")?).or_default().push(row.try_get("host")?);
        }
        let mut sites = BTreeMap::new();
        for row in sqlx::query("SELECT name, timezone, keep_days FROM site").fetch_all(pool).await?
        {
            let name: String = row.try_get("name")?;
            let zone: String = row.try_get("timezone")?;
            let timezone = TimeZone::get(&zone)
                .map_err(|_| OpenError::Zone { site: name.clone(), zone: zone.clone() })?;
            let own_hosts = hosts.remove(&name).unwrap_or_default();
            let site = Arc::new(Site { name: name.clone(), timezone, own_hosts });
            sites.insert(name, Known { site, keep_days: row.try_get("keep_days")? });
        }
        Ok(Sites(RwLock::new(sites)))
    }

    fn get(&self, name: &str) -> Option<Arc<Site>> {
        let sites = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sites.get(name).map(|known| Arc::clone(&known.site))
    }

    fn put(&self, site: Site, keep_days: Option<u32>) -> Arc<Site> {
        let site = Arc::new(site);
        let known = Known { site: Arc::clone(&site), keep_days };
        let mut sites = self.0.write().unwrap_or_else(PoisonError::into_inner);
        sites.insert(site.name.clone(), known);
        site
    }

    fn all(&self) -> Vec<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Control {
    /// Every site, by name.
    #[must_use]
    pub fn sites(&self) -> Vec<SiteSpec> {
        self.sites.all().iter().map(spec).collect()
    }

    /// From when on the events of each site are kept, of the sites that do not keep them for ever: the start of a day of
    /// theirs.
    pub(crate) fn kept_from(&self, now: Timestamp) -> HashMap<String, Micros> {
        let from = |known: Known| {
            let today = now.to_zoned(known.site.timezone.clone()).start_of_day().ok()?;
            let first = today.checked_sub(i64::from(known.keep_days?).days()).ok()?;
            Some((known.site.name.clone(), Micros::from(first.timestamp())))
        };
        self.sites.all().into_iter().filter_map(from).collect()
    }

    /// The site of this name.
    #[must_use]
    pub fn site(&self, name: &str) -> Option<Arc<Site>> {
        self.sites.get(name)
    }

    /// Writes a site down: a new one, or new settings of one that is there.
    ///
    /// A new time zone counts from now on for reports; the visitors of days that have begun stay as they are.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a wrong name, zone or host; [`ErrorKind::Unavailable`] if the store cannot be written.
    pub async fn put_site(&self, spec: &SiteSpec, now: Micros) -> Result<Arc<Site>, Error> {
        let site = spec.check()?;
        if self.sites.get(&site.name).is_none() && self.sites.all().len() >= MOST {
            return Err(invalid(format!("a folder holds at most {MOST} sites")));
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO site (name, timezone, keep_days, created_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (name) DO UPDATE
                 SET timezone = excluded.timezone, keep_days = excluded.keep_days",
        )
        .bind(&site.name)
        .bind(&spec.timezone)
        .bind(spec.keep_days)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM site_host WHERE site = ?")
            .bind(&site.name)
            .execute(&mut *transaction)
            .await?;
        for host in &site.own_hosts {
            sqlx::query("INSERT OR IGNORE INTO site_host (site, host) VALUES (?, ?)")
                .bind(&site.name)
                .bind(host)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(self.sites.put(site, spec.keep_days))
    }

    /// The site of this name, made as `spec` says if there is none yet.
    ///
    /// # Errors
    /// As [`put_site`](Control::put_site).
    pub async fn ensure_site(&self, spec: &SiteSpec, now: Micros) -> Result<Arc<Site>, Error> {
        match self.sites.get(&spec.name) {
            Some(site) => Ok(site),
            None => self.put_site(spec, now).await,
        }
    }
}

fn spec(known: &Known) -> SiteSpec {
    let Known { site, keep_days } = known;
    SiteSpec {
        keep_days: *keep_days,
        name: site.name.clone(),
        timezone: site.timezone.iana_name().unwrap_or("UTC").to_owned(),
        hosts: site.own_hosts.clone(),
    }
}
