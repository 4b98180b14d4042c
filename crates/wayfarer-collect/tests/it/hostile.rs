//! Bytes that nobody would send on purpose, and those that somebody would: nothing panics.

use proptest::prelude::*;
use wayfarer_collect::{
    Door, DoorKind, Outcome,
    logs::{FORMATS, Format},
    parse_body,
};
use wayfarer_event::{Client, RawEvent};

use crate::support::{NOW, collector, import, site};

/// Bytes that look like a log, damaged.
fn log_like() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"192.0.2.1 - - ".to_vec()),
        Just(b"[10/Mar/2025:06:30:00 +0000] ".to_vec()),
        Just(b"\"GET /a HTTP/1.1\" ".to_vec()),
        Just(b"name,ts,visitor,status\n".to_vec()),
        Just(b"a,1741588200,v,\"200\"\n".to_vec()),
        Just(b"200 5 ".to_vec()),
        Just(b"\"-\" ".to_vec()),
        Just(b"\"Mozilla/5.0\"".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"{\"name\":\"a\",\"visitor\":\"v\"}\n".to_vec()),
        Just(b"\\\"".to_vec()),
        Just(b"{\"ts\":1741588200.0,\"request\":{\"client_ip\":\"192.0.2.1\",\"uri\":\"/\"},\"status\":200}".to_vec()),
        Just(b"{\"time\":\"1e9\",\"remote_addr\":\"192.0.2.1\",\"request\":\"x\",\"status\":\"200\"}".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn check_import(bytes: Vec<u8>, format: Option<&str>) {
    if let Ok((events, rejects, counts)) = import(bytes, format) {
        assert_eq!(counts.read, counts.imported + counts.rejected + counts.declined);
        assert_eq!(counts.imported, events.len() as u64);
        assert_eq!(counts.rejected, rejects.len() as u64);
        assert!(events.iter().all(|event| event.id.is_some() && event.ts <= NOW));
        assert!(!format!("{rejects:?}").contains("192.0.2.1"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_file_breaks_a_reader(bytes in log_like()) {
        for format in FORMATS {
            check_import(bytes.clone(), Some(format.name));
        }
        check_import(bytes, None);
    }

    #[test]
    fn no_bytes_break_the_detection(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Format::detect(&bytes);
        check_import(bytes, None);
    }

    #[test]
    fn no_body_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_body(&bytes, None);
        let _ = parse_body(&bytes, Some("application/x-ndjson"));
    }

    #[test]
    fn no_claim_breaks_the_door(
        url in "\\PC{0,40}|https?://[a-z.:@/?#&=%+]{0,60}",
        referrer in "\\PC{0,40}|https?://[a-z.:@/?#&=%+]{0,60}",
        language in "\\PC{0,12}",
        agent in "\\PC{0,80}|Mozilla/5\\.0 \\([ -~]{0,60}\\)[ -~]{0,40}",
        age in any::<u64>(),
    ) {
        let mut raw = RawEvent::new("page_view");
        (raw.url, raw.referrer, raw.language) = (Some(url), Some(referrer), Some(language));
        raw.age_ms = Some(age);
        let client = Client { ip: Some("192.0.2.1".parse().unwrap()), user_agent: Some(agent), ..Client::default() };
        let site = site();
        let door = Door { site: &site, kind: DoorKind::Browser, client: Some(&client), received_at: NOW };
        if let Outcome::Take(event) = collector().collect(raw, &door) {
            prop_assert!(event.path.as_deref().is_some_and(|path| path.starts_with('/')));
            prop_assert!(!event.path.as_deref().unwrap_or("").contains(['?', '#']));
            prop_assert!(!event.referrer.as_deref().unwrap_or("").contains(['?', '#']));
        }
    }
}
