//! The collector from the outside: files and bodies in, events out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod agents;
mod hostile;
mod import;
mod support;
