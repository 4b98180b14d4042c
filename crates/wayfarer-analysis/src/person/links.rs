//! Which visitors are known by which users, and from when on.

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use wayfarer_event::{Column, Micros, Text};

use super::number;
use crate::{
    Context, Error,
    filter::Field,
    fold::{Fold, History, KeySlot, NULL, Plan, Walk, run},
};

/// How many rows of linked visitors are held in memory.
const ROWS: usize = 16_000_000;

/// The users of linked visitors.
pub(crate) struct Links {
    /// Linked visitors, in ascending order.
    visitors: Arc<[u64]>,
    /// The users that a visitor was known by, in order of time, each as the number of its person.
    users: HashMap<u64, Vec<(i64, u64)>>,
    persons: Persons,
}

/// The accounts of persons. Nobody has one where events count by visitor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Persons(Arc<HashMap<u64, Text>>);

impl Persons {
    /// The account of the person whose rows come under this number.
    pub(crate) fn user(&self, person: u64) -> Option<&Text> {
        self.0.get(&person)
    }
}

impl Links {
    /// Learns them from all events of a site, whatever the period of the report, bots included.
    pub(super) fn of(context: &Context, site: &str) -> Result<Links, Error> {
        let mut plan = Plan::default();
        let learn = Learn { user: plan.key(&Field::Column(Column::User)) };
        let walk = Walk {
            source: context.source.as_ref(),
            site,
            period: (Micros(i64::MIN), Micros(i64::MAX)),
            visitors: 0..=u64::MAX,
            plan,
            bots: true,
            threads: context.threads,
            hooks: &context.hooks,
        };
        let learned = run(&walk, &learn)?;
        let mut visitors: Vec<u64> = learned.iter().map(|(visitor, _)| *visitor).collect();
        visitors.sort_unstable();
        let users = learned.iter().flat_map(|(_, changes)| changes);
        let persons = users.map(|(_, user)| (number(user), user.clone())).collect();
        let users = learned.into_iter().map(|(visitor, changes)| {
            (visitor, changes.into_iter().map(|(ts, user)| (ts, number(&user))).collect())
        });
        let persons = Persons(Arc::new(persons));
        Ok(Links { visitors: visitors.into(), users: users.collect(), persons })
    }

    /// Who they are.
    pub(super) fn persons(&self) -> Persons {
        self.persons.clone()
    }

    /// The visitors that are linked to a user, in ascending order.
    pub(super) fn visitors(&self) -> Arc<[u64]> {
        Arc::clone(&self.visitors)
    }

    /// The person of an event without a user of its own. `None` for a visitor that is not linked.
    pub(super) fn person(&self, visitor: u64, ts: i64) -> Option<u64> {
        let changes = self.users.get(&visitor)?;
        let later = changes.partition_point(|(since, _)| *since <= ts);
        changes.get(later.saturating_sub(1)).map(|(_, person)| *person)
    }
}

/// Learns the users of visitors.
struct Learn {
    user: KeySlot,
}

/// The visitors with a user, each with its users: since when, and who.
type Learned = Vec<(u64, Vec<(i64, Text)>)>;

/// What is known after some visitors.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    learned: Learned,
    /// How many rows these visitors have.
    rows: usize,
}

impl Fold for Learn {
    type State = State;
    type Output = Learned;
    const VERSION: u32 = 1;

    fn start(&self) -> State {
        State::default()
    }

    fn visitor(&self, state: &mut State, history: &History<'_>) -> Result<(), Error> {
        let (mut changes, mut known): (Vec<(i64, Text)>, u32) = (Vec::new(), NULL);
        for (ts, &user) in history.times().iter().zip(history.key(self.user)) {
            if user == NULL || user == known {
                continue;
            }
            changes.extend(history.words(self.user).get(user).map(|user| (*ts, user.clone())));
            known = user;
        }
        if changes.is_empty() {
            return Ok(());
        }
        state.rows += history.times().len();
        state.learned.push((history.visitor().0, changes));
        Ok(())
    }

    fn merge(&self, state: &mut State, other: State) {
        state.rows += other.rows;
        state.learned.extend(other.learned);
    }

    fn check(&self, state: &State) -> Result<(), Error> {
        if state.rows > ROWS {
            return Err(Error::TooMany { what: "events of visitors with a user", limit: ROWS });
        }
        Ok(())
    }

    fn finish(&self, state: State) -> Learned {
        state.learned
    }
}
