//! How fast the disk itself is: whoever promises durability waits for it.

use std::{fs::File, io::Write, path::Path, time::Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::Quantiles;

/// What `fdatasync` takes on a disk, after an append of 4 KiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Disk {
    /// In microseconds.
    pub fdatasync_us: Quantiles,
    /// How many times it was asked.
    pub times: usize,
}

/// Measures the disk that `folder` lies on.
///
/// # Errors
/// When the folder cannot be written to.
pub fn disk(folder: &Path) -> Result<Disk> {
    const TIMES: usize = 200;
    let path = folder.join("fdatasync.probe");
    let at = || format!("could not measure {}", path.display());
    let mut file = File::create(&path).with_context(at)?;
    let mut waits = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        file.write_all(&[7; 4096]).with_context(at)?;
        let started = Instant::now();
        file.sync_data().with_context(at)?;
        waits.push(started.elapsed().as_secs_f64() * 1e6);
    }
    std::fs::remove_file(&path).with_context(at)?;
    Ok(Disk { fdatasync_us: Quantiles::of(waits), times: TIMES })
}
