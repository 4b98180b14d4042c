//! The handle on a data folder: opening, what hangs on it, closing.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};
use wayfarer_analysis::VisitRule;
use wayfarer_collect::{Collector, Salts, Site};
use wayfarer_event::Micros;
use wayfarer_lake::Lake;

use crate::{
    Control, Error, ErrorKind, OpenError, Options, Presence, care::keep_up, folder::Folder,
    follow::follow, insights::Learned, report::ReportLimits,
};

/// The loop in one process. Clones are handles to the same one; the folder is held until [`close`](Wayfarer::close) was
/// called and the last of them is gone.
#[derive(Clone)]
pub struct Wayfarer {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    control: Control,
    collector: Arc<Collector>,
    lake: Lake,
    learned: Arc<Learned>,
    presence: Presence,
    report_limits: ReportLimits,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    closing: watch::Sender<bool>,
    /// Dropped last: the lock goes when all else is gone.
    folder: Folder,
}

/// How a data folder is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the wayfarer that holds the folder.
    pub version: String,
    /// The folder.
    pub folder: String,
    /// How many sites there are.
    pub sites: usize,
    /// How many tokens there are.
    pub tokens: usize,
    /// How the lake is.
    pub lake: wayfarer_lake::Status,
}

impl std::fmt::Debug for Wayfarer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wayfarer")
            .field("folder", &self.inner.folder.path())
            .finish_non_exhaustive()
    }
}

impl Wayfarer {
    /// Opens a data folder and starts the loop on it. A missing folder is made, closed to other accounts.
    ///
    /// # Errors
    /// [`OpenError::Held`] while another process has it; every other reason by its name.
    pub async fn open(folder: &Path, options: Options) -> Result<Wayfarer, OpenError> {
        let folder = Folder::hold(folder)?;
        let control = Control::open(folder.path(), Arc::clone(&options.random)).await?;
        control.salts().expire(options.clock.now()).await?;
        let lake = Lake::open(folder.path(), lake_options(&options)).await?;
        let salts: Arc<dyn Salts> = Arc::clone(control.salts()) as _;
        let wayfarer = Wayfarer {
            inner: Arc::new(Inner {
                collector: Arc::new(Collector::new(salts)),
                learned: Arc::default(),
                presence: Presence::default(),
                report_limits: ReportLimits::new(&options),
                tasks: Mutex::default(),
                closing: watch::Sender::new(false),
                control,
                lake,
                options,
                folder,
            }),
        };
        wayfarer.start().await;
        Ok(wayfarer)
    }

    /// Subscribes before it looks at what is there, so that no event falls between the two.
    async fn start(&self) {
        let subscription = self.lake().subscribe();
        if let Err(error) = self.learn_again(self.lake().view().sites()).await {
            // A file that cannot be read stops the answers that need it, but no event.
            tracing::error!(error = %error, "what the loop knows could not be learnt from the lake");
        }
        let care = keep_up(self.clone(), self.inner.closing.subscribe());
        let mut tasks = self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(tokio::spawn(follow(self.clone(), subscription)));
        tasks.push(tokio::spawn(care));
    }

    /// Learns what is known of some sites anew, from what the lake holds now: the models, and who is there.
    pub(crate) async fn learn_again(&self, sites: Vec<String>) -> Result<(), Error> {
        for site in &sites {
            self.train(site).await?;
        }
        let (handle, now) = (self.clone(), Micros::from(self.now()));
        self.presence().forget(&sites);
        let filled = tokio::task::spawn_blocking(move || {
            handle.presence().fill(&handle.lake().view(), &sites, now)
        });
        filled.await.map_err(|e| {
            Error::new(ErrorKind::Internal, "looking at the last events failed").with(e)
        })?
    }

    /// Stops taking events, puts everything into its final form on disk and stops every task. A second call does
    /// nothing more.
    ///
    /// # Errors
    /// When the last seal fails. What was acknowledged is in the log then, and comes back at the next opening.
    pub async fn close(&self) -> Result<(), Error> {
        let inner = &self.inner;
        inner.closing.send_replace(true);
        let sealed = inner.lake.close().await;
        let tasks =
            std::mem::take(&mut *inner.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(error = %error, "a task of the loop ended early");
            }
        }
        if let Err(error) = inner.control.salts().save(self.now()).await {
            tracing::warn!(error = %error, "the last use of the daily salts was not written down");
        }
        inner.control.close().await;
        Ok(sealed?)
    }

    /// The data folder, as an absolute path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.inner.folder.path()
    }

    /// The lake.
    #[must_use]
    pub fn lake(&self) -> &Lake {
        &self.inner.lake
    }

    /// Sites and tokens.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.inner.control
    }

    /// Who is there now.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.inner.presence
    }

    /// What time it is, by the clock of the options.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.options.clock.now()
    }

    /// How the folder is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            folder: self.folder().display().to_string(),
            sites: self.control().sites().len(),
            tokens: self.control().tokens().len(),
            lake: self.lake().status(),
        }
    }

    /// When a visit ends here.
    #[must_use]
    pub fn visit_rule(&self) -> VisitRule {
        self.options().visits
    }

    pub(crate) fn collector(&self) -> &Arc<Collector> {
        &self.inner.collector
    }

    pub(crate) fn learned(&self) -> &Arc<Learned> {
        &self.inner.learned
    }

    pub(crate) fn options(&self) -> &Options {
        &self.inner.options
    }

    pub(crate) fn report_limits(&self) -> &ReportLimits {
        &self.inner.report_limits
    }

    pub(crate) fn known_site(&self, name: &str) -> Result<Arc<Site>, Error> {
        self.control().site(name).ok_or_else(|| Error::unknown_site(name))
    }
}

fn lake_options(options: &Options) -> wayfarer_lake::Options {
    let clock = Arc::clone(&options.clock);
    wayfarer_lake::Options {
        clock: Arc::new(move || Micros::from(clock.now())),
        ..options.lake.clone()
    }
}
