//! The memory of a process, as the kernel counts it.

use anyhow::{Context, Result};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        assert!(super::memory(u32::MAX).is_err());
    }
}
