//! Every report against a brute-force oracle, and the engine over rows that lie as awkwardly as they can.

mod memory;
mod oracle;
mod reports;
mod world;
