//! Importing log files: small fixtures that always run, and a real log with known answers where it is present.

use std::{
    collections::{BTreeMap, HashSet},
    io::Write,
};

use compact_str::CompactString;
use flate2::{Compression, write::GzEncoder};
use wayfarer_collect::logs::{FORMATS, Format, ImportError};
use wayfarer_event::{Column, Event, VisitorKind};

use crate::support::{import, shared};

const COMBINED: &str = include_str!("fixtures/combined.log");
const COMMON: &str = include_str!("fixtures/common.log");

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn ids(events: &[Event]) -> HashSet<String> {
    events.iter().map(|event| event.id.as_ref().unwrap().to_string()).collect()
}

#[test]
fn a_combined_log_becomes_events() {
    let (events, rejects, counts) = import(COMBINED.into(), None).unwrap();
    assert_eq!((counts.read, counts.imported, counts.rejected), (9, 7, 2));
    assert_eq!((counts.bots, counts.visitors, counts.visitors_exact), (2, 3, true));
    let first = &events[0];
    assert_eq!(first.name, "page_view");
    assert_eq!(first.path.as_deref(), Some("/products/1"));
    assert_eq!(first.utm_source.as_deref(), Some("newsletter"));
    assert_eq!(first.status, Some(200));
    assert_eq!(first.method.as_deref(), Some("GET"));
    assert_eq!(first.props.as_deref(), Some(r#"{"bytes":5120}"#));
    assert_eq!(first.referrer.as_deref(), Some("www.google.com/"));
    assert_eq!(first.browser.as_deref(), Some("Firefox"));
    assert_eq!(first.visitor_kind, VisitorKind::Daily);
    assert_eq!(first.ts.to_string(), "2025-03-10T06:30:00Z");
    assert_eq!(events[1].name, "request");
    assert_eq!(events[1].visitor, first.visitor);
    assert_eq!(events[3].user.as_deref(), Some("ann"));
    let numbers: Vec<_> = rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(numbers, [8, 10]);
}

#[test]
fn a_common_log_says_nothing_of_agents() {
    let (events, rejects, counts) = import(COMMON.into(), None).unwrap();
    assert_eq!((counts.read, counts.imported, counts.bots), (3, 3, 0));
    assert!(rejects.is_empty());
    assert!(events.iter().all(|event| event.browser.is_none() && event.bot_reason.is_none()));
    // The client is a host's name in two of the lines, and the same one.
    assert_eq!(events[0].visitor, events[1].visitor);
}

#[test]
fn no_address_and_no_agent_gets_through() {
    for (text, format) in [(COMBINED, "combined"), (COMMON, "common"), (COMBINED, "common")] {
        let (events, rejects, _) = import(text.into(), Some(format)).unwrap();
        let all = format!("{events:?} {rejects:?}");
        for secret in ["192.0.2.", "198.51.100.", "2001:db8", "Mozilla", "host.example"] {
            let in_rejects = secret == "Mozilla";
            let seen = if in_rejects { format!("{events:?}") } else { all.clone() };
            assert!(!seen.contains(secret), "{secret} in {seen}");
        }
    }
}

#[test]
fn order_and_packing_change_nothing() {
    let (events, _, counts) = import(COMBINED.into(), None).unwrap();
    let mut lines: Vec<_> = COMBINED.lines().collect();
    lines.reverse();
    let (reversed, _, same) = import((lines.join("\n")).into(), None).unwrap();
    assert_eq!(ids(&events), ids(&reversed));
    assert_eq!(counts, same);
    let frame = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    let frames = [frame(&COMBINED[..500]), frame(&COMBINED[500..])].concat();
    let (unpacked, _, same) = import(frames, None).unwrap();
    assert_eq!((ids(&events), &counts), (ids(&unpacked), &same));
    let (half, rest) = COMBINED.split_at(COMBINED.find('\n').unwrap() + 5);
    let members = [gzip(half), gzip(rest)].concat();
    let (unpacked, _, same) = import(members, None).unwrap();
    assert_eq!(ids(&events), ids(&unpacked));
    assert_eq!(counts, same);
}

#[test]
fn a_repeated_line_is_imported_as_often_as_it_stands_there() {
    let (events, _, counts) = import(COMBINED.into(), None).unwrap();
    assert_eq!(ids(&events).len() as u64, counts.imported);
    let (again, _, _) = import(COMBINED.into(), None).unwrap();
    let in_order = |events: &[Event]| events.iter().map(|e| e.id.clone()).collect::<Vec<_>>();
    assert_eq!(in_order(&events), in_order(&again));
}

#[test]
fn every_format_is_detected_by_its_own_lines() {
    let samples = [
        ("combined", COMBINED),
        ("common", COMMON),
        ("events", EVENTS),
        ("vhost-combined", VHOST),
        ("nginx-json", NGINX),
        ("caddy-json", CADDY),
        ("traefik-json", TRAEFIK),
        ("csv", TABLE),
    ];
    for (name, text) in samples {
        assert_eq!(Format::detect(text.as_bytes()).map(|format| format.name), Some(name));
    }
    for format in FORMATS {
        assert!(samples.iter().any(|(name, _)| *name == format.name), "{}", format.name);
    }
}

const EVENTS: &str = r#"{"name":"purchase","visitor":"v","ts":"2025-03-10T06:30:00Z","value":5,"id":"own"}
{"name":"page_view","url":"https://a.example/","client":{"ip":"192.0.2.1","user_agent":"curl/8"},"ts":1741588200000}
{"name":"page_view","visitor":"v","client":{"dnt":true}}
{"name":"page_view","visitor":"v","site":"other"}
"#;

const VHOST: &str = r#"a.example:443 192.0.2.1 - - [10/Mar/2025:06:30:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0""#;
const NGINX: &str = r#"{"time_iso8601":"2025-03-10T06:30:00+00:00","remote_addr":"192.0.2.1","request":"GET /a HTTP/1.1","status":200,"body_bytes_sent":5,"http_host":"a.example","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0"}"#;
const CADDY: &str = r#"{"ts":1741588200.0,"request":{"client_ip":"192.0.2.1","method":"GET","host":"a.example","uri":"/a","headers":{"User-Agent":["Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0"]}},"size":5,"status":200}"#;
const TRAEFIK: &str = r#"{"ClientHost":"192.0.2.1","DownstreamContentSize":5,"DownstreamStatus":200,"RequestHost":"a.example","RequestMethod":"GET","RequestPath":"/a","StartUTC":"2025-03-10T06:30:00Z","request_User-Agent":"Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0"}"#;

#[test]
fn the_same_request_is_the_same_event_in_every_format() {
    let read = |text: &str| {
        let (mut events, rejects, _) = import(text.into(), None).unwrap();
        assert_eq!(rejects, [], "{text}");
        let mut event = events.remove(0);
        event.id = None;
        event
    };
    let first = read(VHOST);
    assert_eq!(first.host.as_deref(), Some("a.example"));
    assert_eq!(first.name, "page_view");
    for text in [NGINX, CADDY, TRAEFIK] {
        assert_eq!(read(text), first, "{text}");
    }
}

const TABLE: &str = "name,ts,visitor,url,country,utm_source,ip,plan\n\
    purchase,2025-03-10T06:30:00Z,v,https://a.example/,DE,letter,192.0.2.1,pro\n\
    purchase,2025-03-10T06:30:00Z,v,https://a.example/,DE,letter,192.0.2.1,pro\n";

#[test]
fn a_table_gives_columns_as_they_are() {
    let (events, rejects, counts) = import(TABLE.into(), None).unwrap();
    assert_eq!(rejects, []);
    assert_eq!((counts.read, counts.imported, counts.visitors), (2, 2, 1));
    assert_eq!(events[0].country.as_deref(), Some("DE"));
    assert_eq!(events[0].utm_source.as_deref(), Some("letter"));
    assert_eq!(events[0].props.as_deref(), Some(r#"{"plan":"pro"}"#));
    assert_eq!(events[0].visitor_kind, VisitorKind::FirstParty);
    assert_eq!(ids(&events).len(), 2);
}

#[test]
fn events_are_read_as_a_server_says_them() {
    let (events, rejects, counts) = import(EVENTS.into(), None).unwrap();
    assert_eq!((counts.read, counts.imported, counts.declined, counts.rejected), (4, 2, 1, 1));
    assert_eq!(events[0].id.as_deref(), Some("own"));
    assert_eq!(events[1].id.as_ref().map(CompactString::len), Some(22));
    assert_eq!(events[1].bot_reason.as_deref(), Some("ua:curl"));
    assert_eq!(rejects[0].line, 4);
}

#[test]
fn what_cannot_be_read_is_an_error_that_says_so() {
    let open = |bytes: &[u8], format| import(bytes.to_vec(), format).map(|_| ()).unwrap_err();
    assert!(matches!(open(b"some text\n", None), ImportError::UnknownFormat));
    assert!(matches!(open(b"BZh9....", None), ImportError::Packed("bzip2")));
    let mut cut = gzip(&COMBINED.repeat(400));
    cut.truncate(cut.len() - 20);
    let error = open(&cut, None);
    assert!(matches!(error, ImportError::Read { bytes, .. } if bytes > 0), "{error:?}");
    for empty in [&b""[..], b"\n\r\n", b"\xef\xbb\xbf"] {
        let (events, _, counts) = import(empty.to_vec(), None).unwrap();
        assert_eq!((events.len(), counts.read), (0, 0));
    }
}

#[test]
fn a_damaged_end_loses_nothing_that_was_read_before() {
    use wayfarer_collect::logs::{ImportOptions, Importer, Tally};
    let mut bytes = gzip(COMBINED);
    bytes.extend(b"no gzip member");
    let options = ImportOptions::new(crate::support::NOW);
    let (collector, site) = (crate::support::collector(), crate::support::site());
    let mut import = Importer::open(std::io::Cursor::new(bytes), collector, site, options).unwrap();
    let mut tally = Tally::default();
    let batch = import.next_batch(&mut tally).unwrap().unwrap();
    assert_eq!(batch.events.len(), 7);
    assert!(matches!(import.next_batch(&mut tally), Err(ImportError::Read { .. })));
}

#[test]
fn the_apache_log_has_its_known_answers() {
    let Some(bytes) = shared("access_logs/apache_combined.log") else { return };
    let clients = clients(&bytes);
    let (events, rejects, counts) = import(bytes, None).unwrap();
    assert_eq!(rejects, []);
    assert_eq!((counts.read, counts.rejected, counts.visitors), (10_000, 0, 2095));
    let texts = events.iter().flat_map(|e| Column::ALL.iter().filter_map(|column| column.text(e)));
    let mut words = texts.flat_map(|text| text.split(|c: char| !(c.is_ascii_digit() || c == '.')));
    assert_eq!(words.find(|word| word.len() > 6 && clients.contains(*word)), None);
    assert_eq!(ids(&events).len(), 10_000);
    let mut days = BTreeMap::<_, HashSet<_>>::new();
    for event in &events {
        if !(400..=499).contains(&event.status.unwrap()) {
            days.entry(event.ts.timestamp().to_string()[..10].to_owned())
                .or_default()
                .insert(event.visitor);
        }
    }
    let visitors: Vec<_> = days.values().map(HashSet::len).collect();
    assert_eq!(visitors, [359, 643, 570, 523]);
    assert_eq!(events.iter().filter(|event| event.status == Some(404)).count(), 213);
    let bytes = |event: &Event| {
        let props = event.props.as_deref()?;
        serde_json::from_str::<serde_json::Value>(props).ok()?["bytes"].as_u64()
    };
    assert_eq!(events.iter().filter_map(bytes).sum::<u64>(), 2_747_282_740);
    let mut reasons = BTreeMap::<_, u32>::new();
    for event in &events {
        *reasons.entry(event.bot_reason.clone()).or_default() += 1;
    }
    println!("bots {} of {}: {reasons:?}", counts.bots, counts.read);
}

/// The addresses of a log.
fn clients(log: &[u8]) -> HashSet<String> {
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let first = |line: &[u8]| line.split(|byte| *byte == b' ').next().unwrap().to_vec();
    lines.map(|line| String::from_utf8(first(line)).unwrap()).collect()
}
