//! Whose rows are a person's: what an erasure takes out, and what an export of one person gives.
//!
//! A user's rows are those that name the user, and those of the same visitors that name nobody: what somebody did before
//! they logged in is theirs, what another user did in the same browser is not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wayfarer_event::{Column, VisitorId};

use crate::{
    Result, Scan, View,
    block::{Block, Values},
    ids::Fingerprint,
    rule,
};

/// Somebody whose data is asked for, or is to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Person {
    /// An account. What its visitors did before they logged in belongs to it as well.
    User(String),
    /// A visitor.
    Visitor(VisitorId),
}

/// Which rows of a site are a person's.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) site: String,
    user: Option<String>,
    pub(crate) visitors: BTreeSet<u64>,
}

impl Target {
    pub(crate) fn new(site: &str, person: &Person) -> Target {
        let (user, visitors) = match person {
            Person::User(user) => (Some(user.clone()), BTreeSet::new()),
            Person::Visitor(visitor) => (None, BTreeSet::from([visitor.0])),
        };
        Target { site: site.to_owned(), user, visitors }
    }

    /// The fingerprints by which the log's thread knows the person.
    pub(crate) fn rules(&self) -> Vec<Fingerprint> {
        let visitors = self.visitors.iter();
        match &self.user {
            Some(user) => visitors
                .map(|visitor| rule::anonymous(&self.site, *visitor))
                .chain([rule::user(&self.site, user)])
                .collect(),
            None => visitors.map(|visitor| rule::visitor(&self.site, *visitor)).collect(),
        }
    }

    /// Whether a row of the person's site is the person's. `user` is the place of that column in the block.
    pub(crate) fn has_row(&self, block: &Block, user: usize, row: usize) -> bool {
        let visitor = block.visitor(row).unwrap_or_default();
        match (&self.user, block.columns.get(user).and_then(|values| values.text_at(row))) {
            (Some(own), Some(user)) => own == user,
            _ => self.visitors.contains(&visitor),
        }
    }

    /// Adds the visitors that the user was seen as. Blocking.
    pub(crate) fn link(&mut self, view: &View) -> Result<()> {
        let Some(own) = self.user.clone() else { return Ok(()) };
        for mut run in view.runs(&Scan::new(self.site.as_str(), &[Column::User]))? {
            while let Some(block) = run.next_block()? {
                let user = |row| block.columns.first().and_then(|values| values.text_at(row));
                let own = (0..block.len()).filter(|&row| user(row) == Some(own.as_str()));
                self.visitors.extend(own.filter_map(|row| block.visitor(row)));
            }
        }
        Ok(())
    }
}

impl Values {
    /// The text of a row; `None` where it is null, or the column is no text.
    pub(crate) fn text_at(&self, row: usize) -> Option<&str> {
        let Values::Text { codes, dictionary } = self else { return None };
        let code = *codes.get(row)? as usize;
        (code < arrow_array::Array::len(dictionary.as_ref())).then(|| dictionary.value(code))
    }
}
