//! The body of `POST /api/v1/events`: one event, `{"events":[…]}`, or one event a line (NDJSON).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use wayfarer_event::RawEvent;

use crate::{Reject, collector::cut};

/// The most events that one body may hold.
pub const MAX_EVENTS: usize = 1000;

/// The longest reason that a malformed event is given, in bytes.
const LONGEST_REASON: usize = 240;

/// Why a body as a whole could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// There is nothing in it.
    #[error("the body holds no event")]
    Empty,
    /// It holds more than [`MAX_EVENTS`] events.
    #[error("the body holds more than {MAX_EVENTS} events, send them in parts")]
    TooMany,
    /// It is no JSON that can be divided into events.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// It is declared as something that is not read here.
    #[error(
        "the content type is not read here, send application/json, application/x-ndjson or text/plain"
    )]
    ContentType,
}

/// Divides a body into events. An event that cannot be read is a [`Reject`] at its place, not a failed batch.
///
/// Without a content type, as `application/json` or as `text/plain` (beacons) all three shapes are told apart by
/// themselves. The caller limits the size of `bytes`.
///
/// ```
/// let body = br#"{"events":[{"name":"click"},{"nmae":"click"}]}"#;
/// let events = wayfarer_collect::parse_body(body, Some("application/json"))?;
/// assert!(events[0].is_ok());
/// assert!(events[1].is_err());
/// # Ok::<(), wayfarer_collect::BodyError>(())
/// ```
///
/// # Errors
/// When the body cannot be divided into events at all.
pub fn parse_body(
    bytes: &[u8],
    content_type: Option<&str>,
) -> Result<Vec<Result<RawEvent, Reject>>, BodyError> {
    let lines_only = is_lines(content_type)?;
    let text = std::str::from_utf8(bytes).map_err(|error| BodyError::NotJson(error.to_string()))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(BodyError::Empty);
    }
    if lines_only {
        return by_line(text);
    }
    // What is sent most, read in one pass without a look at what it is.
    if let Ok(Sound { events }) = serde_json::from_str(text) {
        return if events.is_empty() { Err(BodyError::Empty) } else { Ok(events) };
    }
    if let Ok(event) = event(text) {
        return Ok(vec![Ok(event)]);
    }
    if let Ok(batch) = serde_json::from_str::<Batch<'_>>(text) {
        return in_batch(batch);
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => one_value(value.get()),
        // Lines of which none can be read are more likely one damaged object than many damaged events.
        Err(_) if text.lines().any(|line| serde_json::from_str::<&RawValue>(line).is_ok()) => {
            by_line(text)
        }
        Err(error) => Err(BodyError::NotJson(reason(&error))),
    }
}

/// Whether the content type says that there is one event a line.
fn is_lines(content_type: Option<&str>) -> Result<bool, BodyError> {
    let essence = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    match essence.to_ascii_lowercase().as_str() {
        "" | "application/json" | "text/plain" => Ok(false),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(true),
        _ => Err(BodyError::ContentType),
    }
}

/// An object around events that can all be read, and are not too many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sound {
    #[serde(deserialize_with = "sound")]
    events: Vec<Result<RawEvent, Reject>>,
}

fn sound<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Result<RawEvent, Reject>>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<Result<RawEvent, Reject>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX_EVENTS} events")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut events = Vec::new();
            while let Some(event) = list.next_element()? {
                if events.len() == MAX_EVENTS {
                    return Err(A::Error::invalid_length(MAX_EVENTS + 1, &self));
                }
                events.push(Ok(event));
            }
            Ok(events)
        }
    }
    list.deserialize_seq(List)
}

/// An object around many events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

fn in_batch(batch: Batch<'_>) -> Result<Vec<Result<RawEvent, Reject>>, BodyError> {
    match batch.events.len() {
        0 => Err(BodyError::Empty),
        count if count > MAX_EVENTS => Err(BodyError::TooMany),
        _ => Ok(batch.events.into_iter().map(|value| event(value.get())).collect()),
    }
}

/// A body that is one JSON value: an event, or an object around many that cannot be read.
fn one_value(text: &str) -> Result<Vec<Result<RawEvent, Reject>>, BodyError> {
    #[derive(Deserialize)]
    struct Probe {
        events: Option<serde::de::IgnoredAny>,
    }
    let is_batch = serde_json::from_str::<Probe>(text).is_ok_and(|probe| probe.events.is_some());
    if !is_batch {
        return Ok(vec![event(text)]);
    }
    let batch: Batch<'_> =
        serde_json::from_str(text).map_err(|error| BodyError::NotJson(reason(&error)))?;
    in_batch(batch)
}

/// One event a line; empty lines are passed over and not counted.
fn by_line(text: &str) -> Result<Vec<Result<RawEvent, Reject>>, BodyError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let events: Vec<_> = lines.take(MAX_EVENTS + 1).map(event).collect();
    if events.len() > MAX_EVENTS { Err(BodyError::TooMany) } else { Ok(events) }
}

/// Reads one event.
pub(crate) fn event(text: &str) -> Result<RawEvent, Reject> {
    serde_json::from_str(text).map_err(|error| Reject::Malformed(reason(&error)))
}

fn reason(error: &serde_json::Error) -> String {
    cut(&error.to_string(), LONGEST_REASON).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str, content_type: Option<&str>) -> Vec<Option<String>> {
        let events = parse_body(body.as_bytes(), content_type).unwrap();
        events.into_iter().map(|event| event.ok().map(|event| event.name)).collect()
    }

    fn some(name: &str) -> Option<String> {
        Some(name.into())
    }

    #[test]
    fn three_shapes_are_told_apart() {
        for kind in [None, Some("application/json"), Some("text/plain;charset=UTF-8")] {
            assert_eq!(names(r#" {"name":"a"} "#, kind), [some("a")]);
            assert_eq!(names("\u{feff}{\n\"name\":\n\"a\"}", kind), [some("a")]);
            assert_eq!(
                names(r#"{"events":[{"name":"a"},{"name":"b"}]}"#, kind),
                [some("a"), some("b")]
            );
            assert_eq!(
                names("{\"name\":\"a\"}\r\n\n{\"name\":\"b\"}\n", kind),
                [some("a"), some("b")]
            );
        }
        assert_eq!(names("{\"name\":\"a\"}", Some("Application/X-NDJSON")), [some("a")]);
    }

    #[test]
    fn a_malformed_event_is_refused_at_its_place() {
        let body = r#"{"events":[{"name":"a"},{"name":1},7,{"nmae":"x"},{"name":"b"}]}"#;
        assert_eq!(names(body, None), [some("a"), None, None, None, some("b")]);
        assert_eq!(names("{oops\n{\"name\":\"b\"}", None), [None, some("b")]);
        assert_eq!(names("{oops", Some("application/ndjson")), [None]);
        let events = parse_body(br#"{"name":"a","vistor":"x"}"#, None).unwrap();
        let reason = events[0].as_ref().unwrap_err().to_string();
        assert!(reason.starts_with("unknown field `vistor`"), "{reason}");
    }

    #[test]
    fn a_body_that_cannot_be_divided_is_an_error() {
        assert_eq!(parse_body(b" \n", None), Err(BodyError::Empty));
        assert_eq!(parse_body(br#"{"events":[]}"#, None), Err(BodyError::Empty));
        assert_eq!(
            parse_body(b"a=1", Some("application/x-www-form-urlencoded")),
            Err(BodyError::ContentType)
        );
        for body in
            [&b"{\n\"name\":"[..], b"a=1", b"\xff", br#"{"events":{}}"#, br#"{"events":[],"x":1}"#]
        {
            assert!(matches!(parse_body(body, None), Err(BodyError::NotJson(_))), "{body:?}");
        }
    }

    #[test]
    fn a_batch_is_bounded() {
        let events = |count: usize| vec![r#"{"name":"a"}"#; count];
        let batch = |count| format!(r#"{{"events":[{}]}}"#, events(count).join(","));
        assert_eq!(parse_body(batch(MAX_EVENTS).as_bytes(), None).unwrap().len(), MAX_EVENTS);
        assert_eq!(parse_body(batch(MAX_EVENTS + 1).as_bytes(), None), Err(BodyError::TooMany));
        let lines = events(MAX_EVENTS + 1).join("\n");
        assert_eq!(parse_body(lines.as_bytes(), None), Err(BodyError::TooMany));
    }
}
