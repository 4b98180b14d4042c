//! Numbers as people read them.

use jiff::tz::TimeZone;
use serde_json::Value;
use wayfarer_event::Micros;

use crate::messages::{Catalogue, Lang, grouped};

/// How a metric is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Count,
    /// 0-1.
    Share,
    Seconds,
    Mean,
}

/// How this metric is written.
pub(crate) fn shape(metric: &str) -> Shape {
    match metric {
        "bounce_rate" | "engaged_rate" | "conversion_rate" => Shape::Share,
        "visit_duration_s" | "active_s" => Shape::Seconds,
        "views_per_visit" => Shape::Mean,
        _ => Shape::Count,
    }
}

/// A number of an answer; a dash where it is not known.
pub(crate) fn show(value: Option<&Value>, shape: Shape, words: &Catalogue) -> String {
    let Some(number) = value.and_then(Value::as_f64) else { return "–".to_owned() };
    match shape {
        Shape::Count => grouped(number.round() as i64),
        Shape::Share => format!("{:.0} %", number * 100.0),
        Shape::Seconds => duration(number, words),
        Shape::Mean => format!("{number:.1}"),
    }
}

fn duration(seconds: f64, words: &Catalogue) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "durations are small and not negative"
    )]
    let whole = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let key = match (hours, minutes) {
        (0, 0) => "duration-s",
        (0, _) => "duration-m",
        _ => "duration-h",
    };
    let text = |number: u64| number.to_string().into();
    words.with(key, &[("h", text(hours)), ("m", text(minutes)), ("s", text(seconds))])
}

/// A change against the period before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Such as `+12 %`.
    pub(crate) text: String,
    /// `good`, `bad` or `same`, for its colour.
    pub(crate) mood: &'static str,
}

/// How a metric changed; `None` where there was nothing before, or one of the two is not known.
pub(crate) fn change(metric: &str, now: Option<&Value>, before: Option<&Value>) -> Option<Change> {
    let (now, before) = (now?.as_f64()?, before?.as_f64()?);
    if before == 0.0 {
        return None;
    }
    let percent = (now - before) / before * 100.0;
    let less_is_better = metric == "bounce_rate";
    let mood = match percent {
        p if p.abs() < 0.5 => "same",
        p if (p > 0.0) != less_is_better => "good",
        _ => "bad",
    };
    let sign = if percent.round() > 0.0 {
        "+"
    } else if percent.round() < 0.0 {
        "−"
    } else {
        "±"
    };
    Some(Change { text: format!("{sign}{} %", grouped(percent.abs().round() as i64)), mood })
}

/// The label of an interval as the axis shows it: `t` is a day, a month or an hour with its offset.
pub(crate) fn label(t: &str, lang: Lang) -> String {
    if let Some(hour) = t.get(11..16) {
        return hour.to_owned();
    }
    let part = |range: std::ops::Range<usize>| t.get(range).unwrap_or_default();
    let bare = |text: &str| text.trim_start_matches('0').to_owned();
    match (t.len(), lang) {
        (10, Lang::ZhCn) => format!("{}月{}日", bare(part(5..7)), bare(part(8..10))),
        (10, Lang::En) => format!("{} {}", bare(part(8..10)), month(part(5..7))),
        (7, Lang::ZhCn) => format!("{}年{}月", part(0..4), bare(part(5..7))),
        (7, Lang::En) => format!("{} {}", month(part(5..7)), part(0..4)),
        _ => t.to_owned(),
    }
}

fn month(number: &str) -> &'static str {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let place = number.parse::<usize>().unwrap_or(0).wrapping_sub(1);
    NAMES.get(place).copied().unwrap_or_default()
}

/// An instant as a time of day of the site.
pub(crate) fn clock(at: Micros, zone: &TimeZone) -> String {
    at.timestamp().to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let (en, zh) = (Catalogue::new(Lang::En), Catalogue::new(Lang::ZhCn));
        assert_eq!(show(Some(&json!(1_234_567)), Shape::Count, &en), "1,234,567");
        assert_eq!(show(Some(&json!(999)), Shape::Count, &en), "999");
        assert_eq!(show(None, Shape::Count, &en), "–");
        assert_eq!(show(Some(&Value::Null), Shape::Share, &en), "–");
        assert_eq!(show(Some(&json!(0.456)), Shape::Share, &en), "46 %");
        assert_eq!(show(Some(&json!(2.25)), Shape::Mean, &en), "2.2");
        assert_eq!(show(Some(&json!(59.6)), Shape::Seconds, &en), "1 m 0 s");
        assert_eq!(show(Some(&json!(3725)), Shape::Seconds, &zh), "1 小时 2 分");
    }

    #[test]
    fn a_change_has_a_direction_and_a_mood() {
        let of =
            |metric, now: f64, before: f64| change(metric, Some(&json!(now)), Some(&json!(before)));
        assert_eq!(
            of("visitors", 150.0, 100.0).unwrap(),
            Change { text: "+50 %".into(), mood: "good" }
        );
        assert_eq!(
            of("bounce_rate", 0.2, 0.4).unwrap(),
            Change { text: "−50 %".into(), mood: "good" }
        );
        assert_eq!(of("visitors", 100.0, 100.0).unwrap().mood, "same");
        assert_eq!(of("visitors", 5.0, 0.0), None);
    }

    #[test]
    fn labels_speak_the_language() {
        assert_eq!(label("2026-03-05", Lang::En), "5 Mar");
        assert_eq!(label("2026-03-05", Lang::ZhCn), "3月5日");
        assert_eq!(label("2026-11", Lang::En), "Nov 2026");
        assert_eq!(label("2026-10-25T02:00:00+02:00", Lang::En), "02:00");
    }
}
