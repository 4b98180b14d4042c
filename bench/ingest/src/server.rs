//! The server under load: the release binary, with a data folder and a token of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wayfarer_bench_measure::{Memory, memory, process_cpu_ns};

use crate::{client::Target, event::SITE};

/// What the server is allowed more than it is by default: one sender is the whole load here.
pub(crate) const SETTINGS: &[(&str, &str)] = &[("WAYFARER_SERVER_EVENTS_PER_SECOND", "10000000")];

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    target: Target,
}

impl Server {
    /// Makes a site and a token in `folder`, and serves it on a free port.
    pub(crate) fn start(wayfarer: &Path, folder: &Path) -> Result<Server> {
        let admin = |arguments: &[&str]| output(wayfarer, folder, arguments);
        admin(&["admin", "site", "add", SITE])?;
        let made = admin(&["admin", "token", "create", "--site", SITE, "--scope", "server"])?;
        let token = text(&made, "token")?;
        let mut child = command(wayfarer, folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .envs(SETTINGS.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", wayfarer.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server has no stdout")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let said: Value =
            serde_json::from_str(&line).with_context(|| format!("the server says {line:?}"))?;
        let url = text(&said, "listening")?;
        let address = url.trim_start_matches("http://").parse()?;
        Ok(Server { child, target: Target { address, token } })
    }

    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }

    /// What it holds in memory.
    pub(crate) fn memory(&self) -> Result<Memory> {
        memory(self.child.id())
    }

    /// The processor time that it has taken so far.
    pub(crate) fn cpu_ns(&self) -> Result<f64> {
        process_cpu_ns(self.child.id())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> Result<()> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(process.context("the server has no process id")?, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

/// A server that is given up takes its process along.
impl Drop for Server {
    fn drop(&mut self) {
        // After `end` there is nothing left to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary on a folder, speaking JSON.
pub(crate) fn command(wayfarer: &Path, folder: &Path) -> Command {
    let mut command = Command::new(wayfarer);
    command.arg("--json").arg("--data").arg(folder).stdin(Stdio::null());
    command
}

/// Runs a command of the binary, and reads its last line.
pub(crate) fn output(wayfarer: &Path, folder: &Path, arguments: &[&str]) -> Result<Value> {
    let output = command(wayfarer, folder).args(arguments).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("could not start {}", wayfarer.display()))?;
    ensure!(output.status.success(), "wayfarer {arguments:?} ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().unwrap_or("null");
    serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(last))
        .with_context(|| format!("wayfarer {arguments:?} printed {text}"))
}

fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field].as_str().with_context(|| format!("no {field} in {value}"))?;
    Ok(text.to_owned())
}

/// The data folder of a server within the bench's own.
pub(crate) fn data(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
