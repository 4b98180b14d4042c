//! Tables of events: a heading with the names of columns, then one event a line.
//!
//! Columns named like those of the event are taken as they are; `event` is another word for `name`, and `timestamp` and
//! `time` for `ts`. `ip` and `user_agent` are used and dropped. What only the collector gives (`received_at`, `writer`,
//! `seq`, `visitor_kind`) is not read; every other column becomes a property. `visitor` is the id that the table knows a
//! visitor by, and is hashed. Commas, semicolons and tabs part columns; a field in double quotes may hold them, and
//! double quotes written twice, but no line break.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use wayfarer_event::{Column, Event, Micros, RawEvent, Text};

use super::{
    fields::LineError,
    format::{Parsed, Parser},
    json::instant,
};

/// Columns of a table, at the most.
const MOST_COLUMNS: usize = 256;

/// The longest text of a column that is taken as it is, in bytes.
const LONGEST: usize = 256;

/// Numbers above this are Unix milliseconds, others seconds: it is in the year 5138 as seconds, in 1973 as milliseconds.
const MILLIS_FROM: f64 = 1e11;

/// Reads a table. The first line is its heading.
#[derive(Default)]
pub(super) struct Table {
    heading: Option<Heading>,
}

struct Heading {
    comma: char,
    columns: Vec<String>,
}

/// Columns that a claim cannot hold, and that a table gives as they are.
pub(super) type Given = Vec<(Column, Text)>;

impl Parser for Table {
    fn parse<'a>(&mut self, line: &'a [u8], zone: &TimeZone) -> Result<Parsed<'a>, LineError> {
        let text = String::from_utf8_lossy(line);
        let Some(heading) = &self.heading else {
            self.heading = Some(Heading::read(&text)?);
            return Ok(Parsed::Nothing);
        };
        let fields = split(&text, heading.comma)?;
        if fields.len() != heading.columns.len() {
            return Err(LineError::new("the line has not as many fields as the heading"));
        }
        let (mut raw, mut given) = (RawEvent::default(), Given::new());
        for (column, field) in heading.columns.iter().zip(fields) {
            if !field.is_empty() {
                fill(&mut raw, &mut given, column, field, zone)?;
            }
        }
        Ok(Parsed::Event(Box::new(raw), given))
    }
}

impl Heading {
    fn read(line: &str) -> Result<Heading, LineError> {
        let most =
            [',', ';', '\t'].into_iter().rev().max_by_key(|comma| line.matches(*comma).count());
        let comma = most.unwrap_or(',');
        let columns = split(line, comma)?.into_iter().map(|name| name.trim().to_owned());
        let columns: Vec<String> = columns.collect();
        let has = |names: &[&str]| columns.iter().any(|column| names.contains(&column.as_str()));
        if columns.len() > MOST_COLUMNS {
            return Err(LineError::new("the heading has more than 256 columns"));
        }
        if !has(&["name", "event"]) || !has(&["ts", "timestamp", "time"]) {
            return Err(LineError::new("the heading has no columns `name` and `ts`"));
        }
        Ok(Heading { comma, columns })
    }
}

/// The fields of a line.
fn split(line: &str, comma: char) -> Result<Vec<Cow<'_, str>>, LineError> {
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (field, after) = match text.strip_prefix('"') {
            Some(inside) => quoted(inside)?,
            None => {
                let end = text.find(comma).unwrap_or(text.len());
                let (field, after) = text.split_at(end);
                (Cow::Borrowed(field), after)
            }
        };
        fields.push(field);
        rest = after.strip_prefix(comma);
        if rest.is_none() && !after.is_empty() {
            return Err(LineError::new("there is text behind a closing quote"));
        }
    }
    Ok(fields)
}

/// A quoted field, and what stands behind it.
fn quoted(inside: &str) -> Result<(Cow<'_, str>, &str), LineError> {
    let mut from = 0;
    loop {
        let rest = inside.get(from..).unwrap_or("");
        let at =
            from + rest.find('"').ok_or(LineError::new("a quote is not closed in its line"))?;
        let (field, after) = (inside.get(..at), inside.get(at + 1..).unwrap_or(""));
        if after.starts_with('"') {
            from = at + 2;
            continue;
        }
        let field = field.unwrap_or("");
        let field =
            if field.contains('"') { field.replace("\"\"", "\"").into() } else { field.into() };
        return Ok((field, after));
    }
}

/// Puts a field where it belongs.
fn fill(
    raw: &mut RawEvent,
    given: &mut Given,
    column: &str,
    field: Cow<'_, str>,
    zone: &TimeZone,
) -> Result<(), LineError> {
    if let Some(slot) = text_slot(raw, column) {
        *slot = Some(field.into_owned());
        return Ok(());
    }
    match column {
        "name" | "event" => raw.name = field.into_owned(),
        "ts" | "timestamp" | "time" => raw.ts = Some(time(&field, zone)?),
        "status" => raw.status = Some(number(column, &field)?),
        "latency_ms" => raw.latency_ms = Some(number(column, &field)?),
        "active_ms" => raw.active_ms = Some(number(column, &field)?),
        "scroll" => raw.scroll = Some(number(column, &field)?),
        "value" => raw.value = Some(number(column, &field)?),
        "ip" => raw.client.get_or_insert_default().ip = Some(number(column, &field)?),
        "user_agent" => {
            raw.client.get_or_insert_default().user_agent = Some(field.into_owned());
        }
        "props" => props(raw, &field)?,
        "received_at" | "writer" | "seq" | "visitor_kind" => {}
        _ => match column.parse::<Column>() {
            Ok(_) if field.len() > LONGEST => {
                return Err(wrong(column, "is longer than 256 bytes"));
            }
            Ok(column) => given.push((column, field.into())),
            Err(_) => {
                let props = raw.props.get_or_insert_default();
                props.insert(column.to_owned(), Value::String(field.into_owned()));
            }
        },
    }
    Ok(())
}

/// The field of a claim that is text, by the name of its column.
fn text_slot<'a>(raw: &'a mut RawEvent, column: &str) -> Option<&'a mut Option<String>> {
    Some(match column {
        "site" => &mut raw.site,
        "id" => &mut raw.id,
        "visitor" => &mut raw.visitor,
        "session" => &mut raw.session,
        "user" => &mut raw.user,
        "url" => &mut raw.url,
        "host" => &mut raw.host,
        "path" => &mut raw.path,
        "route" => &mut raw.route,
        "method" => &mut raw.method,
        "title" => &mut raw.title,
        "referrer" => &mut raw.referrer,
        "screen" => &mut raw.screen,
        "language" => &mut raw.language,
        "currency" => &mut raw.currency,
        _ => return None,
    })
}

/// Puts what a table gives into the event that the collector made.
pub(super) fn put(event: &mut Event, given: Given) {
    for (column, text) in given {
        let slot = match column {
            Column::Source => &mut event.source,
            Column::Channel => &mut event.channel,
            Column::UtmSource => &mut event.utm_source,
            Column::UtmMedium => &mut event.utm_medium,
            Column::UtmCampaign => &mut event.utm_campaign,
            Column::UtmTerm => &mut event.utm_term,
            Column::UtmContent => &mut event.utm_content,
            Column::ClickId => &mut event.click_id,
            Column::Country => &mut event.country,
            Column::Region => &mut event.region,
            Column::City => &mut event.city,
            Column::Browser => &mut event.browser,
            Column::BrowserVersion => &mut event.browser_version,
            Column::Os => &mut event.os,
            Column::OsVersion => &mut event.os_version,
            Column::Device => &mut event.device,
            Column::BotReason => &mut event.bot_reason,
            // Every other column is a field of the claim.
            _ => continue,
        };
        *slot = Some(text);
    }
}

fn time(field: &str, zone: &TimeZone) -> Result<Micros, LineError> {
    let millis = field.parse::<f64>().ok().filter(|number| *number >= MILLIS_FROM);
    let instant = match millis {
        Some(millis) => instant(&(millis / 1000.0).to_string(), zone),
        None => instant(field, zone),
    };
    instant.ok_or(LineError::new("the time is none of 1970 to 9998"))
}

fn number<T: std::str::FromStr>(column: &str, field: &str) -> Result<T, LineError> {
    field.trim().parse().map_err(|_| wrong(column, "cannot be read"))
}

fn props(raw: &mut RawEvent, field: &str) -> Result<(), LineError> {
    let read: Result<Map<String, Value>, _> = serde_json::from_str(field);
    let read = read.map_err(|_| wrong("props", "is no JSON object"))?;
    raw.props.get_or_insert_default().extend(read);
    Ok(())
}

fn wrong(column: &str, problem: &str) -> LineError {
    LineError(format!("`{column}` {problem}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &str) -> Vec<Result<(RawEvent, Given), String>> {
        let mut parser = Table::default();
        let rows =
            table.lines().filter_map(|line| match parser.parse(line.as_bytes(), &TimeZone::UTC) {
                Ok(Parsed::Event(raw, given)) => Some(Ok((*raw, given))),
                Ok(_) => None,
                Err(error) => Some(Err(error.to_string())),
            });
        rows.collect()
    }

    #[test]
    fn columns_find_their_fields() {
        let rows = read(
            "event;timestamp;visitor;value;country;plan;note\n\
             purchase;2025-03-10 06:30:00;v1;19.5;DE;pro;\"a \"\"b\"\"; c\"\n\
             page_view;1741588200000;v2;;;;",
        );
        let (raw, given) = rows[0].as_ref().unwrap();
        assert_eq!((raw.name.as_str(), raw.value), ("purchase", Some(19.5)));
        assert_eq!(given.as_slice(), [(Column::Country, "DE".into())]);
        let props = raw.props.as_ref().unwrap();
        assert_eq!((&props["plan"], &props["note"]), (&"pro".into(), &"a \"b\"; c".into()));
        let (other, _) = rows[1].as_ref().unwrap();
        assert_eq!(other.ts, raw.ts);
        assert_eq!((other.value, &other.props), (None, &None));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_named() {
        let head = "name,ts,status\n";
        let cases = [
            ("a,soon,200", "the time is none of 1970 to 9998"),
            ("a,0,abc", "`status` cannot be read"),
            ("a,0", "the line has not as many fields as the heading"),
            ("\"a,0,200", "a quote is not closed in its line"),
            ("\"a\"b,0,200", "there is text behind a closing quote"),
        ];
        for (row, reason) in cases {
            let rows = read(&format!("{head}{row}"));
            assert_eq!(rows[0].as_ref().unwrap_err(), reason, "{row}");
        }
        assert_eq!(
            read("a,b")[0].as_ref().unwrap_err(),
            "the heading has no columns `name` and `ts`"
        );
    }
}
