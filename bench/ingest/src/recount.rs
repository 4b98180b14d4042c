//! After the load: every acknowledged event is there, once.

use std::{collections::HashSet, path::Path, time::Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use wayfarer_lake::{Lake, Options};

use crate::event::SITE;

/// What lies in the folder after it was closed and opened again.
#[derive(Debug, Serialize)]
pub(crate) struct Recount {
    acknowledged: u64,
    rows: u64,
    opening_s: f64,
}

/// Opens the lake of a folder that nobody holds any more, and walks over all its rows.
///
/// A request that was under way when the load ended may have been stored without its answer being read; the load waits for
/// its answers, so that there is none, and the counts must be equal.
pub(crate) async fn check(folder: &Path, acknowledged: u64) -> Result<Recount> {
    let opening = Instant::now();
    let lake = Lake::open(folder, Options::default()).await?;
    let opening_s = opening.elapsed().as_secs_f64();
    let view = lake.view();
    let rows = tokio::task::spawn_blocking(move || -> Result<u64> {
        let mut seen = HashSet::new();
        for stored in view.export(Some(SITE))? {
            let stored = stored?;
            ensure!(seen.insert((stored.writer, stored.seq)), "{} is there twice", stored.seq);
        }
        Ok(seen.len() as u64)
    })
    .await??;
    lake.close().await?;
    ensure!(rows == acknowledged, "{acknowledged} were acknowledged, {rows} are there");
    Ok(Recount { acknowledged, rows, opening_s })
}
