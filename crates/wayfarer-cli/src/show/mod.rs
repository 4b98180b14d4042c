//! What people see: numbers, tables and progress bars. Owns the look of standard output and standard error, and nothing of
//! what is shown. Start with [`output`], through which every word on standard output goes.

pub(crate) mod number;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod table;
