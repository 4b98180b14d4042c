//! The axis of numbers: where it begins and ends, and the round numbers on it. In `f64`, so that they are exact.

use crate::Numbers;

/// Steps that an axis is divided into, about.
const STEPS: f64 = 4.0;

/// An axis of numbers. Its ticks are `low`, `low + step`, … `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) step: f64,
    pub(crate) steps: u16,
}

impl Scale {
    /// An axis on which all values have room, and 0.
    pub(crate) fn of(values: impl Iterator<Item = f64>, numbers: Numbers) -> Scale {
        let mut whole = numbers == Numbers::Plain;
        let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), value| {
            whole &= value.fract() == 0.0;
            (low.min(value), high.max(value))
        });
        // Beyond this, halves of a step could not be told apart any more.
        let (low, high) = (low.max(-1e300), high.min(1e300));
        let (low, high) = if high > low { (low, high) } else { (0.0, nothing(numbers)) };
        let step = round_step((high - low) / STEPS, numbers);
        // Counts have no halves.
        let step = if whole { step.max(1.0) } else { step };
        let (first, last) =
            ((low / step).floor(), (high / step).ceil().max((low / step).floor() + 1.0));
        let steps = last - first;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a range is a few steps long"
        )]
        let steps = steps.clamp(1.0, 100.0) as u16;
        Scale { low: first * step, high: last * step, step, steps }
    }

    /// The numbers on the axis, from the lowest.
    pub(crate) fn ticks(self) -> impl Iterator<Item = f64> {
        let first = (self.low / self.step).round();
        (0..=self.steps).map(move |i| (first + f64::from(i)) * self.step)
    }

    /// Where a value lies, from 0 at the lowest to 1 at the highest.
    pub(crate) fn place(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Where an axis ends on which all is 0.
fn nothing(numbers: Numbers) -> f64 {
    match numbers {
        Numbers::Plain => 4.0,
        Numbers::Share => 1.0,
        Numbers::Seconds => 60.0,
    }
}

/// The least round number that is not below `least`.
fn round_step(least: f64, numbers: Numbers) -> f64 {
    // Minutes have sixty seconds.
    let (factors, floor): (&[f64], f64) = match numbers {
        Numbers::Plain => (&[1.0, 2.0, 2.5, 5.0, 10.0], 0.0),
        Numbers::Share => (&[1.0, 2.0, 2.5, 5.0, 10.0], 0.001),
        Numbers::Seconds if least > 5.0 => {
            let steps =
                [10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
            if let Some(step) = steps.into_iter().find(|step| *step >= least) {
                return step;
            }
            return (least / 3600.0).ceil() * 3600.0;
        }
        Numbers::Seconds => (&[1.0, 2.0, 5.0, 10.0], 0.0),
    };
    let power = 10_f64.powf(least.log10().floor());
    let step = factors.iter().map(|factor| factor * power).find(|step| *step >= least * 0.999_999);
    step.unwrap_or(10.0 * power).max(floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(values: &[f64], numbers: Numbers) -> Vec<String> {
        let scale = Scale::of(values.iter().copied(), numbers);
        scale.ticks().map(|tick| numbers.write(tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        assert_eq!(ticks(&[643.0], Numbers::Plain), ["0", "200", "400", "600", "800"]);
        assert_eq!(ticks(&[4.0], Numbers::Plain), ["0", "1", "2", "3", "4"]);
        assert_eq!(
            ticks(&[31_234_567.0], Numbers::Plain),
            ["0", "10,000,000", "20,000,000", "30,000,000", "40,000,000"]
        );
        assert_eq!(ticks(&[-5.0, 12.0], Numbers::Plain), ["−5", "0", "5", "10", "15"]);
        assert_eq!(ticks(&[], Numbers::Plain), ["0", "1", "2", "3", "4"]);
        assert_eq!(ticks(&[2.0, 1.0], Numbers::Plain), ["0", "1", "2"]);
        assert_eq!(ticks(&[0.9], Numbers::Plain), ["0", "0.25", "0.5", "0.75", "1"]);
        assert_eq!(ticks(&[0.0], Numbers::Share), ["0 %", "25 %", "50 %", "75 %", "100 %"]);
        assert_eq!(ticks(&[0.62], Numbers::Share), ["0 %", "20 %", "40 %", "60 %", "80 %"]);
        assert_eq!(ticks(&[200.0], Numbers::Seconds), ["0s", "1m", "2m", "3m", "4m"]);
    }

    #[test]
    fn any_value_has_a_place() {
        for value in [f64::MIN, f64::MAX, 1e-300, -1e-9, 3.0] {
            let scale = Scale::of([value].into_iter(), Numbers::Plain);
            assert!(scale.low < scale.high && scale.step > 0.0, "{value} {scale:?}");
            assert!((0.0..=1.0).contains(&scale.place(value)), "{value}");
        }
    }
}
