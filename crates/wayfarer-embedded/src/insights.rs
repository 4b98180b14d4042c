//! Insights out: what the models say of a visitor, answered from memory.
//!
//! A model is trained from a view of the lake, then shown every event that came after that view, so that each event counts
//! once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

use async_trait::async_trait;
use wayfarer_event::{InsightError, InsightSource, Insights, Micros, VisitorId, VisitorKind, Who};
use wayfarer_lake::Stored;
use wayfarer_learn::NextPages;

use crate::{Error, ErrorKind, Wayfarer};

/// How many events are shown to the models under one lock: who asks for insights meanwhile waits for so many.
const AT_ONCE: usize = 256;

/// The models of every site.
#[derive(Default)]
pub(crate) struct Learned {
    sites: RwLock<HashMap<String, Model>>,
}

struct Model {
    pages: NextPages,
    /// Events from this place on are not in the training.
    known_to: u64,
}

impl Learned {
    /// Shows live events to the models of their sites. Gives the sites that have none yet: theirs must be trained.
    pub(crate) fn observe<'a>(&self, events: &'a [Stored]) -> BTreeSet<&'a str> {
        let mut new = BTreeSet::new();
        for part in events.chunks(AT_ONCE) {
            let mut sites = self.write();
            for run in part.chunk_by(|a, b| a.event.site == b.event.site) {
                let site = run.first().map_or("", |stored| stored.event.site.as_str());
                let Some(model) = sites.get_mut(site) else {
                    new.insert(site);
                    continue;
                };
                for stored in run.iter().filter(|stored| stored.seq >= model.known_to) {
                    model.pages.observe(stored);
                }
            }
        }
        new
    }

    fn suggest(&self, site: &str, visitor: VisitorId, now: Micros) -> Insights {
        let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
        sites.get(site).map(|model| model.pages.suggest(visitor, now)).unwrap_or_default()
    }

    fn put(&self, site: &str, model: Model) {
        self.write().insert(site.to_owned(), model);
    }

    /// A model for a site that has none; it learns from what comes.
    fn put_if_none(&self, site: &str, model: Model) {
        self.write().entry(site.to_owned()).or_insert(model);
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Model>> {
        self.sites.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wayfarer {
    /// Trains the model of a site from what is in the lake now. Where the lake cannot be read, the model stays as it was.
    pub(crate) async fn train(&self, site: &str) -> Result<(), Error> {
        let zone =
            self.control().site(site).map_or(jiff::tz::TimeZone::UTC, |s| s.timezone.clone());
        let view = self.lake().view();
        let known_to = view.position().next_seq;
        let mut context = self.context(view, zone);
        // Nobody waits for it: the other processors are for those who send and ask.
        context.threads = 1;
        let (name, learned) = (site.to_owned(), Arc::clone(self.learned()));
        let training = tokio::task::spawn_blocking(move || {
            match NextPages::train(&context, &name) {
                Ok(pages) => learned.put(&name, Model { pages, known_to }),
                Err(error) => {
                    let pages = NextPages::new(&name, context.visits);
                    learned.put_if_none(&name, Model { pages, known_to });
                    return Err(Error::from(error));
                }
            }
            Ok(())
        });
        training.await.map_err(|e| Error::new(ErrorKind::Internal, "training failed").with(e))?
    }

    /// What the models say of a visitor of a site, now.
    ///
    /// # Errors
    /// When there is no such site.
    pub fn insights(&self, site: &str, who: &Who) -> Result<Insights, Error> {
        let site = self.known_site(site)?;
        let (kind, claimed) = match who {
            Who::Session(subject) => (VisitorKind::Subject, subject),
            Who::Visitor(id) => (VisitorKind::FirstParty, id),
        };
        let visitor = self.collector().visitor(&site.name, kind, claimed);
        Ok(self.learned().suggest(&site.name, visitor, Micros::from(self.now())))
    }

    /// What `session.insights()` asks, for the applications of a site in this process.
    #[must_use]
    pub fn insight_source(&self, site: &str) -> Arc<dyn InsightSource> {
        Arc::new(Source { wayfarer: self.clone(), site: site.to_owned() })
    }
}

/// The insights of one site, in process.
struct Source {
    wayfarer: Wayfarer,
    site: String,
}

#[async_trait]
impl InsightSource for Source {
    async fn insights(&self, who: &Who) -> Result<Insights, InsightError> {
        match self.wayfarer.insights(&self.site, who) {
            Ok(insights) => Ok(insights),
            // The site comes to be with its first event: until then nobody has done anything.
            Err(error) if error.kind() == ErrorKind::UnknownSite => Ok(Insights::default()),
            Err(error) => Err(InsightError::Unavailable(error.to_string())),
        }
    }
}
