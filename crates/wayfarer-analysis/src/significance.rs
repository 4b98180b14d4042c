//! Whether two groups of visitors differ by more than chance: tests of shares and of means.
//!
//! Every visitor is one observation, since what one visitor does twice is not two pieces of evidence. A p-value is two-sided:
//! how likely a difference at least so large would be if there were none. Nothing is corrected for how many metrics are
//! looked at.

use serde::{Deserialize, Serialize};
use statrs::{
    distribution::{ContinuousCDF, Normal, StudentsT},
    stats_tests::{Alternative, fishers_exact},
};

/// How sure an interval is to hold the difference.
const CONFIDENCE: f64 = 0.95;

/// With fewer than this expected of either group, did it or not, the normal distribution is too sure (Cochran, 1954).
const FEW: f64 = 5.0;

/// A difference of two groups, with the interval that holds it at 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) p: f64,
}

/// How many of a group did something.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) all: u64,
    pub(crate) did: u64,
}

impl Share {
    pub(crate) fn count(&mut self, did: bool) {
        self.all += 1;
        self.did += u64::from(did);
    }

    pub(crate) fn add(&mut self, other: &Share) {
        self.all += other.all;
        self.did += other.did;
    }

    pub(crate) fn rate(&self) -> Option<f64> {
        (self.all > 0).then(|| self.did as f64 / self.all as f64)
    }

    /// Wilson's interval of the share.
    fn interval(&self, z: f64) -> Option<(f64, f64)> {
        let (n, p) = (self.all as f64, self.rate()?);
        let middle = p + z * z / (2.0 * n);
        let reach = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z * z / n;
        Some(((middle - reach) / scale, (middle + reach) / scale))
    }

    /// How this share differs from another: Newcombe's interval, and the z-test of two proportions with pooled variance, or
    /// Fisher's exact test where there are few.
    pub(crate) fn against(&self, other: &Share) -> Option<Difference> {
        let normal = Normal::standard();
        let z = normal.inverse_cdf(f64::midpoint(1.0, CONFIDENCE));
        let (p, q) = (self.rate()?, other.rate()?);
        let ((p_low, p_high), (q_low, q_high)) = (self.interval(z)?, other.interval(z)?);
        Some(Difference {
            low: p - q - (p - p_low).hypot(q_high - q),
            high: p - q + (p_high - p).hypot(q - q_low),
            p: self.chance(other, p - q)?,
        })
    }

    /// How likely a difference at least so large would be by chance.
    fn chance(&self, other: &Share, difference: f64) -> Option<f64> {
        if difference == 0.0 {
            return Some(1.0);
        }
        let (one, two) = (self.all as f64, other.all as f64);
        let pooled = (self.did + other.did) as f64 / (one + two);
        let fewest = one.min(two) * pooled.min(1.0 - pooled);
        if fewest < FEW {
            let table = [self.did, self.all - self.did, other.did, other.all - other.did];
            return fishers_exact(&table, Alternative::TwoSided).ok();
        }
        let error = (pooled * (1.0 - pooled) * (1.0 / one + 1.0 / two)).sqrt();
        Some(2.0 * Normal::standard().sf(difference.abs() / error))
    }
}

/// Numbers of a group, as their count, sum and sum of squares: exact, whatever the order in which they come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mean {
    count: u64,
    sum: i128,
    squares: i128,
}

impl Mean {
    pub(crate) fn count(&mut self, value: i64) {
        let value = i128::from(value);
        self.count += 1;
        self.sum += value;
        self.squares = self.squares.saturating_add(value * value);
    }

    pub(crate) fn add(&mut self, other: &Mean) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares = self.squares.saturating_add(other.squares);
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The variance of the mean, from the variance of the group.
    fn variance(&self) -> Option<f64> {
        let n = i128::from(self.count);
        if n < 2 {
            return None;
        }
        // n·Σx² − (Σx)², in whole numbers as long as they fit: two large numbers that are nearly equal.
        let exact = n.checked_mul(self.squares).zip(self.sum.checked_mul(self.sum));
        let spread = match exact {
            Some((one, other)) => (one - other) as f64,
            None => n as f64 * self.squares as f64 - (self.sum as f64).powi(2),
        };
        let n = self.count as f64;
        Some((spread / (n * (n - 1.0))).max(0.0) / n)
    }

    /// How this mean differs from another: Welch's t-test, which does not ask for equal variances. `None` where it is undefined:
    /// of fewer than two numbers, and of groups in each of which all are alike, which tells nothing of how they vary.
    pub(crate) fn against(&self, other: &Mean) -> Option<Difference> {
        let difference = self.mean()? - other.mean()?;
        let (one, two) = (self.variance()?, other.variance()?);
        let error = (one + two).sqrt();
        if error == 0.0 {
            return None;
        }
        let freedom = (one + two).powi(2)
            / (one.powi(2) / (self.count as f64 - 1.0) + two.powi(2) / (other.count as f64 - 1.0));
        let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
        let reach = t.inverse_cdf(f64::midpoint(1.0, CONFIDENCE)) * error;
        Some(Difference {
            low: difference - reach,
            high: difference + reach,
            p: 2.0 * t.sf((difference / error).abs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 5e-4, "{one} is not {other}");
    }

    /// Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, method 10, row a:
    /// 56/70 and 48/80 differ by 0.2, from 0.0524 to 0.3339.
    #[test]
    fn a_difference_of_shares_is_that_of_the_paper() {
        let (one, other) = (Share { all: 70, did: 56 }, Share { all: 80, did: 48 });
        let found = one.against(&other).unwrap();
        near(found.low, 0.0524);
        near(found.high, 0.3339);
        near(found.p, 0.0080);
    }

    /// Fisher (1935), "The design of experiments", the lady who tastes tea: three of four cups right, 0.2429 by chance; and as
    /// many wrong.
    #[test]
    fn of_few_the_exact_chance_is_told() {
        let (one, other) = (Share { all: 4, did: 3 }, Share { all: 4, did: 1 });
        near(one.against(&other).unwrap().p, 2.0 * 0.24286);
        let (one, other) = (Share { all: 1_000_000, did: 0 }, Share { all: 3, did: 3 });
        assert!(one.against(&other).unwrap().p < 1e-15);
    }

    /// Student (1908), the sleep data as two groups: t = -1.8608, 17.776 degrees of freedom, p = 0.0794, -3.365 to 0.205.
    #[test]
    fn a_difference_of_means_is_that_of_the_textbook() {
        let group = |tenths: &[i64]| {
            let mut mean = Mean::default();
            tenths.iter().for_each(|value| mean.count(*value));
            mean
        };
        let one = group(&[7, -16, -2, -12, -1, 34, 37, 8, 0, 20]);
        let other = group(&[19, 8, 11, 1, -1, 44, 55, 16, 46, 34]);
        let found = one.against(&other).unwrap();
        near(found.p, 0.0794);
        near(found.low / 10.0, -3.3655);
        near(found.high / 10.0, 0.2055);
    }

    #[test]
    fn what_cannot_be_known_is_not_told() {
        let (nobody, some) = (Share::default(), Share { all: 3, did: 3 });
        assert!(nobody.against(&some).is_none());
        assert_eq!(some.against(&some).unwrap().p, 1.0);
        let mut one = Mean::default();
        one.count(5);
        assert!(one.against(&one).is_none());
        one.count(5);
        assert!(one.against(&one).is_none());
        let mut other = Mean::default();
        [7, 7].into_iter().for_each(|value| other.count(value));
        assert!(one.against(&other).is_none());
        other.count(8);
        assert!(one.against(&other).is_some());
    }
}
