//! What the benches share: what an operation costs, medians, quantiles, tables, and what machine it was.
//!
//! A bench measures in rounds and lets the systems take turns within each, so that what else the machine does hits them
//! alike; it reports medians over the rounds. CPU time is the steadier figure on a machine that is shared.
//!
//! Start with [`Stopwatch`] and [`Figures`].

mod disk;
mod machine;
mod process;
mod table;
mod time;

pub use disk::{Disk, disk};
pub use machine::machine;
pub use process::{Memory, memory, process_cpu_ns};
pub use table::Table;
pub use time::{Figures, Quantiles, Sample, Stopwatch, median};
