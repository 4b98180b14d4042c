//! A system on a store, as the bench sees it: [`Contender`]; and the list of them: [`all`].

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use wayfarer_bench_measure::Sample;

use crate::{
    Arguments, actix, bare,
    case::{Case, Store},
    clients, django, ours, tower,
};

/// A system on a store.
pub(crate) trait Contender {
    /// How the system is called.
    fn system(&self) -> &str;

    /// Where it keeps sessions. `None`: it has none, and is here to be subtracted.
    fn store(&self) -> Option<Store>;

    /// The system that is this one without sessions.
    fn base(&self) -> &str;

    /// How it is set up, where that matters for its speed.
    fn set_up(&self) -> String;

    /// Serves so many requests, one after the other.
    fn sample(&mut self, case: Case, requests: u64) -> Result<Sample>;

    /// Serves concurrent writers, each with a session of its own. `None` where that says nothing.
    fn writers(&mut self, crowd: Writers) -> Result<Option<Sample>>;

    /// Serves requests that overlap in one session. `None` where that says nothing.
    fn overlap(&mut self, parallel: u32) -> Result<Option<Overlap>>;
}

/// Concurrent writers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writers {
    pub(crate) sessions: u32,
    /// By each of them, one after the other.
    pub(crate) writes: u32,
}

/// What is left in a session after overlapping requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Overlap {
    /// How many keys there are after as many requests as overlapped have set one each.
    pub(crate) own_keys: u32,
    /// How far the counter got after as many requests have each added 1.
    pub(crate) count: u32,
    /// How many of all those requests were told that they failed.
    pub(crate) refused: u32,
    /// Whether the session is there again after a slow request ended later than a log-out.
    pub(crate) revived: bool,
    /// What the slow request was told.
    pub(crate) late_status: u16,
}

/// Every system on every store that is asked for.
pub(crate) fn all(arguments: &Arguments, folder: &Path) -> Result<Vec<Box<dyn Contender>>> {
    let mut all = bare::all()?;
    let wanted = |store: &Store| arguments.stores.as_ref().is_none_or(|them| them.contains(store));
    let python = arguments.python.as_deref();
    all.extend(python.map(|python| django::without_sessions(python, folder)).transpose()?);
    for store in Store::ALL.into_iter().filter(wanted) {
        all.extend(ours::on(store, folder)?);
        all.extend(tower::on(store, folder)?);
        all.extend(clients::on(store)?);
        all.extend(actix::on(store));
        if let Some(python) = python {
            all.extend(django::on(store, python, folder)?);
        }
    }
    if let Some(systems) = &arguments.systems {
        all.retain(|one| systems.iter().any(|name| one.system().starts_with(name.as_str())));
    }
    Ok(all)
}
