//! Rules that decline what an erased person did before: fingerprints of (site, user) and (site, visitor).

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use wayfarer_event::Event;

use crate::ids::Fingerprint;

/// Until when, in microseconds, what a person did is declined.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    until: HashMap<Fingerprint, i64>,
}

impl Rules {
    pub(crate) fn new(rules: impl IntoIterator<Item = (Fingerprint, i64)>) -> Rules {
        Rules { until: rules.into_iter().collect() }
    }

    pub(crate) fn add(&mut self, rules: &[Fingerprint], until: i64) {
        self.until.extend(rules.iter().map(|rule| (*rule, until)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// Whether an event is an erased person's, from before the erasure. A browser may be shared: where a user was erased,
    /// what another user did as the same visitor stays.
    pub(crate) fn decline(&self, event: &Event) -> bool {
        self.decline_row(&event.site, event.user.as_deref(), event.visitor.0, event.ts.0)
    }

    /// As [`decline`](Rules::decline), for a row.
    pub(crate) fn decline_row(&self, site: &str, name: Option<&str>, of: u64, ts: i64) -> bool {
        if self.until.is_empty() {
            return false;
        }
        let old = |rule: Fingerprint| self.until.get(&rule).is_some_and(|until| ts <= *until);
        let own = match name {
            Some(name) => user(site, name),
            None => anonymous(site, of),
        };
        old(own) || old(visitor(site, of))
    }
}

/// The fingerprint of a user of a site.
pub(crate) fn user(site: &str, user: &str) -> Fingerprint {
    print(site, b"user", user.as_bytes())
}

/// The fingerprint of a visitor of a site.
pub(crate) fn visitor(site: &str, visitor: u64) -> Fingerprint {
    print(site, b"visitor", &visitor.to_le_bytes())
}

/// The fingerprint of a visitor of a site while no user is known.
pub(crate) fn anonymous(site: &str, visitor: u64) -> Fingerprint {
    print(site, b"anonymous", &visitor.to_le_bytes())
}

fn print(site: &str, kind: &[u8], value: &[u8]) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in [site.as_bytes(), kind] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(value);
    let digest = hash.finalize();
    digest.first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}
