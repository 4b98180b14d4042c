//! The memory of a process, as the kernel counts it.

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// What a process holds in memory, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At the most so far.
    pub peak: u64,
}

/// The memory of the process with this id.
///
/// # Errors
/// When there is no such process.
pub fn memory(process: u32) -> Result<Memory> {
    let file = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&file).with_context(|| format!("could not read {file}"))?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).with_context(|| format!("{file} has no {name}"))
    };
    Ok(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// The processor time that a process has taken so far, of all its threads, in nanoseconds. The kernel counts it in ticks of
/// some milliseconds.
///
/// # Errors
/// When there is no such process.
pub fn process_cpu_ns(process: u32) -> Result<f64> {
    let file = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&file).with_context(|| format!("could not read {file}"))?;
    // The second field is the name, which may hold anything; user and system time are the 14th and 15th.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    ensure!(ticks.len() == 2, "{file} has no processor times");
    let ticks: u64 = ticks.iter().sum();
    Ok(ticks as f64 * 1e9 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        assert!(super::memory(u32::MAX).is_err());
    }

    #[test]
    fn this_process_has_taken_time() {
        let before = process_cpu_ns(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while process_cpu_ns(std::process::id()).unwrap() < before + 2e7 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0 && process_cpu_ns(u32::MAX).is_err());
    }
}
