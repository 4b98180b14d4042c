//! MariaDB for tests.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Result;

use crate::{
    server::{Kind, Place, Server, find, run},
    shared::Shared,
    tls::{Certificate, authority},
};

static SHARED: Shared<MariaDb> = Shared::new();
static SHARED_WITH_TLS: Shared<MariaDb> = Shared::new();

const PACKAGE: &str = "mariadb-server";

/// A MariaDB server with no databases but its own. Its user `wayfarer`, password `wayfarer`, may do everything.
pub struct MariaDb {
    server: Server,
    client: PathBuf,
    databases: AtomicU32,
    /// Of a server that speaks nothing but TLS over the network.
    certificate: Option<Certificate>,
}

impl MariaDb {
    /// The server of this test program, started by the first who asks.
    ///
    /// # Errors
    /// When MariaDB is missing or does not start.
    pub fn shared() -> Result<&'static MariaDb> {
        SHARED.get(MariaDb::start)
    }

    /// A server of one's own, to be killed.
    ///
    /// # Errors
    /// When MariaDB is missing or does not start.
    pub fn start() -> Result<MariaDb> {
        MariaDb::start_in(Place::new()?, None)
    }

    /// The server of this test program that speaks TLS and nothing else.
    ///
    /// # Errors
    /// When MariaDB is missing or does not start.
    pub fn shared_with_tls() -> Result<&'static MariaDb> {
        SHARED_WITH_TLS.get(|| {
            let place = Place::new()?;
            let certificate = Certificate::new(&place)?;
            MariaDb::start_in(place, Some(certificate))
        })
    }

    fn start_in(place: Place, certificate: Option<Certificate>) -> Result<MariaDb> {
        let folder = place.text()?.to_owned();
        let (data, socket) = (format!("--datadir={folder}/data"), format!("{folder}/socket"));
        let install = [
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=16M",
            &data,
        ];
        run(&find("mariadb-install-db", &[], PACKAGE)?, &install, place.path())?;
        let server = find("mariadbd", &[], PACKAGE)?.display().to_string();
        let port = format!("--port={}", place.port());
        let at = format!("--socket={socket}");
        let command = [
            server.as_str(),
            "--no-defaults",
            &data,
            &port,
            &at,
            "--bind-address=127.0.0.1",
            "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=2",
            "--max-connections=300",
            "--skip-name-resolve",
        ];
        let mut command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        if let Some(Certificate { certificate, key, .. }) = &certificate {
            command.extend([format!("--ssl-cert={certificate}"), format!("--ssl-key={key}")]);
            command.push("--require-secure-transport=ON".into());
        }
        let kind = Kind { name: "MariaDB", signal: "KILL", ready: Some("ready for connections") };
        let server = Server::start(kind, place, command)?;
        let client = find("mariadb", &[], "mariadb-client")?;
        let grant = "CREATE USER wayfarer IDENTIFIED BY 'wayfarer'; GRANT ALL ON *.* TO wayfarer";
        run(&client, &["--no-defaults", "-u", "root", "-S", &socket, "-e", grant], Path::new("/"))?;
        Ok(MariaDb { server, client, databases: AtomicU32::new(0), certificate })
    }

    /// The file of the authority that signed its certificate.
    ///
    /// # Errors
    /// When the server does not speak TLS.
    pub fn authority(&self) -> Result<PathBuf> {
        authority(self.certificate.as_ref())
    }

    /// The address of a new, empty database, such as `mysql://wayfarer:wayfarer@127.0.0.1:20000/d1`. Like most, it compares
    /// text without regard to case.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self) -> Result<String> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port();
        let statement = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        let at = format!("--port={port}");
        let login = ["--no-defaults", "-h", "127.0.0.1", &at, "-u", "wayfarer", "-pwayfarer"];
        let tls: &[&str] = if self.certificate.is_some() { &["--ssl"] } else { &[] };
        run(&self.client, &[&login[..], tls, &["-e", &statement]].concat(), Path::new("/"))?;
        Ok(format!("mysql://wayfarer:wayfarer@127.0.0.1:{port}/{name}"))
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

#[cfg(test)]
mod tests {
    mod real {
        use super::super::*;

        #[test]
        fn what_mariadb_held_is_there_after_a_crash() {
            let mariadb = MariaDb::start().unwrap();
            let first = mariadb.database().unwrap();
            mariadb.kill().unwrap();
            assert!(mariadb.database().is_err());
            mariadb.resume().unwrap();
            let second = mariadb.database().unwrap();
            assert_ne!(first, second);
        }
    }
}
