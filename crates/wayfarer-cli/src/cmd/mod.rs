//! The commands: one file each, with its arguments and what it does.

pub(crate) mod admin;
pub(crate) mod check;
pub(crate) mod compact;
#[cfg(feature = "demo")]
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod saved;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod status;
