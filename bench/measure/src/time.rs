//! Wall and CPU time of a stretch of work, and what many of them come to.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Measures a stretch of work by the wall's clock and by that of this process's processors.
pub struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

/// What one stretch of work took, per operation.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Nanoseconds by the wall's clock.
    pub wall_ns: f64,
    /// Nanoseconds of processor time, of all threads of the process.
    pub cpu_ns: f64,
    /// How many operations did not do what they should.
    pub failures: u64,
}

/// The medians over the rounds of one case.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Nanoseconds an operation by the wall's clock.
    pub wall_ns: f64,
    /// Nanoseconds of processor time an operation.
    pub cpu_ns: f64,
    /// Operations that did not do what they should, over all rounds.
    pub failures: u64,
    /// How many rounds there were.
    pub rounds: usize,
}

/// Where the values of a distribution lie.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// One in a hundred is more.
    pub p99: f64,
    /// One in a thousand is more.
    pub p999: f64,
    /// None is more.
    pub max: f64,
}

impl Stopwatch {
    /// Starts to measure.
    #[must_use]
    pub fn start() -> Stopwatch {
        Stopwatch { cpu: cpu_ns(), wall: Instant::now() }
    }

    /// What `operations` took since the start, each.
    #[must_use]
    pub fn stop(&self, operations: u64, failures: u64) -> Sample {
        let each = 1.0 / operations.max(1) as f64;
        let wall_ns = self.wall.elapsed().as_nanos() as f64 * each;
        Sample { wall_ns, cpu_ns: (cpu_ns() - self.cpu) * each, failures }
    }
}

impl Figures {
    /// The medians of these samples.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Figures {
        Figures {
            wall_ns: median(samples.iter().map(|sample| sample.wall_ns)),
            cpu_ns: median(samples.iter().map(|sample| sample.cpu_ns)),
            failures: samples.iter().map(|sample| sample.failures).sum(),
            rounds: samples.len(),
        }
    }
}

impl Quantiles {
    /// The quantiles of these values; all 0 if there are none.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Quantiles {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (values.len() as f64 * share).ceil() as usize;
            values.get(place.clamp(1, values.len().max(1)) - 1).copied().unwrap_or_default()
        };
        Quantiles { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

/// The middle value, or the mean of the two in the middle; NaN if there is none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

fn cpu_ns() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 * 1e9 + spent.tv_nsec as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles_are_those_of_the_textbook() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
        let hundred = Quantiles::of((1..=100).map(f64::from).collect());
        assert_eq!((hundred.p50, hundred.p99, hundred.max), (50.0, 99.0, 100.0));
        assert_eq!(Quantiles::of(Vec::new()).max, 0.0);
    }

    #[test]
    fn a_busy_stretch_costs_processor_time() {
        let watch = Stopwatch::start();
        let mut sum = 0_u64;
        for n in 0..2_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
        let sample = watch.stop(2_000_000, 0);
        assert!(sum > 0 && sample.cpu_ns > 0.0 && sample.wall_ns > 0.0);
    }
}
