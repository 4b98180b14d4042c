//! One server process: its folder, its port, when it is ready, and that it is gone when the tests are.
//!
//! A shell of a few lines stands between us and the server and reads from a pipe that we hold. However a test ends, by
//! returning, by a panic, by being killed, the pipe closes, and the shell ends the server and removes its folder.
//!
//! Servers refuse to run as root, so as root they run as `nobody`.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::proofs;

const GUARD: &str = r#"
folder=$1 signal=$2
shift 2
"$@" </dev/null >>"$folder/log" 2>&1 &
echo $!
read -r word
kill -s "$signal" $!
wait $!
[ "$word" = keep ] || rm -rf "$folder"
"#;

/// The user that owns nothing, by its number on every Linux.
const NOBODY: u32 = 65534;

/// A server needs so long at the most, also beside many others.
const PATIENCE: Duration = Duration::from_secs(60);

/// How one kind of server is run.
pub(crate) struct Kind {
    /// For error messages.
    pub(crate) name: &'static str,
    /// The signal that ends it at once.
    pub(crate) signal: &'static str,
    /// What its log says when it is ready. Where it says nothing, taking connections is being ready.
    pub(crate) ready: Option<&'static str>,
}

/// A running server. Dropped, it is ended, and its folder is removed.
pub(crate) struct Server {
    kind: Kind,
    command: Vec<String>,
    running: Mutex<Option<Child>>,
    place: Place,
}

/// A folder of a server's own, and a port.
pub(crate) struct Place {
    folder: TempDir,
    ports: Ports,
}

/// A port that nobody else takes as long as this lives; the next one is free too.
pub(crate) struct Ports {
    first: u16,
    _lease: File,
}

impl Place {
    pub(crate) fn new() -> Result<Place> {
        let folder = tempfile::Builder::new().prefix("wf-").tempdir()?;
        if is_root()? {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        Ok(Place { folder, ports: Ports::lease()? })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn text(&self) -> Result<&str> {
        self.path().to_str().context("the temporary folder has a name that is not UTF-8")
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.first
    }
}

impl Ports {
    /// Looks for ports that nobody listens on, and locks them: other test programs look at the same time. Ports from 32768 on
    /// are left to connections, which the system numbers as it likes.
    pub(crate) fn lease() -> Result<Ports> {
        let folder = std::env::temp_dir().join("wayfarer-ports");
        std::fs::create_dir_all(&folder)?;
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        for first in (20_000..32_000).step_by(2) {
            let lease = File::create(folder.join(first.to_string()))?;
            if lease.try_lock().is_ok() && is_free(first) && is_free(first + 1) {
                return Ok(Ports { first, _lease: lease });
            }
        }
        bail!("no ports from 20000 to 32000 are free")
    }

    pub(crate) fn first(&self) -> u16 {
        self.first
    }
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(crate) fn start(kind: Kind, place: Place, command: Vec<String>) -> Result<Server> {
        let server = Server { kind, command, running: Mutex::new(None), place };
        server.resume()?;
        proofs::note(|| Ok(json!({ "server": server.kind.name, "version": server.version()? })))?;
        Ok(server)
    }

    /// The version that its program tells, such as `7.0.15`.
    fn version(&self) -> Result<String> {
        let program = self.command.first().context("a server has a program")?;
        let told = run(Path::new(program), &["--version"], self.place.path())?;
        let of_a_version = |c: char| c.is_ascii_digit() || c == '.';
        let mut words = told.split(|c| !of_a_version(c));
        let version = words.find(|word| word.contains('.') && word.len() > 2);
        Ok(version.with_context(|| format!("no version in {told}"))?.to_owned())
    }

    pub(crate) fn port(&self) -> u16 {
        self.place.port()
    }

    /// What it has said since it was first started.
    pub(crate) fn log(&self) -> Result<String> {
        let log = std::fs::read(self.place.path().join("log"))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Ends the server at once, as a crash would. What it has on disk stays.
    pub(crate) fn kill(&self) -> Result<()> {
        let Some(mut guard) = self.running().take() else { return Ok(()) };
        if let Some(mut pipe) = guard.stdin.take() {
            pipe.write_all(b"keep\n")?;
        }
        guard.wait()?;
        Ok(())
    }

    /// Starts the server again, in the same folder and on the same port.
    pub(crate) fn resume(&self) -> Result<()> {
        let log = self.place.path().join("log");
        let said = std::fs::read(&log).map_or(0, |log| log.len());
        let mut guard = as_nobody(Command::new("sh"))?
            .args(["-c", GUARD, "guard", self.place.text()?, self.kind.signal])
            .args(&self.command)
            .current_dir(self.place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("could not start sh")?;
        let mut pid = String::new();
        let said_by_guard = guard.stdout.take().context("the guard has no stdout")?;
        BufReader::new(said_by_guard).read_line(&mut pid)?;
        *self.running() = Some(guard);
        let started = Instant::now();
        while !self.is_ready(&log, said) {
            if has_ended(pid.trim()) || started.elapsed() > PATIENCE {
                let (name, command) = (self.kind.name, self.command.join(" "));
                bail!("{name} does not get ready: `{command}`\n{}", self.log().unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether it takes connections, and has said so in what it has logged since it was started.
    fn is_ready(&self, log: &Path, said: usize) -> bool {
        let log = std::fs::read(log).unwrap_or_default();
        let log = String::from_utf8_lossy(log.get(said..).unwrap_or_default());
        self.kind.ready.is_none_or(|ready| log.contains(ready))
            && TcpStream::connect((Ipv4Addr::LOCALHOST, self.place.port())).is_ok()
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{} may still be running: {error}", self.kind.name);
        }
    }
}

/// Whether a process is gone, or waits for its guard to notice that it is.
fn has_ended(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// Runs a program that prepares or administers a server, as the server's user, and gives what it prints.
pub(crate) fn run(program: &Path, arguments: &[&str], folder: &Path) -> Result<String> {
    let output = as_nobody(Command::new(program))?
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start {}", program.display()))?;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(out.trim().to_owned());
    }
    bail!("{} {}: {}\n{out}{err}", program.display(), arguments.join(" "), output.status)
}

/// The program of this name in `PATH`, in the folders of administrators, or in one of `folders`.
///
/// # Errors
/// When it is in none; `package` is what brings it.
pub(crate) fn find(name: &str, folders: &[PathBuf], package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .chain(folders.iter().cloned())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("there is no {name}; `apt-get install {package}` brings it"))
}

fn as_nobody(mut command: Command) -> Result<Command> {
    if is_root()? {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}

/// A process of ours belongs to us.
fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

#[cfg(test)]
mod tests {
    mod real {
        use super::super::*;

        #[test]
        fn a_server_that_does_not_start_says_why() {
            let place = Place::new().unwrap();
            let memcached = find("memcached", &[], "memcached").unwrap().display().to_string();
            let kind = Kind { name: "Memcached", signal: "KILL", ready: None };
            let started = Server::start(kind, place, vec![memcached, "--nonsense".to_owned()]);
            let error = started.err().unwrap().to_string();
            assert!(error.contains("nonsense"), "{error}");
        }

        #[test]
        fn a_server_tells_its_version() {
            let place = Place::new().unwrap();
            let memcached = find("memcached", &[], "memcached").unwrap().display().to_string();
            let port = place.port().to_string();
            let kind = Kind { name: "Memcached", signal: "KILL", ready: None };
            let command = vec![memcached, "-p".to_owned(), port];
            let version = Server::start(kind, place, command).unwrap().version().unwrap();
            assert!(version.starts_with("1."), "{version}");
        }

        /// What the system does to the pipe of a program that is killed.
        #[test]
        fn a_server_ends_with_the_program_that_started_it() {
            let place = Place::new().unwrap();
            let folder = place.path().to_owned();
            let port = place.port();
            let memcached = find("memcached", &[], "memcached").unwrap().display().to_string();
            let kind = Kind { name: "Memcached", signal: "KILL", ready: None };
            let command = vec![memcached, "-p".to_owned(), port.to_string()];
            let server = Server::start(kind, place, command).unwrap();
            let mut guard = server.running().take().unwrap();
            drop(guard.stdin.take());
            guard.wait().unwrap();
            assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
            assert!(!folder.exists());
        }
    }
}
