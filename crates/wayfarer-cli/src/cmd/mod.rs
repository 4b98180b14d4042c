//! The commands: one file each, with its arguments and what it does.

pub(crate) mod admin;
#[cfg(feature = "demo")]
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod report;
pub(crate) mod serve;
pub(crate) mod status;
