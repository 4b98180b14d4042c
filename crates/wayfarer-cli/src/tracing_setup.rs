//! Logs: on standard error, and only to a terminal, unless `WAYFARER_LOG` asks for them.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::args::Command;

/// Starts logging. Servers tell what they do, other commands only what is wrong.
pub(crate) fn init(command: &Command) {
    let asked = std::env::var("WAYFARER_LOG").ok();
    let terminal = std::io::stderr().is_terminal();
    if asked.is_none() && !terminal {
        return;
    }
    let level = match command {
        Command::Serve(_) => "info",
        _ => "warn",
    };
    let filter = EnvFilter::try_new(asked.as_deref().unwrap_or(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(level)))
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    // A second subscriber is not possible here: this is the one place that sets one.
    let _ = builder.try_init();
}
