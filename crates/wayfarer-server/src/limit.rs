//! How fast events may come: a bucket a sender, refilled every second.
//!
//! The memory is fixed, whoever comes: a sender is hashed, under a key of this process, into one of a number of buckets.
//! Two senders that fall into the same bucket share it. No address is kept.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use wayfarer_embedded::{Grant, Scope};

use crate::config::Http;

/// How many buckets there are.
const BUCKETS: usize = 4096;
/// How many seconds' worth of events may come at once.
const BURST_S: f64 = 10.0;

/// The buckets.
pub(crate) struct RateLimits {
    browser: f64,
    server: f64,
    began: Instant,
    keys: RandomState,
    buckets: Box<[Mutex<Bucket>]>,
}

impl std::fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimits").field("browser", &self.browser).finish_non_exhaustive()
    }
}

/// What was taken, and when it was last looked at.
#[derive(Clone, Copy, Default)]
struct Bucket {
    used: f64,
    at_s: f64,
}

impl RateLimits {
    pub(crate) fn new(http: &Http) -> RateLimits {
        RateLimits {
            browser: f64::from(http.browser_events_per_second),
            server: f64::from(http.server_events_per_second),
            began: Instant::now(),
            keys: RandomState::new(),
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Takes so many events of a sender into account; or says after how many seconds to come again.
    pub(crate) fn take(
        &self,
        grant: &Grant,
        peer: Option<IpAddr>,
        events: usize,
    ) -> Result<(), u64> {
        let (rate, peer) = match grant.scope {
            Scope::Browser => (self.browser, peer),
            Scope::Server => (self.server, None),
        };
        let place = self.keys.hash_one((&grant.token, peer)) as usize % BUCKETS;
        let Some(bucket) = self.buckets.get(place) else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(rate, events as f64, self.began.elapsed().as_secs_f64())
    }
}

impl Bucket {
    fn take(&mut self, rate: f64, events: f64, now_s: f64) -> Result<(), u64> {
        self.used = (self.used - (now_s - self.at_s) * rate).max(0.0);
        self.at_s = now_s;
        let most = rate * BURST_S;
        // An empty bucket takes any batch, else a batch larger than the burst could never be sent.
        if self.used == 0.0 || self.used + events <= most {
            self.used += events;
            return Ok(());
        }
        let over = (self.used + events.min(most) - most) / rate;
        Err(over.ceil().max(1.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_takes_a_burst_and_then_the_rate() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(5.0, 50.0, 0.0), Ok(()));
        assert_eq!(bucket.take(5.0, 1.0, 0.0), Err(1));
        assert_eq!(bucket.take(5.0, 20.0, 1.0), Err(3));
        assert_eq!(bucket.take(5.0, 5.0, 1.0), Ok(()));
        assert_eq!(bucket.take(5.0, 50.0, 11.0), Ok(()));
    }

    #[test]
    fn a_large_batch_is_taken_when_nothing_else_is() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(1.0, 1000.0, 0.0), Ok(()));
        assert_eq!(bucket.take(1.0, 1.0, 500.0), Err(491));
    }
}
