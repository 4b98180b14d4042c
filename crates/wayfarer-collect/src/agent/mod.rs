//! What a `User-Agent` tells: browser, system, device, and whether it is a bot.
//!
//! A small recogniser with own tables: major browsers and systems, a browser's major version, a system's version. The
//! full regular expressions of uap-core are not read here. What is not recognised is `None`, not a guess.

mod bots;
mod browsers;
mod systems;

use std::sync::{Arc, Mutex, PoisonError};

use compact_str::CompactString;

use self::bots::Bots;
use crate::{cache::Generations, visitor};

/// User agents that are remembered, at least; at most twice as many.
const REMEMBERED: usize = 4096;

/// What a user agent tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Software {
    pub(crate) browser: Option<CompactString>,
    pub(crate) browser_version: Option<CompactString>,
    pub(crate) os: Option<CompactString>,
    pub(crate) os_version: Option<CompactString>,
    pub(crate) device: Option<CompactString>,
    pub(crate) bot_reason: Option<CompactString>,
}

/// The recogniser. Remembers the user agents that it saw last.
pub(crate) struct Agents {
    bots: Bots,
    remembered: Mutex<Generations<Box<str>, Arc<Software>>>,
}

impl Agents {
    pub(crate) fn new() -> Agents {
        Agents { bots: Bots::new(), remembered: Mutex::new(Generations::new(REMEMBERED)) }
    }

    /// What the software at the other end is.
    pub(crate) fn read(&self, agent: visitor::Agent<'_>) -> Arc<Software> {
        match agent {
            visitor::Agent::NotKnown => Arc::default(),
            visitor::Agent::Missing => Arc::new(missing()),
            visitor::Agent::Said(text) if text.trim().is_empty() || text == "-" => {
                Arc::new(missing())
            }
            visitor::Agent::Said(text) => self.recall(text),
        }
    }

    fn recall(&self, text: &str) -> Arc<Software> {
        // A poisoned lock guards nothing here: what is remembered can be computed again.
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(software) = remembered.get(text) {
            return Arc::clone(software);
        }
        let software = Arc::new(self.recognise(text));
        remembered.insert(text.into(), Arc::clone(&software));
        software
    }

    fn recognise(&self, text: &str) -> Software {
        let (browser, browser_version) = browsers::recognise(text).unzip();
        let system = systems::recognise(text);
        Software {
            browser: browser.map(Into::into),
            browser_version: browser_version.flatten(),
            os: system.name.map(Into::into),
            os_version: system.version,
            device: systems::device(text, system.name).map(Into::into),
            bot_reason: self.bots.reason(text),
        }
    }
}

fn missing() -> Software {
    Software { bot_reason: Some("no-ua".into()), ..Software::default() }
}

/// The digits and dots at the beginning of `text`, at most `parts` numbers; `None` if there are none.
fn version(text: &str, parts: usize) -> Option<CompactString> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_')));
    let mut version = CompactString::default();
    for part in text.get(..end.unwrap_or(text.len()))?.split(['.', '_']).take(parts) {
        if part.is_empty() || part.len() > 6 {
            break;
        }
        if !version.is_empty() {
            version.push('.');
        }
        version.push_str(part);
    }
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests;
