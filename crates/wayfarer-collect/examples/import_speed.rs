//! How fast a log becomes events, without a lake behind: `cargo run --release --example import_speed -- FILE [ROUNDS]`.

use std::{error::Error, fs::File, sync::Arc, time::Instant};

use jiff::civil::Date;
use wayfarer_collect::{
    Collector, SaltError, Salts, Site,
    logs::{ImportOptions, Importer, Tally},
};

/// Salts for measuring only.
struct Measuring;

impl Salts for Measuring {
    fn identity(&self) -> [u8; 32] {
        [1; 32]
    }

    fn daily(&self, _: Date) -> Result<[u8; 32], SaltError> {
        Ok([2; 32])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a log file")?;
    let rounds: u32 = arguments.next().map_or(Ok(1), |rounds| rounds.parse())?;
    let collector = Arc::new(Collector::new(Arc::new(Measuring)));
    let site = Arc::new(Site::new("s"));
    let (mut tally, start) = (Tally::default(), Instant::now());
    for _ in 0..rounds {
        let options = ImportOptions::new(jiff::Timestamp::now().into());
        let (collector, site) = (Arc::clone(&collector), Arc::clone(&site));
        let mut import = Importer::open(File::open(&file)?, collector, site, options)?;
        while let Some(batch) = import.next_batch(&mut tally)? {
            tally.appended(batch.events.len() as u64, 0);
        }
    }
    let counts = tally.counts(start.elapsed().as_secs_f64());
    println!("{} lines/s {counts:?}", (counts.read as f64 / counts.seconds).round());
    Ok(())
}
