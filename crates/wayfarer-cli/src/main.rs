//! The binary `wayfarer`.
//!
//! [`args`] is the table of the command line, [`cmd`] has one file a command. A command gets a [`desk::Desk`] (configuration,
//! language, the way to the data folder), prints through [`show`], and ends well or with a [`failure::Failure`]. What it
//! does to a data folder goes through `wayfarer_server::local`, which opens the folder or asks the server that holds it.

mod args;
mod cmd;
#[cfg(feature = "demo")]
mod demo;
mod desk;
mod failure;
mod rows;
mod serving;
mod show;
mod tracing_setup;

use std::process::ExitCode;

use args::{Cli, Command};
use desk::Desk;
use failure::Failure;

/// Reports and imports allocate from several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::read();
    let words = desk::words(&cli.common);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", words.with("cli-error", &[("what", failure.say(&words).into())]));
            ExitCode::from(failure.status())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    tracing_setup::init(&cli.command);
    let desk = Desk::new(&cli.common)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new("cli-failed").because(&error))?;
    runtime.block_on(async {
        match cli.command {
            #[cfg(feature = "demo")]
            Command::Demo(demo) => demo.run(desk).await,
            Command::Serve(serve) => serve.run(desk).await,
            Command::Import(import) => import.run(desk).await,
            Command::Report(report) => report.run(desk).await,
            Command::Query(query) => query.run(desk).await,
            Command::Export(export) => export.run(desk).await,
            Command::Compact(compact) => compact.run(desk).await,
            Command::Check(check) => check.run(desk).await,
            Command::Erase(erase) => erase.run(desk).await,
            Command::Status(status) => status.run(desk).await,
            Command::Session(session) => session.run(desk).await,
            Command::Admin(admin) => admin.run(desk).await,
        }
    })
}
