//! What machine a figure comes from.

use serde_json::{Value, json};

/// Its processor, its cores, and how busy others keep it: figures from a busy machine are only indicative.
#[must_use]
pub fn machine() -> Value {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = read("/proc/loadavg");
    json!({
        "cpu": model.map(|(_, model)| model),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": load.split(' ').next().and_then(|load| load.parse::<f64>().ok()),
    })
}
