//! `wayfarer session`: troubleshooting and care of sessions. `value` reads and writes single values, `store` opens a store by
//! its address, `history` tells of the past, `care` does the rest.

mod care;
mod history;
mod store;
mod value;

use clap::{Args, Subcommand};

use self::store::StoreArgs;
use crate::{desk::Desk, failure::Failure};

/// What is done with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Show what a value holds, or why it is refused
    Decode(value::Decode),
    /// Sign a session as Django does
    Encode(value::Encode),
    /// List the sessions of a store
    List(care::List),
    /// Show one session with what it holds
    Show(Named),
    /// Tell why somebody was logged out, and what happened before
    History(history::History),
    /// End one session
    Revoke(Named),
    /// Forget what ran out, in batches: Django's clearsessions
    Purge(care::Purge),
    /// Copy sessions into another store; nobody is logged out
    Copy(care::Copy),
}

/// A session of a store, by its handle
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its handle, as `list` shows it
    // One in 64 begins with a hyphen.
    #[arg(allow_hyphen_values = true)]
    handle: String,
    #[command(flatten)]
    store: StoreArgs,
}

impl Session {
    /// Does it.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        match self {
            Session::Decode(decode) => decode.run(&desk),
            Session::Encode(encode) => encode.run(),
            Session::List(list) => list.run(&desk).await,
            Session::Show(named) => care::show(&desk, named).await,
            Session::History(history) => history.run(&desk).await,
            Session::Revoke(named) => care::revoke(&desk, named).await,
            Session::Purge(purge) => purge.run(&desk).await,
            Session::Copy(copy) => copy.run(&desk).await,
        }
    }
}

impl From<wayfarer_session::Error> for Failure {
    fn from(error: wayfarer_session::Error) -> Failure {
        Failure::new("cli-failed").because(&error)
    }
}

impl From<wayfarer_session::StoreError> for Failure {
    fn from(error: wayfarer_session::StoreError) -> Failure {
        Failure::new("cli-failed").because(&error)
    }
}
