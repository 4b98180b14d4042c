//! The decoders of analytics: events, log lines, filters, patterns, the lake's log.

use std::{
    io::Cursor,
    sync::{Arc, LazyLock},
};

use jiff::civil::Date;
use wayfarer_collect::{
    Collector, SaltError, Salts, Site,
    logs::{ImportOptions, Importer, Tally},
    parse_body,
};
use wayfarer_event::Micros;

use crate::signed::NOW;

struct Known;

impl Salts for Known {
    fn identity(&self) -> [u8; 32] {
        [1; 32]
    }

    fn daily(&self, _: Date) -> Result<[u8; 32], SaltError> {
        Ok([2; 32])
    }
}

/// The body of `POST /api/v1/events`, in each of its types.
pub(crate) fn event_body(bytes: &[u8]) {
    for kind in [None, Some("application/json"), Some("application/x-ndjson")] {
        let Ok(events) = parse_body(bytes, kind) else { continue };
        for reject in events.iter().filter_map(|event| event.as_ref().err()) {
            let _ = reject.to_string();
        }
    }
}

/// A log file of an unknown format.
pub(crate) fn log_lines(bytes: &[u8]) {
    static COLLECTOR: LazyLock<Arc<Collector>> =
        LazyLock::new(|| Arc::new(Collector::new(Arc::new(Known))));
    let options = ImportOptions::new(Micros(NOW.as_microsecond()));
    let (site, reader) = (Arc::new(Site::new("s")), Cursor::new(bytes.to_vec()));
    let Ok(mut importer) = Importer::open(reader, Arc::clone(&COLLECTOR), site, options) else {
        return;
    };
    let mut tally = Tally::default();
    while let Ok(Some(batch)) = importer.next_batch(&mut tally) {
        for reject in &batch.rejects {
            let _ = reject.to_string();
        }
    }
}

/// A filter.
pub(crate) fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match wayfarer_analysis::filter::parse(text) {
        Ok(expr) => drop(format!("{expr:?}")),
        Err(error) => drop(error.to_string()),
    }
}

/// A pattern.
pub(crate) fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    wayfarer_analysis::fuzzing::pattern(text);
}

/// The lake's log: the bytes as a segment, and as the payload of a sound frame.
pub(crate) fn wal(bytes: &[u8]) {
    wayfarer_lake::fuzzing::segment(bytes);
}
