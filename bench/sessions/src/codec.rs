//! What it costs to write and to read the session of 298 bytes by which the goals are set, in Django's form.

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;
use wayfarer::{DjangoCodec, DjangoKeys, session::django::SALT};
use wayfarer_bench_measure::{Figures, Sample, Stopwatch, Table};

/// What a log-in leaves, and a small cart.
const SESSION: &str = concat!(
    r#"{"_auth_user_id":"4217","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","#,
    r#""_auth_user_hash":"a3f1c2d4e5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90","#,
    r#""cart":[{"sku":"tea-01","n":2},{"sku":"cup-07","n":1}],"language":"zh-hans","#,
    r#""last_page":"/shop","n":0,"csrf":"Zk3vQ9xT2mB7"}"#
);

/// So many times in a round.
const TIMES: u64 = 2000;

/// What a codec costs, one way.
#[derive(Debug, Serialize)]
pub(crate) struct Codec {
    form: &'static str,
    way: &'static str,
    bytes: usize,
    stored_bytes: usize,
    #[serde(flatten)]
    figures: Figures,
}

/// Measures both ways, in turns.
pub(crate) fn run(rounds: u32) -> Result<Vec<Codec>> {
    let codec = DjangoCodec::new(&DjangoKeys::new("a key of a project")?, SALT)?;
    let stored = codec.encode(SESSION, Timestamp::now());
    codec.decode(&stored).context("what was written cannot be read")?;
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        writes.push(round(|| codec.encode(SESSION, Timestamp::UNIX_EPOCH)));
        reads.push(round(|| codec.decode(&stored)));
    }
    let ways = [("encode", writes), ("decode", reads)];
    let of = |(way, samples): (&'static str, Vec<Sample>)| Codec {
        form: "django",
        way,
        bytes: SESSION.len(),
        stored_bytes: stored.len(),
        figures: Figures::of(&samples),
    };
    Ok(ways.into_iter().map(of).collect())
}

fn round<T>(mut work: impl FnMut() -> T) -> Sample {
    let watch = Stopwatch::start();
    for _ in 0..TIMES {
        let _ = std::hint::black_box(work());
    }
    watch.stop(TIMES, 0)
}

/// The figures as a table.
pub(crate) fn table(codecs: &[Codec]) -> Table {
    let mut table = Table::new(&["codec", "way", "bytes", "stored", "cpu ns"]);
    for codec in codecs {
        table.row(vec![
            codec.form.to_owned(),
            codec.way.to_owned(),
            codec.bytes.to_string(),
            codec.stored_bytes.to_string(),
            format!("{:.0}", codec.figures.cpu_ns),
        ]);
    }
    table
}
