//! How a data folder is opened.

use std::{fmt, sync::Arc};

use wayfarer_analysis::VisitRule;
use wayfarer_session::{Clock, Random, SystemClock, SystemRandom};

/// How a data folder is opened. The defaults fit a machine of two cores and 4 GB.
#[derive(Clone)]
pub struct Options {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where salts and tokens come from.
    pub random: Arc<dyn Random>,
    /// How the lake keeps events. Its clock is set to [`clock`](Options::clock).
    pub lake: wayfarer_lake::Options,
    /// When a visit ends.
    pub visits: VisitRule,
    /// Threads that one report may use.
    pub report_threads: usize,
    /// Reports that run at one time; more wait their turn.
    pub reports: usize,
    /// Reports that may wait; more are told that the server is busy.
    pub waiting_reports: usize,
    /// About how many bytes of answers are kept, for when the same is asked again and nothing has changed; 0 for none.
    pub answer_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Options {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            lake: wayfarer_lake::Options::default(),
            visits: VisitRule::default(),
            report_threads: cores,
            reports: 2,
            waiting_reports: 64,
            answer_bytes: 16 << 20,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("visits", &self.visits)
            .field("report_threads", &self.report_threads)
            .field("reports", &self.reports)
            .field("waiting_reports", &self.waiting_reports)
            .finish_non_exhaustive()
    }
}
