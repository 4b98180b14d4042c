//! Lengths of time as people write them: `30m`, `2h`, `1d`, `2w`.

use wayfarer_event::Micros;

use crate::Error;

const UNITS: [(char, i64); 5] = [
    ('s', Micros::SECOND),
    ('m', Micros::MINUTE),
    ('h', Micros::HOUR),
    ('d', Micros::DAY),
    ('w', 7 * Micros::DAY),
];

/// The microseconds of a length of time of up to ten years.
pub(crate) fn span(parameter: &'static str, text: &str) -> Result<i64, Error> {
    let found = UNITS.iter().find_map(|(unit, micros)| {
        let number: i64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*micros).filter(|span| (0..=3653 * Micros::DAY).contains(span))
    });
    found.ok_or_else(|| {
        Error::parameter(
            parameter,
            format!("is `{text}`: write a length of time such as 30m, 2h, 1d, up to 3653d"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(span("window", "30m").unwrap(), 30 * Micros::MINUTE);
        assert_eq!(span("window", "2w").unwrap(), 14 * Micros::DAY);
        for text in ["", "5", "d", "-1d", "1y", "99999d", "9223372036854775807w", "1.5h"] {
            assert!(span("window", text).is_err(), "{text}");
        }
    }
}
