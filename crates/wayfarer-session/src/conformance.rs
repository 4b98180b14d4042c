//! The laws that every session store keeps: the public conformance suite (feature `conformance`).
//!
//! Each law is one async function in [`laws`], which says what is broken instead of panicking. [`run`] tries all of them
//! and leaves out those that rest on a capability which the store does not declare. The laws draw their own keys, so a
//! store in use will do, but give them one of its own: they write and purge.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let report = wayfarer_session::conformance::run(&wayfarer_session::MemoryStore::new()).await;
//! report.assert_kept();
//! # }
//! ```

mod epochs;
mod history;
pub mod laws;
mod tools;

use std::{fmt, fs::OpenOptions, future::Future, io::Write as _, pin::Pin};

use serde_json::json;

pub use self::{epochs::run_epochs, history::run_history};
use crate::store::{Capabilities, SessionStore};

/// What a law says of a store: nothing, or what is broken.
pub type Kept = Result<(), Broken>;

/// How a store breaks a law.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// A law: its name, what it rests on, and how it is tried.
#[derive(Clone, Copy)]
pub struct Law {
    /// The name of its function in [`laws`].
    pub name: &'static str,
    /// The capability that it rests on, with its name. `None`: every store keeps it.
    pub needs: Option<Needed>,
    /// Tries it.
    pub try_on: for<'a> fn(&'a dyn SessionStore) -> Trying<'a>,
}

/// The name of a capability, and whether a store declares it.
pub type Needed = (&'static str, fn(&Capabilities) -> bool);

/// A law being tried.
pub type Trying<'a> = Pin<Box<dyn Future<Output = Kept> + Send + 'a>>;

impl fmt::Debug for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What came of trying a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The store keeps it.
    Kept,
    /// It rests on this capability, which the store does not declare.
    NotApplicable(&'static str),
    /// The store breaks it.
    Broken(Broken),
}

/// What came of trying all laws, in their order.
#[derive(Clone, Debug)]
pub struct Report(pub Vec<(&'static str, Verdict)>);

impl Report {
    /// The laws that are broken, with what is broken.
    pub fn broken(&self) -> impl Iterator<Item = (&'static str, &Broken)> {
        self.0.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::Broken(broken) => Some((*name, broken)),
            Verdict::Kept | Verdict::NotApplicable(_) => None,
        })
    }

    /// For tests.
    ///
    /// # Panics
    /// When a law is broken; the message is the whole report.
    #[expect(clippy::panic, reason = "it is there to fail a test")]
    pub fn assert_kept(&self) {
        if self.broken().next().is_some() {
            panic!("the store breaks laws:\n{self}");
        }
    }
}

impl Report {
    /// Adds what came of it, under a name for the store, as one line of JSON to the file that the environment variable
    /// `WAYFARER_PROOFS` names; without the variable it does nothing. So one run over the tests of many stores gives a table.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[expect(clippy::panic, reason = "it is there for a test")]
    pub fn note(&self, store: &str) -> &Report {
        let Some(path) = std::env::var_os("WAYFARER_PROOFS") else { return self };
        let verdicts = self.0.iter().map(|(law, verdict)| match verdict {
            Verdict::Kept => json!([law, "yes", ""]),
            Verdict::NotApplicable(needs) => json!([law, "n/a", needs]),
            Verdict::Broken(broken) => json!([law, "BROKEN", broken.0]),
        });
        let line = json!({ "laws": verdicts.collect::<Vec<_>>(), "store": store });
        let file = OpenOptions::new().create(true).append(true).open(path);
        // One write a line: several tests write at once.
        if let Err(error) = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        {
            panic!("what came of the laws could not be noted: {error}");
        }
        self
    }
}

/// One law a line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict) in &self.0 {
            match verdict {
                Verdict::Kept => writeln!(f, "{name:<44} kept")?,
                Verdict::NotApplicable(needs) => writeln!(f, "{name:<44} n/a ({needs})")?,
                Verdict::Broken(broken) => writeln!(f, "{name:<44} BROKEN: {broken}")?,
            }
        }
        Ok(())
    }
}

/// Tries every law on a store, one after another.
pub async fn run(store: &dyn SessionStore) -> Report {
    let mut verdicts = Vec::with_capacity(laws::ALL.len());
    for law in laws::ALL {
        verdicts.push((law.name, try_law(law, store).await));
    }
    Report(verdicts)
}

async fn try_law(law: &Law, store: &dyn SessionStore) -> Verdict {
    if let Some((name, has)) = law.needs
        && !has(&store.capabilities())
    {
        return Verdict::NotApplicable(name);
    }
    match (law.try_on)(store).await {
        Ok(()) => Verdict::Kept,
        Err(broken) => Verdict::Broken(broken),
    }
}
