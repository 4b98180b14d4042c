//! Memcached for tests: two servers, between which clients share the keys.

use anyhow::{Context, Result};

use crate::{
    server::{Kind, Place, Server, find},
    shared::Shared,
};

static SHARED: Shared<Memcached> = Shared::new();

/// Two Memcached servers.
pub struct Memcached {
    servers: [Server; 2],
}

impl Memcached {
    /// The servers of this test program, started by the first who asks.
    ///
    /// # Errors
    /// When Memcached is missing or does not start.
    pub fn shared() -> Result<&'static Memcached> {
        SHARED.get(Memcached::start)
    }

    /// Servers of one's own, to be killed.
    ///
    /// # Errors
    /// When Memcached is missing or does not start.
    pub fn start() -> Result<Memcached> {
        Ok(Memcached { servers: [start()?, start()?] })
    }

    /// The addresses, such as `127.0.0.1:20000`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect()
    }

    /// Ends one server. What it held is lost.
    ///
    /// # Errors
    /// When there is none of this number, or it cannot be ended.
    pub fn kill(&self, server: usize) -> Result<()> {
        self.servers.get(server).context("no such server")?.kill()
    }

    /// Starts a killed server again, empty, on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&self, server: usize) -> Result<()> {
        self.servers.get(server).context("no such server")?.resume()
    }
}

fn start() -> Result<Server> {
    let place = Place::new()?;
    let memcached = find("memcached", &[], "memcached")?.display().to_string();
    let port = place.port().to_string();
    let command = [memcached.as_str(), "-l", "127.0.0.1", "-U", "0", "-p", &port];
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Server::start(Kind { name: "Memcached", signal: "KILL", ready: None }, place, command)
}

#[cfg(test)]
mod tests {
    mod real {
        use std::net::TcpStream;

        use super::super::*;

        #[test]
        fn one_of_two_servers_dies_and_comes_back() {
            let memcached = Memcached::start().unwrap();
            let there = || {
                memcached
                    .addresses()
                    .iter()
                    .map(|at| TcpStream::connect(at).is_ok())
                    .collect::<Vec<_>>()
            };
            assert_eq!(there(), [true, true]);
            memcached.kill(0).unwrap();
            assert_eq!(there(), [false, true]);
            memcached.resume(0).unwrap();
            assert_eq!(there(), [true, true]);
        }
    }
}
