//! What serving takes, whoever is served: a port, and an end when people or service managers ask for one.

use std::{io, net::SocketAddr};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::failure::{Failure, not_loopback};

/// Listens on an address.
///
/// # Errors
/// When another program has it, or this machine does not.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let key = match error.kind() {
            io::ErrorKind::AddrInUse => "cli-port-in-use",
            _ => "cli-listen",
        };
        Failure::new(key).with("address", address.to_string()).because(&error)
    })
}

/// Refuses an address that others can reach: nobody has to log in yet.
///
/// # Errors
/// When the address is not loopback.
pub(crate) fn loopback_only(address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(not_loopback(address))
}

/// Ctrl-C, and the polite signal of service managers.
pub(crate) struct Ending {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Ending {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub(crate) fn new() -> Result<Ending, Failure> {
        let failed = |error: io::Error| Failure::new("cli-failed").because(&error);
        Ok(Ending {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Waits for one of them.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
