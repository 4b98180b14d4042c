//! The `wayfarer` binary.
fn main() {}
