//! Answers for programs: one file an address.

pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod insights;
pub(crate) mod live;
pub(crate) mod report;
pub(crate) mod saved;
pub(crate) mod script;
