//! A site, salts that are known, and the way to data that may be absent.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use jiff::civil::Date;
use wayfarer_collect::{
    Collector, SaltError, Salts, Site,
    logs::{ImportCounts, ImportError, ImportOptions, Importer, RejectedLine, Tally},
};
use wayfarer_event::{Event, Micros};

/// 2026-01-01.
pub(crate) const NOW: Micros = Micros(1_767_225_600_000_000);

/// Salts that a test can compute.
pub(crate) struct Known;

impl Salts for Known {
    fn identity(&self) -> [u8; 32] {
        [1; 32]
    }

    fn daily(&self, day: Date) -> Result<[u8; 32], SaltError> {
        let days = day.since(Date::constant(1970, 1, 1)).unwrap().get_days();
        let mut salt = [2; 32];
        salt[..4].copy_from_slice(&days.to_le_bytes());
        Ok(salt)
    }
}

/// One collector for all tests: its tables take a while to build.
pub(crate) fn collector() -> Arc<Collector> {
    static COLLECTOR: LazyLock<Arc<Collector>> =
        LazyLock::new(|| Arc::new(Collector::new(Arc::new(Known))));
    Arc::clone(&COLLECTOR)
}

pub(crate) fn site() -> Arc<Site> {
    Arc::new(Site::new("s"))
}

/// All that an import of `bytes` gives, with the format named or detected.
pub(crate) fn import(
    bytes: Vec<u8>,
    format: Option<&str>,
) -> Result<(Vec<Event>, Vec<RejectedLine>, ImportCounts), ImportError> {
    let mut options = ImportOptions::new(NOW);
    options.format = format.map(|name| wayfarer_collect::logs::Format::by_name(name).unwrap());
    options.batch = 100;
    let mut tally = Tally::default();
    let mut import = Importer::open(std::io::Cursor::new(bytes), collector(), site(), options)?;
    let (mut events, mut rejects) = (Vec::new(), Vec::new());
    while let Some(batch) = import.next_batch(&mut tally)? {
        tally.appended(batch.events.len() as u64, 0);
        events.extend(batch.events);
        rejects.extend(batch.rejects);
    }
    Ok((events, rejects, tally.counts(0.0)))
}

/// A file of the shared data, if it is there; says so if not.
pub(crate) fn shared(path: &str) -> Option<Vec<u8>> {
    let root =
        PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/data");
    let found = std::fs::read(root.join(path)).ok();
    if found.is_none() {
        println!("shared data is absent: {path}");
    }
    found
}
