//! After the load: every acknowledged event is there, once.

use std::{collections::HashMap, path::Path, time::Instant};

use anyhow::{Result, bail, ensure};
use serde::Serialize;
use wayfarer_event::Column;
use wayfarer_lake::{Lake, Options, Scan, Values, View};

use crate::event::SITE;

/// What lies in the folder after it was closed and opened again.
#[derive(Debug, Serialize)]
pub(crate) struct Recount {
    acknowledged: u64,
    rows: u64,
    opening_s: f64,
    counting_s: f64,
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
    let counting = Instant::now();
    let rows = tokio::task::spawn_blocking(move || count(&view)).await??;
    let counting_s = counting.elapsed().as_secs_f64();
    lake.close().await?;
    ensure!(rows == acknowledged, "{acknowledged} were acknowledged, {rows} are there");
    Ok(Recount { acknowledged, rows, opening_s, counting_s })
}

/// Counts the rows, each known by its writer and its place there.
fn count(view: &View) -> Result<u64> {
    let mut seen: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut rows = 0;
    for mut run in view.runs(&Scan::new(SITE, &[Column::Writer, Column::Seq]))? {
        while let Some(block) = run.next_block()? {
            let [Values::Unsigned { values: writers }, Values::Unsigned { values: places }] =
                block.columns.as_slice()
            else {
                bail!("a block has no writers or no places");
            };
            ensure!((writers.len(), places.len()) == (block.ts.len(), block.ts.len()), "rows lack");
            for (&writer, &seq) in writers.iter().zip(places.iter()) {
                let bits = seen.entry(writer).or_default();
                let (word, bit) = (usize::try_from(seq / 64)?, 1 << (seq % 64));
                if bits.len() <= word {
                    bits.resize(word + 1, 0);
                }
                let Some(word) = bits.get_mut(word) else { continue };
                ensure!(*word & bit == 0, "{seq} is there twice");
                *word |= bit;
                rows += 1;
            }
        }
    }
    Ok(rows)
}
