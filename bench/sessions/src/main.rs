//! Wayfarer sessions beside tower-sessions, actix-session and Django: what a request costs, how concurrent writers get on,
//! and what is lost when requests overlap.
//!
//! Every system serves the same routes ([`case`]) in this process (Django in a child's), with the same session, without a
//! network, and takes its turn within each round. The figures are medians over the rounds; what a session adds is the
//! difference to the same framework without one.
//!
//! Start with [`run`].

mod actix;
mod axum_app;
mod bare;
mod case;
mod clients;
mod codec;
mod contender;
mod django;
mod ours;
mod overlap;
mod purge;
mod report;
mod tower;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Value, json};
use wayfarer_bench_measure::{Figures, Sample, disk, machine, median};

use crate::{
    case::{Case, Store},
    contender::{Contender, Writers},
};

/// What to measure, and how long.
#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    /// How many rounds the medians go over.
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// How long one system works on one case in one round, in milliseconds.
    #[arg(long, default_value_t = 60)]
    millis: u32,
    /// How many sessions are written to at once by concurrent writers.
    #[arg(long, default_value_t = 8)]
    writers: u32,
    /// How many writes each of the concurrent writers makes in a round.
    #[arg(long, default_value_t = 50)]
    writes: u32,
    /// How many requests overlap where updates could get lost.
    #[arg(long, default_value_t = 200)]
    parallel: u32,
    /// How many sessions that ran out are purged beside readers. 0: none, and no such figure.
    #[arg(long, default_value_t = 0)]
    purge: u32,
    /// A Python with Django; without it Django does not take part.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Where databases are made: a folder on the disk that is meant, not in memory.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Leaves out the stores that this does not name.
    #[arg(long, value_delimiter = ',', value_enum)]
    stores: Option<Vec<Store>>,
    /// Leaves out the systems whose names do not begin with one of these; for profiles.
    #[arg(long, value_delimiter = ',')]
    systems: Option<Vec<String>>,
    /// Leaves out the cases that this does not name; for profiles.
    #[arg(long, value_delimiter = ',', value_enum)]
    cases: Option<Vec<Case>>,
    /// Writes the figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let figures = run(&arguments)?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(file, text)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(())
}

/// Measures everything, prints the tables, and gives the figures.
fn run(arguments: &Arguments) -> Result<Value> {
    let folder =
        tempfile::Builder::new().prefix("bench-sessions-").tempdir_in(&arguments.folder)?;
    let disk = disk(folder.path())?;
    let mut contenders = contender::all(arguments, folder.path())?;
    let costs = costs(&mut contenders, arguments)?;
    println!("{}", report::costs(&costs));
    let codecs = codec::run(arguments.rounds)?;
    println!("{}", codec::table(&codecs));
    let writers = writers(&mut contenders, arguments)?;
    println!("{}", report::writers(&writers));
    let overlaps = overlaps(&mut contenders, arguments.parallel)?;
    println!("{}", report::overlaps(&overlaps, arguments.parallel));
    let purges = purge::run(arguments.purge, folder.path())?;
    println!("{}", purge::table(&purges));
    Ok(json!({
        "machine": machine(),
        "disk": disk,
        "settings": {
            "rounds": arguments.rounds,
            "millis": arguments.millis,
            "writers": arguments.writers,
            "writes": arguments.writes,
            "parallel": arguments.parallel,
            "session_bytes": case::payload_bytes(),
            "stores": contenders.iter().map(|one| json!({
                "system": one.system(), "store": one.store(), "set_up": one.set_up(),
            })).collect::<Vec<_>>(),
        },
        "costs": costs,
        "codecs": codecs,
        "ratios": report::ratios(&costs),
        "writers": writers,
        "overlaps": overlaps,
        "purges": purges,
    }))
}

/// What one case costs one system.
#[derive(Debug, serde::Serialize)]
struct Cost {
    system: String,
    store: Option<Store>,
    case: Case,
    /// Which of the systems is this one without sessions.
    base: String,
    #[serde(flatten)]
    figures: Figures,
    /// What sessions add to the same framework without them, in nanoseconds of processor time: the median over the rounds of
    /// the difference within each round, so that what slows down a whole round does not count.
    added_ns: Option<f64>,
}

fn costs(contenders: &mut [Box<dyn Contender>], arguments: &Arguments) -> Result<Vec<Cost>> {
    let mut plans = Vec::new();
    for (who, contender) in contenders.iter_mut().enumerate() {
        for case in Case::ALL {
            if arguments.cases.as_ref().is_some_and(|cases| !cases.contains(&case)) {
                continue;
            }
            let requests = calibrate(&mut **contender, case, arguments.millis)?;
            plans.push((who, case, requests, Vec::<Sample>::new()));
        }
    }
    for round in 0..arguments.rounds {
        eprint!("\rround {} of {}", round + 1, arguments.rounds);
        for (who, case, requests, samples) in &mut plans {
            let Some(contender) = contenders.get_mut(*who) else { continue };
            samples.push(contender.sample(*case, *requests)?);
        }
    }
    eprintln!();
    let base_of = |system: &str, case: Case| {
        let plan = plans.iter().find(|(who, at, ..)| {
            let base = contenders.get(*who);
            *at == case && base.is_some_and(|base| base.system() == system)
        });
        plan.map(|(.., samples)| samples)
    };
    let cost = |(who, case, _, samples): &(usize, Case, u64, Vec<Sample>)| {
        let contender = contenders.get(*who)?;
        let base = contender.store().and_then(|_| base_of(contender.base(), *case));
        let differences = |base: &Vec<Sample>| {
            median(samples.iter().zip(base).map(|(with, without)| with.cpu_ns - without.cpu_ns))
        };
        Some(Cost {
            system: contender.system().to_owned(),
            store: contender.store(),
            case: *case,
            base: contender.base().to_owned(),
            figures: Figures::of(samples),
            added_ns: base.map(differences),
        })
    };
    Ok(plans.iter().filter_map(cost).collect())
}

/// How many requests take about so long. The search warms the system up, too.
fn calibrate(contender: &mut dyn Contender, case: Case, millis: u32) -> Result<u64> {
    let mut requests = 4_u64;
    let (system, store) = (contender.system().to_owned(), contender.store());
    loop {
        let sample = contender
            .sample(case, requests)
            .with_context(|| format!("{system} on {store:?} fails at {case:?}"))?;
        let took = sample.wall_ns * requests as f64 / 1e6;
        if took * 2.0 >= f64::from(millis) {
            let share = f64::from(millis) / took;
            return Ok(((requests as f64 * share) as u64).max(4));
        }
        requests *= 2;
    }
}

/// How concurrent writers get on with one system.
#[derive(Debug, serde::Serialize)]
struct Crowd {
    system: String,
    store: Option<Store>,
    #[serde(flatten)]
    figures: Figures,
}

fn writers(contenders: &mut [Box<dyn Contender>], arguments: &Arguments) -> Result<Vec<Crowd>> {
    let crowd = Writers { sessions: arguments.writers, writes: arguments.writes };
    let mut samples: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.rounds.min(5) {
        for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
            samples.extend(contender.writers(crowd)?);
        }
    }
    let rows = contenders.iter().zip(&samples).filter(|(_, samples)| !samples.is_empty());
    Ok(rows
        .map(|(contender, samples)| Crowd {
            system: contender.system().to_owned(),
            store: contender.store(),
            figures: Figures::of(samples),
        })
        .collect())
}

/// What one system loses where requests overlap.
#[derive(Debug, serde::Serialize)]
struct Loss {
    system: String,
    store: Option<Store>,
    #[serde(flatten)]
    overlap: contender::Overlap,
}

fn overlaps(contenders: &mut [Box<dyn Contender>], parallel: u32) -> Result<Vec<Loss>> {
    let mut rows = Vec::new();
    for contender in contenders.iter_mut() {
        if let Some(overlap) = contender.overlap(parallel)? {
            let system = contender.system().to_owned();
            rows.push(Loss { system, store: contender.store(), overlap });
        }
    }
    Ok(rows)
}
