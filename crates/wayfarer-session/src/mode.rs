//! What native mode and django mode do differently: how a browser is known, how a record is written, and what happens to a
//! cookie that opens nothing.
//!
//! Everything else (changes, merging, expiry, signals) is the same in both and lies in [`Session`](crate::Session).

#[cfg(feature = "cookies")]
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

#[cfg(feature = "cookies")]
use crate::carried::{COOKIE_BYTES, Carried, Carrier};
#[cfg(feature = "django")]
use crate::django::DjangoForm;
use crate::{
    data::Data,
    error::Error,
    key::{StoreKey, Subject},
    native::{self, About, Payload},
    random::{Random, draw},
    recent::Recent,
    store::RecordData,
    ticket::{CookieKeys, Ticket},
};

/// Where a session of django mode keeps its subject.
pub(crate) const SUBJECT_ENTRY: &str = "_wayfarer_subject";

/// What a store knows a session as that lies in its cookie: there is none that does.
#[cfg(feature = "cookies")]
static NOWHERE: LazyLock<StoreKey> = LazyLock::new(|| StoreKey::new(""));

/// Who a browser is, in the way of a mode.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// A ticket, and what the store knows its key as.
    Native(Ticket, StoreKey),
    /// Django's session key, which is also what its stores know the session as. A secret.
    Django(StoreKey),
    /// The session itself, which lies in no store.
    #[cfg(feature = "cookies")]
    Carried(Arc<Carried>),
}

impl Identity {
    fn native(ticket: Ticket) -> Identity {
        let at_rest = ticket.key.at_rest();
        Identity::Native(ticket, at_rest)
    }

    #[cfg(feature = "cookies")]
    pub(crate) fn carried(carried: Carried) -> Identity {
        Identity::Carried(Arc::new(carried))
    }

    /// What the store knows the session as.
    pub(crate) fn store_key(&self) -> &StoreKey {
        match self {
            Identity::Native(_, key) | Identity::Django(key) => key,
            #[cfg(feature = "cookies")]
            Identity::Carried(_) => &NOWHERE,
        }
    }

    /// The session's internal id, where the cookie tells it.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Identity::Native(ticket, _) => Some(ticket.subject),
            Identity::Django(_) => None,
            #[cfg(feature = "cookies")]
            Identity::Carried(carried) => carried.subject,
        }
    }
}

/// Draws a session key as Django does: 32 characters of `a-z0-9`.
fn draw_django_key(random: &dyn Random) -> Result<StoreKey, Error> {
    const SYMBOLS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut key = String::with_capacity(32);
    while key.len() < 32 {
        let bytes: [u8; 64] = draw(random)?;
        // 252 is the last multiple of 36: beyond it some symbols would come more often.
        let fair = bytes.into_iter().filter(|byte| *byte < 252);
        let symbols = fair.filter_map(|byte| SYMBOLS.get(usize::from(byte % 36)));
        key.extend(symbols.copied().map(char::from).take(32 - key.len()));
    }
    Ok(StoreKey::new(key))
}

/// Whether a cookie may be a key: it has Django's least length at least, and fits into its column.
#[cfg(feature = "django")]
fn may_be_django_key(cookie: &str) -> bool {
    (8..=40).contains(&cookie.len()) && cookie.bytes().all(|byte| byte.is_ascii_graphic())
}

/// How a browser is known, and how a record is written.
#[derive(Debug)]
pub(crate) enum Mode {
    Native {
        keys: CookieKeys,
        recent: Recent<Identity>,
    },
    #[cfg(feature = "django")]
    Django {
        form: DjangoForm,
    },
    /// The session lies in the cookie itself, in the form of one of the two.
    #[cfg(feature = "cookies")]
    Carried {
        carrier: Carrier,
        recent: Recent<Identity>,
    },
}

impl Mode {
    pub(crate) fn native(keys: CookieKeys) -> Mode {
        Mode::Native { keys, recent: Recent::new(1024, Ticket::LENGTH) }
    }

    /// Cookies that hold a session are large, so fewer of them are kept.
    #[cfg(feature = "cookies")]
    pub(crate) fn carried(carrier: Carrier) -> Mode {
        Mode::Carried { carrier, recent: Recent::new(256, COOKIE_BYTES) }
    }

    /// Whether this is django mode, which does as Django does: it slides a session's end with saves alone, and takes an
    /// unknown cookie away.
    pub(crate) fn is_django(&self) -> bool {
        match self {
            Mode::Native { .. } => false,
            #[cfg(feature = "django")]
            Mode::Django { .. } => true,
            #[cfg(feature = "cookies")]
            Mode::Carried { carrier, .. } => carrier.is_django(),
        }
    }

    /// Whether sessions lie in their cookies.
    pub(crate) fn is_carried(&self) -> bool {
        match self {
            Mode::Native { .. } => false,
            #[cfg(feature = "django")]
            Mode::Django { .. } => false,
            #[cfg(feature = "cookies")]
            Mode::Carried { .. } => true,
        }
    }

    /// Where it is noted which sessions in cookies are over, if the server does so.
    #[cfg(feature = "cookies")]
    pub(crate) fn epochs(&self) -> Option<&Arc<dyn crate::epochs::Epochs>> {
        match self {
            Mode::Carried { carrier, .. } => carrier.epochs(),
            _ => None,
        }
    }

    /// Whether a record that cannot be read is taken for none, as Django takes one that nobody signed. A pickle that cannot
    /// be read is an error: Django may well read it.
    pub(crate) fn forgives(&self) -> bool {
        match self {
            Mode::Native { .. } => false,
            #[cfg(feature = "django")]
            Mode::Django { form } => matches!(form, DjangoForm::Signed(_)),
            #[cfg(feature = "cookies")]
            Mode::Carried { .. } => false,
        }
    }

    /// Who the sender of this cookie is. `None` if the cookie is not ours.
    pub(crate) fn open(&self, cookie: &str) -> Option<Identity> {
        match self {
            Mode::Native { keys, recent } => {
                recent.open(cookie, |cookie| Ticket::verify(cookie, keys).map(Identity::native))
            }
            #[cfg(feature = "django")]
            Mode::Django { .. } => {
                may_be_django_key(cookie).then(|| Identity::Django(StoreKey::new(cookie)))
            }
            #[cfg(feature = "cookies")]
            Mode::Carried { carrier, recent } => {
                recent.open(cookie, |cookie| carrier.open(cookie).map(Identity::carried))
            }
        }
    }

    /// A new identity: with a new key, and the subject of `prior` if there is one.
    pub(crate) fn mint(
        &self,
        prior: Option<&Identity>,
        random: &dyn Random,
    ) -> Result<Identity, Error> {
        #[cfg(feature = "cookies")]
        if let Mode::Carried { carrier, .. } = self {
            let subject = prior.and_then(Identity::subject);
            return carrier.mint(subject, random).map(Identity::carried);
        }
        if self.is_django() {
            return draw_django_key(random).map(Identity::Django);
        }
        let ticket = match prior {
            Some(Identity::Native(ticket, _)) => ticket.rotated(random),
            _ => Ticket::random(random),
        };
        ticket.map(Identity::native)
    }

    /// The identities that a renewal with this nonce may have made of `prior`: one for each of our keys, that in use first.
    pub(crate) fn renewed<'a>(
        &'a self,
        prior: &'a Identity,
        nonce: &'a [u8; 16],
    ) -> impl Iterator<Item = Identity> + 'a {
        let tickets = match (self, prior) {
            (Mode::Native { keys, .. }, Identity::Native(ticket, _)) => Some((keys, ticket)),
            _ => None,
        };
        let renewed = tickets.map(|(keys, ticket)| ticket.renewed(keys, nonce));
        renewed.into_iter().flatten().map(Identity::native)
    }

    /// The value of the cookie that makes a browser this identity.
    pub(crate) fn cookie(&self, identity: &Identity) -> String {
        match (self, identity) {
            (Mode::Native { keys, .. }, Identity::Native(ticket, _)) => ticket.sign(keys),
            (_, Identity::Django(key)) => key.expose().to_owned(),
            #[cfg(feature = "cookies")]
            (_, Identity::Carried(carried)) => carried.value.to_string(),
            #[cfg(any(feature = "cookies", feature = "django"))]
            // One application has one mode; a ticket never comes here.
            (_, Identity::Native(..)) => String::new(),
        }
    }

    /// Writes a session.
    pub(crate) fn encode(
        &self,
        about: &About,
        data: &Data,
        now: Timestamp,
    ) -> Result<RecordData, Error> {
        match self {
            Mode::Native { .. } => Ok(native::session(about, data, now)),
            #[cfg(feature = "django")]
            Mode::Django { form } => form.encode(data, now),
            #[cfg(feature = "cookies")]
            Mode::Carried { carrier, .. } => Ok(carrier.encode(about, data, now)),
        }
    }

    /// Reads a record.
    pub(crate) fn decode(&self, data: &RecordData) -> Result<Payload, Error> {
        match self {
            Mode::Native { .. } => data.says().cloned(),
            #[cfg(feature = "django")]
            Mode::Django { form } => {
                form.decode(data).map(|data| Payload::Session(About::default(), data))
            }
            // There is no store that could have a record.
            #[cfg(feature = "cookies")]
            Mode::Carried { .. } => data.says().cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    #[cfg(feature = "django")]
    fn a_django_key_is_drawn_from_all_symbols() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let key = draw_django_key(&SystemRandom).unwrap();
            assert_eq!(key.expose().len(), 32);
            assert!(may_be_django_key(key.expose()));
            seen.extend(key.expose().chars());
        }
        assert_eq!(seen, ('a'..='z').chain('0'..='9').collect());
    }

    #[test]
    fn no_debug_shows_who_a_browser_is() {
        let key = draw_django_key(&SystemRandom).unwrap();
        let shown = format!("{:?}", Identity::Django(key.clone()));
        assert!(!shown.contains(key.expose()), "{shown}");
        let shown = format!("{:?}", Identity::native(Ticket::random(&SystemRandom).unwrap()));
        assert!(shown.contains("SessionKey(…)"), "{shown}");
    }

    #[test]
    #[cfg(feature = "django")]
    fn what_cannot_be_a_key_is_none() {
        for bad in ["", "short", "has a space", "é23456789", &"k".repeat(41)] {
            assert!(!may_be_django_key(bad), "{bad}");
        }
    }
}
