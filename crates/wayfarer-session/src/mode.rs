//! What native mode and django mode do differently: how a browser is known, how a record is written, and what happens to a
//! cookie that opens nothing.
//!
//! Everything else (changes, merging, expiry, signals) is the same in both and lies in [`Session`](crate::Session).

use std::{fmt, sync::Arc};

use jiff::Timestamp;

#[cfg(feature = "django")]
use crate::django::DjangoForm;
use crate::{
    data::Data,
    error::Error,
    key::{StoreKey, Subject},
    native::{self, Meta},
    random::{Random, draw},
    ticket::{CookieKeys, Ticket},
};

/// Where a session of django mode keeps its subject.
pub(crate) const SUBJECT_ENTRY: &str = "_wayfarer_subject";

/// Who a browser is, in the way of a mode.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    Native(Ticket),
    /// Django's session key, which is also what its stores know the session as.
    Django(DjangoKey),
}

/// A session key of Django: 32 characters of `a-z0-9` where we draw it. A secret.
#[derive(Clone)]
pub(crate) struct DjangoKey(Arc<str>);

impl fmt::Debug for DjangoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DjangoKey(…)")
    }
}

impl DjangoKey {
    fn random(random: &dyn Random) -> Result<DjangoKey, Error> {
        const SYMBOLS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut key = String::with_capacity(32);
        while key.len() < 32 {
            let bytes: [u8; 64] = draw(random)?;
            // 252 is the last multiple of 36: beyond it some symbols would come more often.
            let fair = bytes.into_iter().filter(|byte| *byte < 252);
            let symbols = fair.filter_map(|byte| SYMBOLS.get(usize::from(byte % 36)));
            key.extend(symbols.copied().map(char::from).take(32 - key.len()));
        }
        Ok(DjangoKey(key.into()))
    }

    /// Django's least length, and the width of its column.
    fn from_cookie(cookie: &str) -> Option<DjangoKey> {
        let fits = (8..=40).contains(&cookie.len()) && cookie.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| DjangoKey(cookie.into()))
    }
}

impl Identity {
    /// What the store knows the session as.
    pub(crate) fn store_key(&self) -> StoreKey {
        match self {
            Identity::Native(ticket) => ticket.key.at_rest(),
            Identity::Django(key) => StoreKey::new(&*key.0),
        }
    }

    /// The session's internal id, where the cookie tells it.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Identity::Native(ticket) => Some(ticket.subject),
            Identity::Django(_) => None,
        }
    }
}

/// A session as a record holds it.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// When it began, where the record tells.
    pub(crate) created: Option<Timestamp>,
    pub(crate) data: Data,
}

/// How a browser is known, and how a record is written.
#[derive(Debug)]
pub(crate) enum Mode {
    Native {
        keys: CookieKeys,
    },
    #[cfg(feature = "django")]
    Django {
        form: DjangoForm,
    },
}

impl Mode {
    /// Whether this is django mode, which does as Django does: it slides a session's end with saves alone, and takes an
    /// unknown cookie away.
    pub(crate) fn is_django(&self) -> bool {
        !matches!(self, Mode::Native { .. })
    }

    /// Whether a record that cannot be read is taken for none, as Django takes one that nobody signed. A pickle that cannot
    /// be read is an error: Django may well read it.
    pub(crate) fn forgives(&self) -> bool {
        match self {
            Mode::Native { .. } => false,
            #[cfg(feature = "django")]
            Mode::Django { form } => matches!(form, DjangoForm::Signed(_)),
        }
    }

    /// Who the sender of this cookie is. `None` if the cookie is not ours.
    pub(crate) fn open(&self, cookie: &str) -> Option<Identity> {
        match self {
            Mode::Native { keys } => Ticket::verify(cookie, keys).map(Identity::Native),
            #[cfg(feature = "django")]
            Mode::Django { .. } => DjangoKey::from_cookie(cookie).map(Identity::Django),
        }
    }

    /// A new identity: with a new key, and the subject of `prior` if there is one.
    pub(crate) fn mint(
        &self,
        prior: Option<&Identity>,
        random: &dyn Random,
    ) -> Result<Identity, Error> {
        if self.is_django() {
            return DjangoKey::random(random).map(Identity::Django);
        }
        match prior {
            Some(Identity::Native(ticket)) => ticket.rotated(random).map(Identity::Native),
            _ => Ticket::random(random).map(Identity::Native),
        }
    }

    /// The value of the cookie that makes a browser this identity.
    pub(crate) fn cookie(&self, identity: &Identity) -> String {
        match (self, identity) {
            (Mode::Native { keys }, Identity::Native(ticket)) => ticket.sign(keys),
            (_, Identity::Django(key)) => key.0.to_string(),
            #[cfg(feature = "django")]
            // One application has one mode; a ticket never comes here.
            (Mode::Django { .. }, Identity::Native(_)) => String::new(),
        }
    }

    /// Writes a record.
    pub(crate) fn encode(&self, payload: &Payload, now: Timestamp) -> Result<Arc<[u8]>, Error> {
        match self {
            Mode::Native { .. } => {
                native::encode(Meta::new(payload.created.unwrap_or(now)), &payload.data)
            }
            #[cfg(feature = "django")]
            Mode::Django { form } => form.encode(&payload.data, now),
        }
    }

    /// Reads a record.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Payload, Error> {
        match self {
            Mode::Native { .. } => {
                let (meta, data) = native::decode(bytes)?;
                Ok(Payload { created: Some(meta.created()), data })
            }
            #[cfg(feature = "django")]
            Mode::Django { form } => form.decode(bytes).map(|data| Payload { created: None, data }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_django_key_is_drawn_from_all_symbols_and_shown_never() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let key = DjangoKey::random(&SystemRandom).unwrap();
            assert_eq!(key.0.len(), 32);
            assert!(DjangoKey::from_cookie(&key.0).is_some());
            assert_eq!(format!("{key:?}"), "DjangoKey(…)");
            seen.extend(key.0.chars());
        }
        assert_eq!(seen, ('a'..='z').chain('0'..='9').collect());
    }

    #[test]
    fn what_cannot_be_a_key_is_none() {
        for bad in ["", "short", "has a space", "é23456789", &"k".repeat(41)] {
            assert!(DjangoKey::from_cookie(bad).is_none(), "{bad}");
        }
    }
}
