//! Runs the binary: commands to their end, servers until they are dropped.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Standard output, which must be one JSON value and nothing else.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one line of a failure, which must be all that was said.
    pub(crate) fn complaint(&self, status: i32) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr.trim_end()
    }

    /// Standard output of a command that must have gone well.
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.status, 0, "{self:?}");
        &self.stdout
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        Done {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The binary, in an environment that says nothing.
pub(crate) fn wayfarer() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_wayfarer")))
}

/// Takes what could change an answer out of the environment of a command.
pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYFARER_")) {
        command.env_remove(name);
    }
    command.env_remove("COLUMNS").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// A data folder that goes away with the value, and the commands on it.
pub(crate) struct House {
    _folder: Option<tempfile::TempDir>,
    pub(crate) data: PathBuf,
}

impl House {
    /// A name for a data folder; nothing is there yet.
    pub(crate) fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        House { data: folder.path().join("data"), _folder: Some(folder) }
    }

    /// A data folder that somebody else takes away.
    pub(crate) fn at(data: &Path) -> House {
        House { data: data.to_owned(), _folder: None }
    }

    /// A data folder with one site.
    pub(crate) fn with_site(site: &str) -> House {
        let house = House::new();
        house.run(&["admin", "site", "add", site]).text();
        house
    }

    /// A file beside the data folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.with_file_name(name)
    }

    /// A command on the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = wayfarer();
        command.arg("--data").arg(&self.data).args(arguments);
        command
    }

    /// Runs a command on the folder to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs a command on the folder that reads `input`.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().unwrap().into()
        })
    }

    /// A server token of a site.
    pub(crate) fn token(&self, site: &str) -> String {
        let done =
            self.run(&["admin", "token", "create", "--site", site, "--scope", "server", "--json"]);
        done.json()["token"].as_str().unwrap().to_owned()
    }

    /// Serves the folder.
    pub(crate) fn serve(&self) -> Server {
        Server::start(self.command(&["serve", "--listen", "127.0.0.1:0", "--json"]))
    }

    /// Exports everything and reads it back.
    pub(crate) fn events(&self) -> Vec<Value> {
        let file = self.file("events.ndjson");
        self.run(&["export", path(&file), "--json"]).json();
        let text = std::fs::read_to_string(&file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A path as an argument.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A running `wayfarer serve`, killed at the end.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a command that says where it listens, as JSON in its first line.
    pub(crate) fn start(mut command: Command) -> Server {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(said) = serde_json::from_str::<Value>(&line) else {
            panic!("{:?}", Done::from(child.wait_with_output().unwrap()));
        };
        let address = said["listening"].as_str().unwrap().strip_prefix("http://").unwrap();
        Server { child, address: address.parse().unwrap() }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: nothing of the process gets to run any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A polite end, as of a service manager; gives what was still said.
    pub(crate) fn stop(mut self) -> Done {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Done { status: self.child.wait().unwrap().code().unwrap_or(-1), stdout, stderr }
    }

    /// Posts events; `None` when no whole answer came.
    pub(crate) fn post(&self, token: &str, body: &str) -> Option<(u16, Value)> {
        post(self.address, token, body).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Posts events, and reads the whole answer.
pub(crate) fn post(address: SocketAddr, token: &str, body: &str) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    read(&answer).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// Status and JSON of an answer that came whole.
fn read(answer: &str) -> Option<(u16, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}
