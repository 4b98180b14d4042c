//! Numbers for people: groups of three, rates as percent, durations in the two largest units, sizes in bytes.
//!
//! How a field is shown follows from its name, as the names in report JSON are stable: `*_rate`, `rate` and `share` are
//! rates, `*_s` are seconds, `bytes` are bytes, `*_at` are microseconds of UTC.

use serde_json::Value;
use wayfarer_event::Micros;
use wayfarer_server::messages::grouped;

/// What stands for a value that is not known.
pub(crate) const UNKNOWN: &str = "—";

/// The cell of field `name` with this value.
pub(crate) fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::Null => UNKNOWN.to_owned(),
        Value::String(text) => one_line(text),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            _ if is_rate(name) => percent(number.as_f64().unwrap_or(f64::NAN)),
            _ if name.ends_with("_s") => seconds(number.as_f64().unwrap_or(f64::NAN)),
            _ if name == "bytes" || name.ends_with("_bytes") => {
                bytes(number.as_u64().unwrap_or_default())
            }
            (Some(micros), _) if name.ends_with("_at") || name == "oldest_wal" => {
                Micros(micros).to_string()
            }
            (Some(whole), _) => grouped(whole),
            (None, Some(real)) => real_number(real),
            (None, None) => number.to_string(),
        },
        Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn is_rate(name: &str) -> bool {
    name == "rate" || name == "share" || name.ends_with("_rate") || name.ends_with("_share")
}

/// Control characters would move the cursor of the terminal: a path in a table must not.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Two digits after the point, the whole part in groups.
fn real_number(number: f64) -> String {
    let text = format!("{:.2}", number.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if number < 0.0 { "-" } else { "" };
    match whole.parse() {
        Ok(whole) => format!("{sign}{}.{part}", grouped(whole)),
        Err(_) => format!("{sign}{text}"),
    }
}

/// `0.4213` as `42.1%`.
fn percent(rate: f64) -> String {
    format!("{:.1}%", rate * 100.0)
}

/// `125` as `2m 05s`: the two largest units that say something.
fn seconds(seconds: f64) -> String {
    let whole = seconds.round();
    if !(0.0..1e15).contains(&whole) {
        return real_number(seconds);
    }
    if whole < 60.0 {
        return format!("{seconds:.1}s");
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    #[expect(clippy::cast_sign_loss, reason = "the range was checked above")]
    let whole = whole as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes}m {:02}s", whole % 60),
        (0, _) => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{}d {:02}h", days, hours % 24),
    }
}

/// `1536` as `1.5 KiB`.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_shown_by_its_name() {
        for (name, value, text) in [
            ("bounce_rate", json!(0.42135), "42.1%"),
            ("rate", json!(1), "100.0%"),
            ("visit_duration_s", json!(125.4), "2m 05s"),
            ("visit_duration_s", json!(59.96), "1m 00s"),
            ("visit_duration_s", json!(0), "0.0s"),
            ("active_s", json!(7384), "2h 03m"),
            ("duration_s", json!(200_000), "2d 07h"),
            ("views_per_visit", json!(1234.5), "1,234.50"),
            ("revenue", json!(-0.5), "-0.50"),
            ("bytes", json!(1023), "1023 B"),
            ("wal_bytes", json!(1536), "1.5 KiB"),
            ("bytes", json!(1_048_575), "1.0 MiB"),
            ("visitors", json!(1000), "1,000"),
            ("created_at", json!(1_767_225_600_500_000_i64), "2026-01-01T00:00:00.5Z"),
            ("retention", json!(null), "—"),
            ("key", json!("/a\u{1b}[2Jb\n"), "/a\u{fffd}[2Jb\u{fffd}"),
        ] {
            assert_eq!(cell(name, &value), text, "{name} {value}");
        }
    }
}
