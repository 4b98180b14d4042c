//! HTTP over the loop: the collector's API, reports, the live stream, the dashboard, and the socket of the data folder.
//!
//! - `router` is the one list of addresses; `api` answers programs, `pages` people.
//! - [`Server`] is what every handler knows; [`serve`] runs it until it is told to stop.
//! - [`local`] is how the command line works on a data folder, whoever holds it.
//! - [`config`] reads the configuration, [`messages`] holds the words of every language.
//!
//! What an event is, where it is kept and what it means is decided below this crate: here is only who may ask, in which
//! form, and how the answer looks. Start with `router`.

mod access;
mod api;
pub mod config;
mod errors;
mod headers;
mod limit;
pub mod local;
pub mod messages;
mod pages;
mod router;
mod server;

pub use self::{
    router::router,
    server::{ServeError, Server, Serving, serve},
};
