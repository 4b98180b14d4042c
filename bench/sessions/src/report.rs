//! The figures as tables, and what is compared with what.

use serde::Serialize;
use wayfarer_bench_measure::Table;

use crate::{
    Cost, Crowd, Loss,
    case::{Case, Store},
};

/// How often Wayfarer's rate, or its share of a request, goes into tower-sessions'.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    store: Store,
    case: Case,
    /// Requests a second of processor time, ours over theirs, the framework's part included.
    rate: f64,
    /// Requests a second by the clock, one after the other, ours over theirs.
    wall: f64,
    /// Requests a second by the clock, ours over those of the bare client with the same commands.
    of_bare: Option<f64>,
    /// What sessions add to a request in processor time, theirs over ours; `None` where ours is too little to be measured.
    added: Option<f64>,
}

/// What a request costs.
pub(crate) fn costs(costs: &[Cost]) -> String {
    let head = ["case", "store", "system", "cpu µs", "added µs", "wall µs", "wall/s", "failed"];
    let mut table = Table::new(&head);
    for case in Case::ALL {
        for cost in costs.iter().filter(|cost| cost.case == case) {
            table.row(vec![
                case.name().to_owned(),
                cost.store.map_or("-", Store::name).to_owned(),
                cost.system.clone(),
                micros(cost.figures.cpu_ns),
                cost.added_ns.map(micros).unwrap_or_default(),
                micros(cost.figures.wall_ns),
                format!("{:.0}", 1e9 / cost.figures.wall_ns),
                cost.figures.failures.to_string(),
            ]);
        }
    }
    table.to_string()
}

fn micros(ns: f64) -> String {
    format!("{:.3}", ns / 1000.0)
}

/// Wayfarer beside tower-sessions, case by case.
pub(crate) fn ratios(costs: &[Cost]) -> Vec<Ratio> {
    let of = |system: &str, store: Store, case: Case| {
        costs.iter().find(|cost| {
            cost.system.starts_with(system) && cost.store == Some(store) && cost.case == case
        })
    };
    let mut ratios = Vec::new();
    for store in Store::ALL {
        for case in Case::ALL {
            let (ours, theirs) = (of("wayfarer", store, case), of("tower-sessions", store, case));
            let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
            let rate = theirs.figures.cpu_ns / ours.figures.cpu_ns;
            let wall = theirs.figures.wall_ns / ours.figures.wall_ns;
            let bare = of("bare", store, case);
            let of_bare = bare.map(|bare| bare.figures.wall_ns / ours.figures.wall_ns);
            let little = |added: &f64| *added < 10.0;
            let ours_added = ours.added_ns.filter(|added| !little(added));
            let added = ours_added.and_then(|ours| Some(theirs.added_ns? / ours));
            ratios.push(Ratio { store, case, rate, wall, of_bare, added });
        }
    }
    ratios
}

/// How concurrent writers get on.
pub(crate) fn writers(crowds: &[Crowd]) -> String {
    let mut table = Table::new(&["concurrent writers", "system", "writes/s", "cpu µs", "failed"]);
    for crowd in crowds {
        table.row(vec![
            crowd.store.map_or("-", Store::name).to_owned(),
            crowd.system.clone(),
            format!("{:.0}", 1e9 / crowd.figures.wall_ns),
            micros(crowd.figures.cpu_ns),
            crowd.figures.failures.to_string(),
        ]);
    }
    table.to_string()
}

/// What is lost where requests overlap.
pub(crate) fn overlaps(losses: &[Loss], parallel: u32) -> String {
    let keys = format!("keys of {parallel}");
    let count = format!("count of {parallel}");
    let head = ["overlapping", "system", &keys, &count, "refused", "after log-out", "late answer"];
    let mut table = Table::new(&head);
    for loss in losses {
        let overlap = &loss.overlap;
        table.row(vec![
            loss.store.map_or("-", Store::name).to_owned(),
            loss.system.clone(),
            overlap.own_keys.to_string(),
            overlap.count.to_string(),
            overlap.refused.to_string(),
            if overlap.revived { "logged in again" } else { "stays out" }.to_owned(),
            overlap.late_status.to_string(),
        ]);
    }
    table.to_string()
}
