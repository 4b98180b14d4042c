//! What native mode and other modes do differently: how a browser is known, and how a record is written.
//!
//! Everything else (changes, merging, expiry, signals) is the same in every mode and lies in [`Session`](crate::Session).

use std::{fmt::Debug, sync::Arc};

use jiff::Timestamp;

use crate::{
    data::Data,
    error::Error,
    key::{StoreKey, Subject},
    native::{self, Meta},
    random::Random,
    ticket::{CookieKeys, Ticket},
};

/// Who a browser is, in the way of a mode.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    Native(Ticket),
}

impl Identity {
    /// What the store knows the session as.
    pub(crate) fn store_key(&self) -> StoreKey {
        match self {
            Identity::Native(ticket) => ticket.key.at_rest(),
        }
    }

    /// The session's internal id, where the cookie tells it.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Identity::Native(ticket) => Some(ticket.subject),
        }
    }
}

/// A session as a record holds it.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) created: Timestamp,
    pub(crate) data: Data,
}

/// How a browser is known, and how a record is written.
#[derive(Debug)]
pub(crate) enum Mode {
    Native { keys: CookieKeys },
}

impl Mode {
    /// Who the sender of this cookie is. `None` if the cookie is not ours.
    pub(crate) fn open(&self, cookie: &str) -> Option<Identity> {
        match self {
            Mode::Native { keys } => Ticket::verify(cookie, keys).map(Identity::Native),
        }
    }

    /// A new identity: with a new key, and the subject of `prior` if there is one.
    pub(crate) fn mint(
        &self,
        prior: Option<&Identity>,
        random: &dyn Random,
    ) -> Result<Identity, Error> {
        match (self, prior) {
            (Mode::Native { .. }, Some(Identity::Native(ticket))) => {
                ticket.rotated(random).map(Identity::Native)
            }
            (Mode::Native { .. }, None) => Ticket::random(random).map(Identity::Native),
        }
    }

    /// The value of the cookie that makes a browser this identity.
    pub(crate) fn cookie(&self, identity: &Identity) -> String {
        match (self, identity) {
            (Mode::Native { keys }, Identity::Native(ticket)) => ticket.sign(keys),
        }
    }

    /// Writes a record.
    pub(crate) fn encode(&self, payload: &Payload) -> Result<Arc<[u8]>, Error> {
        match self {
            Mode::Native { .. } => native::encode(Meta::new(payload.created), &payload.data),
        }
    }

    /// Reads a record.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Payload, Error> {
        match self {
            Mode::Native { .. } => {
                let (meta, data) = native::decode(bytes)?;
                Ok(Payload { created: meta.created(), data })
            }
        }
    }
}
