//! The times of a bundle's rows, in six bytes each: memory that is fresh is what the first use of a bundle waits for most.

use std::ops::Range;

use super::order::Places;

/// How far the times of a bundle may lie apart, in microseconds: almost nine years.
const REACH: u64 = 1 << 48;

/// By how much each time is over the least one: the low 32 bits, and the 16 above them.
#[derive(Debug)]
pub(super) struct Times {
    least: i64,
    low: Vec<u32>,
    high: Vec<u16>,
}

impl Times {
    /// None yet, with room for so many between the least and the greatest, both included; `None` where these lie too far
    /// apart.
    pub(super) fn between((least, greatest): (i64, i64), rows: usize) -> Option<Times> {
        let (low, high) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        (greatest.abs_diff(least) < REACH).then_some(Times { least, low, high })
    }

    /// The same, all of them the least until they are put in their places.
    pub(super) fn in_places(bounds: (i64, i64), rows: usize) -> Option<Times> {
        let Times { least, .. } = Times::between(bounds, 0)?;
        Some(Times { least, low: vec![0; rows], high: vec![0; rows] })
    }

    /// How much memory they take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.low.as_slice()) + size_of_val(self.high.as_slice())
    }

    /// Adds times behind those that are there. False when one is out of reach.
    pub(super) fn extend(&mut self, times: &[i64]) -> bool {
        let least = self.least;
        self.low.extend(times.iter().map(|ts| low(over(*ts, least))));
        self.high.extend(times.iter().map(|ts| high(over(*ts, least))));
        self.reaches(times)
    }

    /// Puts times in their places. False when one is out of reach.
    pub(super) fn put(&mut self, times: &[i64], places: &mut Places<'_>) -> bool {
        let least = self.least;
        places.clone().put(times, &mut self.low, |ts| low(over(ts, least)));
        places.put(times, &mut self.high, |ts| high(over(ts, least)));
        self.reaches(times)
    }

    /// Puts times in the places from one on. They must be in reach.
    pub(super) fn write(&mut self, start: usize, times: &[i64]) {
        let own_low = self.low.get_mut(start..).unwrap_or_default();
        let own_high = self.high.get_mut(start..).unwrap_or_default();
        for ((own_low, own_high), ts) in own_low.iter_mut().zip(own_high).zip(times) {
            let over = over(*ts, self.least);
            (*own_low, *own_high) = (low(over), high(over));
        }
    }

    fn reaches(&self, times: &[i64]) -> bool {
        times.iter().fold(0, |all, ts| all | over(*ts, self.least)) < REACH
    }

    /// The time of a row.
    pub(super) fn get(&self, row: usize) -> Option<i64> {
        Some(self.time((*self.low.get(row)?, *self.high.get(row)?)))
    }

    fn time(&self, (low, high): (u32, u16)) -> i64 {
        self.least.wrapping_add((u64::from(high) << 32 | u64::from(low)) as i64)
    }

    /// The times of some rows.
    pub(super) fn of(&self, rows: Range<usize>) -> impl Iterator<Item = i64> {
        let low = self.low.get(rows.clone()).unwrap_or_default();
        let high = self.high.get(rows).unwrap_or_default();
        low.iter().zip(high).map(|(low, high)| self.time((*low, *high)))
    }

    /// The first of some rows, whose times ascend, that is not before an instant.
    pub(super) fn first_from(&self, rows: &Range<usize>, instant: i64) -> usize {
        let (mut first, mut end) = (rows.start, rows.end);
        while first < end {
            let middle = first.midpoint(end);
            match self.get(middle) {
                Some(ts) if ts < instant => first = middle + 1,
                _ => end = middle,
            }
        }
        first
    }
}

/// By how much a time is over another; out of reach where it is under it.
fn over(ts: i64, least: i64) -> u64 {
    ts.wrapping_sub(least) as u64
}

fn low(over: u64) -> u32 {
    over as u32
}

fn high(over: u64) -> u16 {
    (over >> 32) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 86_400_000_000;

    #[test]
    fn times_are_read_back() {
        let times = [-3 * YEAR, -1, 0, 1, 1 << 32, 5 * YEAR];
        let mut all = Times::between((-3 * YEAR, 5 * YEAR), 6).unwrap();
        assert!(all.extend(&times[..2]) && all.extend(&times[2..]));
        assert_eq!(all.of(0..6).collect::<Vec<_>>(), times);
        assert_eq!(all.of(2..4).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((all.get(4), all.get(6)), (Some(1 << 32), None));
        all.write(1, &[7, 8]);
        assert_eq!(all.of(0..4).collect::<Vec<_>>(), [-3 * YEAR, 7, 8, 1]);
    }

    #[test]
    fn what_is_out_of_reach_is_refused() {
        assert!(Times::between((0, 9 * YEAR), 1).is_none());
        assert!(Times::between((i64::MIN, i64::MAX), 1).is_none());
        for ts in [-1, 1 << 48, i64::MIN, i64::MAX] {
            assert!(!Times::between((0, 1), 2).unwrap().extend(&[0, ts]), "{ts}");
        }
    }

    #[test]
    fn the_first_row_from_an_instant_on_is_found() {
        let times: Vec<i64> = vec![1, 1, 4, 4, 4, 9];
        let mut all = Times::between((0, 9), 6).unwrap();
        assert!(all.extend(&times));
        for (start, instant) in (0..6).flat_map(|start| (0..11).map(move |ts| (start, ts))) {
            let expected = start + times[start..].partition_point(|ts| *ts < instant);
            assert_eq!(all.first_from(&(start..6), instant), expected);
        }
    }
}
