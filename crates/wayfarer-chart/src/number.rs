//! Numbers as people read them.

/// What the numbers of a plot are, and so how they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// Counts and amounts: `1,234,567`, with up to two decimals where there are any.
    #[default]
    Plain,
    /// Shares from 0 to 1, written as `45 %`.
    Share,
    /// Seconds, written as `1m 30s` or `2h 5m`.
    Seconds,
}

impl Numbers {
    /// A number, written.
    #[must_use]
    pub fn write(self, value: f64) -> String {
        match self {
            Numbers::Plain => plain(value),
            Numbers::Share => format!("{} %", plain((value * 1000.0).round() / 10.0)),
            Numbers::Seconds => seconds(value),
        }
    }
}

/// With commas between thousands, and up to two decimals.
fn plain(value: f64) -> String {
    let text = format!("{:.2}", value.abs());
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !decimals.is_empty() {
        out.push('.');
        out.push_str(decimals);
    }
    if value < 0.0 && out != "0" { format!("−{out}") } else { out }
}

fn seconds(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{}s", plain(value));
    }
    let sign = if value < 0.0 { "−" } else { "" };
    let whole = value.abs().round();
    let (minutes, rest) = ((whole / 60.0).floor(), whole % 60.0);
    let (hours, of_hour) = ((minutes / 60.0).floor(), minutes % 60.0);
    match (hours > 0.0, minutes > 0.0) {
        (true, _) if of_hour == 0.0 => format!("{sign}{}h", plain(hours)),
        (true, _) => format!("{sign}{}h {of_hour}m", plain(hours)),
        (false, true) if rest == 0.0 => format!("{sign}{minutes}m"),
        (false, true) => format!("{sign}{minutes}m {rest}s"),
        (false, false) => format!("{sign}{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_readable() {
        let cases = [
            (0.0, "0"),
            (-0.001, "0"),
            (999.0, "999"),
            (1234.5, "1,234.5"),
            (16_777_217.0, "16,777,217"),
            (9_007_199_254_740_991.0, "9,007,199,254,740,991"),
            (-1000.0, "−1,000"),
        ];
        for (value, text) in cases {
            assert_eq!(Numbers::Plain.write(value), text);
        }
        assert_eq!(Numbers::Share.write(0.4567), "45.7 %");
        let cases =
            [(1.5, "1.5s"), (59.6, "1m"), (90.0, "1m 30s"), (7500.0, "2h 5m"), (3600.0, "1h")];
        for (value, text) in cases {
            assert_eq!(Numbers::Seconds.write(value), text);
        }
    }
}
