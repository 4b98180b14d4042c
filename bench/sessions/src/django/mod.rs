//! Django's sessions, in a Python of their own: requests go through its test client's handler, in process, so that no
//! server and no network is measured. `app.py` is the application; it answers lines of JSON with lines of JSON.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wayfarer_bench_measure::Sample;

use crate::{
    case::{self, Case, Store},
    contender::{Contender, Overlap, Writers},
};

const APP: &str = include_str!("app.py");

/// Django on this store, in a process of its own.
struct Django {
    store: Option<Store>,
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Django on this store, where its Python needs no client library for it.
pub(crate) fn on(store: Store, python: &Path, folder: &Path) -> Result<Option<Box<dyn Contender>>> {
    if engine(store).is_none() {
        return Ok(None);
    }
    Ok(Some(Box::new(Django::start(Some(store), python, folder)?)))
}

/// Django without sessions.
pub(crate) fn without_sessions(python: &Path, folder: &Path) -> Result<Box<dyn Contender>> {
    Ok(Box::new(Django::start(None, python, folder)?))
}

impl Django {
    fn start(store: Option<Store>, python: &Path, folder: &Path) -> Result<Django> {
        let synchronous = store.map_or("FULL", Store::synchronous);
        let set_up = json!({
            "engine": store.and_then(engine),
            "database": folder.join(format!("django-{synchronous}.sqlite")),
            "synchronous": synchronous,
            "payload": case::payload(),
        });
        let mut child = Command::new(python)
            .args(["-c", APP, &set_up.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", python.display()))?;
        let ask = child.stdin.take().context("python has no stdin")?;
        let answers = BufReader::new(child.stdout.take().context("python has no stdout")?);
        Ok(Django { store, child, ask, answers })
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &Value) -> Result<T> {
        writeln!(self.ask, "{question}").context("Django has ended")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.is_empty() {
            bail!("Django has ended at {question}");
        }
        serde_json::from_str(&answer).with_context(|| format!("Django answers {answer}"))
    }
}

fn engine(store: Store) -> Option<&'static str> {
    match store {
        Store::Memory => Some("cache"),
        Store::SqliteFull | Store::SqliteNormal => Some("db"),
        Store::Cookie => Some("signed_cookies"),
        Store::Postgres | Store::Redis | Store::Valkey => None,
    }
}

impl Contender for Django {
    fn system(&self) -> &str {
        if self.store.is_some() { "Django 5.2" } else { "Django, no sessions" }
    }

    fn store(&self) -> Option<Store> {
        self.store
    }

    fn base(&self) -> &str {
        "Django, no sessions"
    }

    fn set_up(&self) -> String {
        let synchronous = self.store.map_or("", Store::synchronous);
        match self.store {
            Some(Store::SqliteFull | Store::SqliteNormal) => {
                format!("test client's handler, WAL, synchronous={synchronous}, IMMEDIATE")
            }
            _ => "test client's handler".to_owned(),
        }
    }

    fn sample(&mut self, case: Case, requests: u64) -> Result<Sample> {
        let (path, cookie) = (case.path(), case.has_cookie());
        self.ask(&json!({ "do": "sample", "path": path, "cookie": cookie, "requests": requests }))
    }

    fn writers(&mut self, crowd: Writers) -> Result<Option<Sample>> {
        if !matches!(self.store, Some(Store::SqliteFull | Store::SqliteNormal)) {
            return Ok(None);
        }
        let Writers { sessions, writes } = crowd;
        self.ask(&json!({ "do": "writers", "sessions": sessions, "writes": writes })).map(Some)
    }

    fn overlap(&mut self, parallel: u32) -> Result<Option<Overlap>> {
        if matches!(self.store, None | Some(Store::Cookie)) {
            return Ok(None);
        }
        self.ask(&json!({ "do": "overlap", "parallel": parallel })).map(Some)
    }
}

/// Ends the child: it reads until its stdin is closed, and it is not asked any more.
impl Drop for Django {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
