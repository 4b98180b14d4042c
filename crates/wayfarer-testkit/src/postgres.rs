//! PostgreSQL for tests.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

use crate::{
    server::{Kind, Place, Server, find, run},
    shared::Shared,
    tls::{Certificate, authority},
};

static SHARED: Shared<Postgres> = Shared::new();
static SHARED_WITH_TLS: Shared<Postgres> = Shared::new();

const PACKAGE: &str = "postgresql";

/// A PostgreSQL server with an empty cluster. Whoever connects from this machine is let in as `wayfarer`.
pub struct Postgres {
    server: Server,
    psql: PathBuf,
    databases: AtomicU32,
    certificate: Option<Certificate>,
}

impl Postgres {
    /// The server of this test program, started by the first who asks.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start.
    pub fn shared() -> Result<&'static Postgres> {
        SHARED.get(Postgres::start)
    }

    /// A server of one's own, to be killed.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start.
    pub fn start() -> Result<Postgres> {
        Postgres::start_in(Place::new()?, None)
    }

    /// The server of this test program that also speaks TLS.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start.
    pub fn shared_with_tls() -> Result<&'static Postgres> {
        SHARED_WITH_TLS.get(|| {
            let place = Place::new()?;
            let certificate = Certificate::new(&place)?;
            Postgres::start_in(place, Some(certificate))
        })
    }

    fn start_in(place: Place, certificate: Option<Certificate>) -> Result<Postgres> {
        let (data, port) = (format!("{}/data", place.text()?), place.port().to_string());
        let initdb =
            ["-D", &data, "-U", "wayfarer", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        run(&program("initdb")?, &initdb, place.path())?;
        let postgres = program("postgres")?;
        let mut command = vec![postgres.display().to_string(), "-D".into(), data];
        let port = format!("port={port}");
        let socket = format!("unix_socket_directories={}", place.text()?);
        let settings = [
            &port,
            &socket,
            "fsync=off",
            "listen_addresses=127.0.0.1",
            "max_connections=300",
            "log_line_prefix=%d ",
        ];
        command.extend(settings.iter().flat_map(|s| ["-c".to_owned(), (*s).to_owned()]));
        if let Some(Certificate { certificate, key, .. }) = &certificate {
            for setting in [format!("ssl_cert_file={certificate}"), format!("ssl_key_file={key}")] {
                command.extend(["-c".into(), setting]);
            }
            command.extend(["-c".into(), "ssl=on".into()]);
        }
        let ready = Some("database system is ready to accept connections");
        let kind = Kind { name: "PostgreSQL", signal: "QUIT", ready };
        let server = Server::start(kind, place, command)?;
        Ok(Postgres { server, psql: program("psql")?, databases: AtomicU32::new(0), certificate })
    }

    /// The file of the authority that signed its certificate.
    ///
    /// # Errors
    /// When the server does not speak TLS.
    pub fn authority(&self) -> Result<PathBuf> {
        authority(self.certificate.as_ref())
    }

    /// The address of a new, empty database, such as `postgres://wayfarer@127.0.0.1:20000/d1`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self) -> Result<String> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let server = format!("postgres://wayfarer@127.0.0.1:{}", self.port());
        let statement = format!("CREATE DATABASE {name}");
        let admin = format!("{server}/postgres");
        run(&self.psql, &["-X", "-q", "-d", &admin, "-c", &statement], Path::new("/"))?;
        Ok(format!("{server}/{name}"))
    }

    /// What the server logged of a database: every statement, if its setting `log_statement` is `all`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self, database: &str) -> Result<Vec<String>> {
        let prefix = format!("{} ", database.rsplit('/').next().unwrap_or_default());
        let log = self.server.log()?;
        Ok(log.lines().filter_map(|line| Some(line.strip_prefix(&prefix)?.to_owned())).collect())
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Ends the server as a crash would.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(&self) -> Result<()> {
        self.server.kill()
    }

    /// Starts a killed server again, on the same port, with what it had.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&self) -> Result<()> {
        self.server.resume()
    }
}

/// Debian keeps the programs of each version in a folder of its own, and only those for users in `PATH`.
fn program(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    find(name, &folders, PACKAGE).context("PostgreSQL is missing")
}

#[cfg(test)]
mod tests {
    mod real {
        use super::super::*;

        #[test]
        fn what_postgres_held_is_there_after_a_crash() {
            let postgres = Postgres::start().unwrap();
            let (one, two) = (postgres.database().unwrap(), postgres.database().unwrap());
            let ask = |at: &str, statement: &str| {
                let arguments = ["-X", "-q", "-t", "-d", at, "-c", statement];
                run(&postgres.psql, &arguments, Path::new("/"))
            };
            ask(&one, "CREATE TABLE a (b int)").unwrap();
            postgres.kill().unwrap();
            assert!(ask(&one, "SELECT 1").is_err());
            postgres.resume().unwrap();
            assert_eq!(ask(&one, "SELECT count(*) FROM a").unwrap(), "0");
            assert!(ask(&two, "SELECT count(*) FROM a").is_err(), "another database");
        }
    }
}
