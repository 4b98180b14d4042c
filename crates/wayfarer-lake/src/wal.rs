//! The write-ahead log: where an event is durable before anybody hears that it is.
//!
//! [`mod@format`] is the bytes (documented in `docs/design/wal-format.md`), [`recover`] reads a folder of segments back after
//! a crash, [`log`] appends groups of frames and takes back what failed. Nothing here knows of threads: the one that
//! calls is in `commit`.

pub(crate) mod format;
pub(crate) mod log;
pub(crate) mod recover;

#[cfg(test)]
mod tests;

pub(crate) use format::Batch;
#[cfg(feature = "fuzzing")]
pub(crate) use format::fuzz;
pub(crate) use log::Log;
