//! Reports: on threads of their own, some at a time, cancelled when nobody waits any more.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::Semaphore;
use wayfarer_analysis::{Answer, Answers, Context, Request, fold::Hooks};
use wayfarer_event::Micros;
use wayfarer_lake::View;

use crate::{Error, ErrorKind, Options, Wayfarer};

impl Wayfarer {
    /// Answers a report of one site, over everything that was acknowledged before the call.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSite`]; [`ErrorKind::Invalid`] for a question that cannot be answered, with the reason;
    /// [`ErrorKind::Busy`] if too many wait already.
    pub async fn report(&self, request: Request) -> Result<Answer, Error> {
        let site = self.known_site(&request.site)?;
        let limits = self.report_limits();
        let _place = limits
            .waiting
            .try_acquire()
            .map_err(|_| Error::new(ErrorKind::Busy, "too many reports are waiting"))?;
        let running = limits.running.clone().acquire_owned().await;
        let mut context = self.context(self.lake().view(), site.timezone.clone());
        let saved = self.control().all_saved(&site.name);
        (context.goals, context.segments) = (saved.goals, saved.segments);
        let _cancel = CancelOnDrop(context.hooks.clone());
        let answers = Arc::clone(&limits.answers);
        let answered = tokio::task::spawn_blocking(move || {
            let _running = running;
            answers.answer(&context, &request)
        });
        Ok(answered
            .await
            .map_err(|e| Error::new(ErrorKind::Internal, "a report failed").with(e))??)
    }

    /// What reports on a site with this time zone know of the world, as of now.
    pub(crate) fn context(&self, view: View, zone: TimeZone) -> Context {
        let options = self.options();
        let mut context = Context::new(view, zone, Micros::from(self.now()));
        context.visits = options.visits;
        context.threads = options.report_threads;
        context
    }
}

/// Stops a report when whoever asked is gone.
struct CancelOnDrop(Hooks);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// How many reports may run, how many may wait, and the answers that are kept.
#[derive(Debug)]
pub(crate) struct ReportLimits {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    answers: Arc<Answers>,
}

impl ReportLimits {
    pub(crate) fn new(options: &Options) -> ReportLimits {
        let running = options.reports.max(1);
        ReportLimits {
            running: Arc::new(Semaphore::new(running)),
            waiting: Semaphore::new(running + options.waiting_reports),
            answers: Arc::new(Answers::new(options.answer_bytes)),
        }
    }
}
