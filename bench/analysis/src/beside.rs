//! The seven questions beside the peers: they and we take turns, with another range of days in each round.

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wayfarer_bench_measure::{Sample, Stopwatch, Table, median, memory};

use crate::{
    Arguments, Place,
    compare::{self, Verdict},
    forget, load,
    peers::{Peer, Running},
    question::{self, Days, Question},
};

/// How often a question is asked before anything of it is in memory: the median counts.
const UNREAD: u32 = 3;

/// One question: what it took us and the peers, and whether the answers are the same.
#[derive(Debug, Serialize)]
struct Row {
    question: &'static str,
    report: &'static str,
    differs: Option<&'static str>,
    /// Of a lake that was just opened, with its files on the disk.
    cold_s: f64,
    /// The same with its files in the system's memory, but nothing decoded.
    first_s: f64,
    first_cpu_s: f64,
    warm_s: f64,
    warm_cpu_s: f64,
    peers: Vec<PeerRow>,
}

#[derive(Debug, Serialize)]
struct PeerRow {
    peer: Peer,
    /// With its files on the disk, as far as it does not keep them in its own memory.
    cold_s: f64,
    /// The first time with its files in the system's memory.
    first_s: f64,
    /// The median over the rounds of the best of three.
    best_s: f64,
    /// Their time over ours: warm; their best over ours before anything was decoded; and both cold.
    times_warm: f64,
    times_first: f64,
    times_cold: f64,
    /// What comparing the answers of all rounds came to: the first that differ, if any do.
    verdict: Verdict,
}

/// How long a peer took, and how its answers compare with ours.
struct Beside {
    peer: Peer,
    cold_s: Vec<f64>,
    /// Of each round the first time and the best of three.
    times: Vec<(f64, f64)>,
    verdicts: Vec<Verdict>,
}

/// What was measured of one question in the rounds.
#[derive(Default)]
struct Measured {
    cold: Vec<Sample>,
    first: Vec<Sample>,
    warm: Vec<Sample>,
    peers: Vec<Beside>,
}

pub(crate) fn run(arguments: &Arguments, runtime: &Runtime) -> Result<Value> {
    let clicks = load::clickstream(arguments)?;
    let place = Place::of(arguments)?;
    drop(place.open(arguments, runtime, 0)?);
    let mut peers = Vec::new();
    for &peer in &arguments.peers {
        let mut running = Running::start(peer, arguments, &clicks)?;
        // It has loaded its table when it answers.
        running.ask("nothing", &Days::of_round(0))?;
        peers.push(running);
    }
    let mut measured = Vec::new();
    for question in question::present(arguments) {
        let mut own = Measured::default();
        for _ in 0..UNREAD {
            own.cold.push(unread(&place, arguments, runtime, question, true)?);
            own.first.push(unread(&place, arguments, runtime, question, false)?);
            for running in &mut peers {
                running.forget()?;
                if let Some(answer) = running.ask(question.name, &Days::of_round(0))? {
                    own.of(running.peer).cold_s.push(answer.first_s);
                }
            }
        }
        measured.push((question, own));
    }
    let lake = place.open(arguments, runtime, arguments.resident << 20)?;
    for round in 0..=arguments.rounds.max(1) {
        let days = Days::of_round(round);
        for (question, measured) in &mut measured {
            let (sample, ours) = ask(&lake, question, arguments, &days)?;
            // The first time decodes.
            if round > 0 {
                measured.warm.push(sample);
            }
            for running in &mut peers {
                beside(running, measured, question, &days, &ours)?;
            }
        }
    }
    let resident = lake.view().resident_bytes();
    let peak = memory(std::process::id())?;
    drop(lake);
    peers.into_iter().try_for_each(Running::end)?;
    let rows: Vec<Row> = measured.into_iter().map(row).collect();
    println!("{}", table(&rows));
    Ok(json!({
        "resident_bytes": resident,
        "memory": peak,
        "rounds": arguments.rounds,
        "questions": rows,
    }))
}

/// Asks a question of a lake that was just opened.
fn unread(
    place: &Place,
    arguments: &Arguments,
    runtime: &Runtime,
    question: &Question,
    is_cold: bool,
) -> Result<Sample> {
    let lake = place.open(arguments, runtime, arguments.resident << 20)?;
    if is_cold {
        forget(&place.folder)?;
    }
    let (sample, _) = ask(&lake, question, arguments, &Days::of_round(0))?;
    Ok(sample)
}

/// Asks us.
pub(crate) fn ask(
    lake: &wayfarer_lake::Lake,
    question: &Question,
    arguments: &Arguments,
    days: &Days,
) -> Result<(Sample, Value)> {
    let watch = Stopwatch::start();
    let answer = question.ask(lake, arguments.threads, days)?;
    Ok((watch.stop(1, 0), answer))
}

/// Asks a peer the same.
fn beside(
    running: &mut Running,
    measured: &mut Measured,
    question: &Question,
    days: &Days,
    ours: &Value,
) -> Result<()> {
    let Some(theirs) = running.ask(question.name, days)? else { return Ok(()) };
    let beside = measured.of(running.peer);
    beside.times.push((theirs.first_s, theirs.best_s));
    beside.verdicts.push(compare::verdict(ours, &theirs.rows));
    Ok(())
}

impl Measured {
    fn of(&mut self, peer: Peer) -> &mut Beside {
        let place = self.peers.iter().position(|beside| beside.peer == peer);
        let place = place.unwrap_or_else(|| {
            let (cold_s, times, verdicts) = (Vec::new(), Vec::new(), Vec::new());
            self.peers.push(Beside { peer, cold_s, times, verdicts });
            self.peers.len() - 1
        });
        &mut self.peers[place]
    }
}

fn row((question, measured): (&'static Question, Measured)) -> Row {
    let wall = |samples: &[Sample]| median(samples.iter().map(|sample| sample.wall_ns)) / 1e9;
    let cpu = |samples: &[Sample]| median(samples.iter().map(|sample| sample.cpu_ns)) / 1e9;
    let (our_cold_s, our_first_s) = (wall(&measured.cold), wall(&measured.first));
    let warm_s = wall(&measured.warm);
    let peers = measured.peers.into_iter().map(|Beside { peer, cold_s, times, verdicts }| {
        let best_s = median(times.iter().map(|(_, best)| *best));
        let cold_s = median(cold_s);
        let different =
            verdicts.iter().find(|verdict| matches!(verdict, Verdict::Different { .. }));
        let verdict = different.or(verdicts.first()).cloned();
        PeerRow {
            peer,
            cold_s,
            first_s: times.first().map_or(f64::NAN, |(first, _)| *first),
            best_s,
            times_warm: best_s / warm_s,
            times_first: best_s / our_first_s,
            times_cold: cold_s / our_cold_s,
            verdict: verdict.unwrap_or(Verdict::Equal { rows: 0 }),
        }
    });
    Row {
        question: question.name,
        report: question.report,
        differs: question.differs,
        cold_s: our_cold_s,
        first_s: our_first_s,
        first_cpu_s: cpu(&measured.first),
        warm_s,
        warm_cpu_s: cpu(&measured.warm),
        peers: peers.collect(),
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        "question",
        "report",
        "cold s",
        "first s",
        "first cpu s",
        "warm s",
        "warm cpu s",
        "peer",
        "cold s",
        "first s",
        "best s",
        "times warm",
        "times first",
        "times cold",
        "answers",
    ]);
    for row in rows {
        let ours = [
            row.question.to_owned(),
            row.report.to_owned(),
            format!("{:.3}", row.cold_s),
            format!("{:.3}", row.first_s),
            format!("{:.3}", row.first_cpu_s),
            format!("{:.3}", row.warm_s),
            format!("{:.3}", row.warm_cpu_s),
        ];
        if row.peers.is_empty() {
            table.row(ours.to_vec());
        }
        for peer in &row.peers {
            let theirs = [
                peer.peer.name().to_owned(),
                format!("{:.3}", peer.cold_s),
                format!("{:.3}", peer.first_s),
                format!("{:.3}", peer.best_s),
                format!("{:.1}", peer.times_warm),
                format!("{:.1}", peer.times_first),
                format!("{:.1}", peer.times_cold),
                peer.verdict.to_string(),
            ];
            table.row(ours.iter().cloned().chain(theirs).collect());
        }
    }
    table.to_string()
}
