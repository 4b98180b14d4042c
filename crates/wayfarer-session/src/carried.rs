//! Sessions that lie in their cookie, and in no store: [`CookieSessions`].
//!
//! The cookie holds the whole session, signed or encrypted (`seal`), with the instant at which it runs out. There is nothing
//! to ask on the server, and so nothing to compare with and nothing to delete:
//!
//! - of two responses that change a session at the same time, the later one wins;
//! - whoever kept a cookie can use it until it runs out, also after a log-out, unless there are [`Epochs`]: with them the
//!   server ends a session at its log-out, and all sessions of a user that got their key before an instant;
//! - nothing can be listed, and what does not fit into a cookie is an error.
//!
//! In django mode a cookie is what Django's `signed_cookies` backend writes and reads.

mod seal;

use std::{fmt, sync::Arc};

#[cfg(feature = "django")]
use jiff::SignedDuration;
use jiff::Timestamp;

use self::seal::Seal;
use crate::{
    data::Data,
    epochs::{CookieOwner, Epochs},
    error::{Error, ErrorKind},
    key::Subject,
    native::{self, About, Payload},
    pack::{self, Packer},
    random::Random,
    session::user_of,
    store::{Record, RecordData},
    ticket::CookieKeys,
};

/// A name and a value of a cookie have so many bytes together at the most, in every browser.
pub(crate) const COOKIE_BYTES: usize = 4096;

/// Room for the cookie's name.
const NAME_BYTES: usize = 64;

/// A session in a cookie has so many bytes at the most when it is unpacked.
const UNPACKED_BYTES: usize = 256 << 10;

/// How sessions lie in their cookies, for [`SessionManager::in_cookies`](crate::SessionManager::in_cookies).
///
/// The keys are those of the session manager: its [`CookieKeys`], from which keys for sealing are derived, or the codec of
/// its django mode under the salt [`COOKIE_SALT`](crate::django::COOKIE_SALT).
#[derive(Clone, Debug)]
pub struct CookieSessions {
    encrypted: bool,
    max_bytes: usize,
    epochs: Option<Arc<dyn Epochs>>,
}

impl CookieSessions {
    /// Sessions that the browser's owner can read and nobody can change.
    #[must_use]
    pub fn signed() -> CookieSessions {
        CookieSessions { encrypted: false, max_bytes: COOKIE_BYTES - NAME_BYTES, epochs: None }
    }

    /// Sessions that only the server can read, by XChaCha20-Poly1305. Not in django mode, which knows no such thing.
    #[must_use]
    pub fn encrypted() -> CookieSessions {
        CookieSessions { encrypted: true, ..CookieSessions::signed() }
    }

    /// A cookie's value has so many bytes at the most. The default is 4032, which leaves 64 for the name within the 4096
    /// that browsers keep.
    #[must_use]
    pub fn with_max_bytes(mut self, most: usize) -> CookieSessions {
        self.max_bytes = most.min(COOKIE_BYTES);
        self
    }

    /// Asks these epochs at every load and save, and notes there what ends: a session at its log-out, and what
    /// [`revoke_before`](crate::SessionManager::revoke_before) names. Not in django mode, whose cookies do not tell when a session began.
    #[must_use]
    pub fn with_epochs(mut self, epochs: Arc<dyn Epochs>) -> CookieSessions {
        self.epochs = Some(epochs);
        self
    }

    /// The same with keys to seal by.
    pub(crate) fn native(self, keys: &CookieKeys) -> Result<Carrier, Error> {
        let seal = Seal::new(keys, self.encrypted)?;
        Ok(Carrier {
            form: Form::Native(seal, Packer::default()),
            max_bytes: self.max_bytes,
            epochs: self.epochs,
        })
    }

    /// The same as Django's backend does it. `None`: Django does not do this.
    #[cfg(feature = "django")]
    pub(crate) fn django(
        self,
        codec: crate::django::DjangoCodec,
        age: SignedDuration,
    ) -> Option<Carrier> {
        let possible = !self.encrypted && self.epochs.is_none();
        let (form, max_bytes) = (Form::Django { codec, age }, self.max_bytes);
        possible.then_some(Carrier { form, max_bytes, epochs: None })
    }
}

/// Seals sessions into cookies, and opens them.
#[derive(Debug)]
pub(crate) struct Carrier {
    form: Form,
    max_bytes: usize,
    epochs: Option<Arc<dyn Epochs>>,
}

#[derive(Debug)]
enum Form {
    Native(Seal, Packer),
    #[cfg(feature = "django")]
    Django {
        codec: crate::django::DjangoCodec,
        age: SignedDuration,
    },
}

/// A session, and the cookie that it lies in.
#[derive(Clone)]
pub(crate) struct Carried {
    /// In django mode the session itself holds it.
    pub(crate) subject: Option<Subject>,
    /// What the cookie says; `None`: no cookie has been written yet.
    pub(crate) content: Option<Content>,
    /// The cookie's value. A secret.
    pub(crate) value: Arc<str>,
}

impl Carried {
    pub(crate) fn new(
        subject: Option<Subject>,
        content: Option<Content>,
        value: impl Into<Arc<str>>,
    ) -> Carried {
        Carried { subject, content, value: value.into() }
    }
}

/// What a genuine cookie says.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) about: About,
    pub(crate) data: Data,
    pub(crate) expires_at: Timestamp,
}

/// Shows how large the cookie is, never what it says.
impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carried({} bytes)", self.value.len())
    }
}

impl Carrier {
    pub(crate) fn is_django(&self) -> bool {
        !matches!(self.form, Form::Native(..))
    }

    /// What a cookie of ours holds. Whether it ran out is not judged here.
    pub(crate) fn open(&self, value: &str) -> Option<Carried> {
        let (subject, content) = match &self.form {
            Form::Native(seal, _) => {
                let (subject, content) = open_native(&seal.open(value)?)?;
                (Some(subject), content)
            }
            #[cfg(feature = "django")]
            Form::Django { codec, age } => (None, open_django(codec, value, *age)?),
        };
        Some(Carried::new(subject, Some(content), value))
    }

    /// A session whose cookie has not been written yet.
    pub(crate) fn mint(
        &self,
        prior: Option<Subject>,
        random: &dyn Random,
    ) -> Result<Carried, Error> {
        let subject = match prior {
            Some(subject) => Some(subject),
            None if self.is_django() => None,
            None => Some(Subject::random(random)?),
        };
        Ok(Carried::new(subject, None, ""))
    }

    /// The session as it goes into the cookie.
    pub(crate) fn encode(&self, about: &About, data: &Data, now: Timestamp) -> RecordData {
        match &self.form {
            Form::Native(..) => native::session(about, data, now),
            #[cfg(feature = "django")]
            Form::Django { codec, .. } => codec.encode(data.text(), now).into_bytes().into(),
        }
    }

    /// The cookie of a session that was encoded: a secret.
    pub(crate) fn seal(
        &self,
        record: &Record,
        subject: Option<Subject>,
        random: &dyn Random,
    ) -> Result<String, Error> {
        let encoded = &record.data;
        let value = match &self.form {
            Form::Native(seal, packer) => {
                if encoded.len() > UNPACKED_BYTES {
                    let has = encoded.len();
                    return Err(too_large(format!(
                        "it has {has} bytes, {UNPACKED_BYTES} are allowed before it is packed"
                    )));
                }
                let subject = subject.unwrap_or(Subject::from_bytes([0; 16]));
                let about = (subject, record.expires_at);
                seal.seal(|out| write_native(packer, about, encoded, out), random)?
            }
            #[cfg(feature = "django")]
            Form::Django { .. } => String::from_utf8_lossy(encoded).into_owned(),
        };
        if value.len() > self.max_bytes {
            let (has, most) = (value.len(), self.max_bytes);
            let why = format!(
                "its cookie has {has} bytes, {most} are allowed: keep less in it, or take a store"
            );
            return Err(too_large(why));
        }
        Ok(value)
    }

    /// Whether the server has ended this session, of which the cookie says `data`.
    pub(crate) async fn is_over(&self, carried: &Carried, data: &Data) -> Result<bool, Error> {
        match (&self.epochs, carried.subject) {
            // Boxed, so that who has no epochs does not pay for what asks them.
            (Some(epochs), Some(subject)) => {
                Box::pin(is_before_epoch(&**epochs, carried, subject, data)).await
            }
            _ => Ok(false),
        }
    }

    /// Where it is noted which sessions are over, if the server does so.
    pub(crate) fn epochs(&self) -> Option<&Arc<dyn Epochs>> {
        self.epochs.as_ref()
    }
}

async fn is_before_epoch(
    epochs: &dyn Epochs,
    carried: &Carried,
    subject: Subject,
    data: &Data,
) -> Result<bool, Error> {
    let user = user_of(data);
    let owner = CookieOwner::new(user.as_deref(), subject);
    let epoch = epochs.not_before(owner).await.map_err(|why| {
        Error::new(ErrorKind::Unavailable, "ask whether a session is over").because(why)
    })?;
    let keyed = carried.content.as_ref().and_then(|content| content.about.keyed());
    Ok(epoch.is_some_and(|epoch| keyed.is_none_or(|keyed| keyed < epoch)))
}

fn too_large(why: String) -> Error {
    Error::new(ErrorKind::TooLarge, "save a session").because(why)
}

/// The end of the session in microseconds, its subject, whether the rest is packed, and the record.
fn write_native(
    packer: &Packer,
    (subject, expires_at): (Subject, Timestamp),
    encoded: &[u8],
    plain: &mut Vec<u8>,
) {
    let packed = packer.pack(encoded).filter(|packed| packed.len() < encoded.len());
    plain.extend_from_slice(&expires_at.as_microsecond().to_le_bytes());
    plain.extend_from_slice(subject.as_bytes());
    plain.push(u8::from(packed.is_some()));
    plain.extend_from_slice(packed.as_deref().unwrap_or(encoded));
}

fn open_native(plain: &[u8]) -> Option<(Subject, Content)> {
    let (end, rest) = plain.split_first_chunk::<8>()?;
    let (subject, rest) = rest.split_first_chunk::<16>()?;
    let unpacked;
    let record = match rest.split_first()? {
        (0, record) => record,
        (1, packed) => {
            unpacked = pack::unpack(packed, UNPACKED_BYTES)?;
            unpacked.get(..).filter(|record| record.len() <= UNPACKED_BYTES)?
        }
        _ => return None,
    };
    let Ok(Payload::Session(about, data)) = native::read(record) else { return None };
    let expires_at = Timestamp::from_microsecond(i64::from_le_bytes(*end)).ok()?;
    Some((Subject::from_bytes(*subject), Content { about, data, expires_at }))
}

/// Reads what lies behind the seal, and all that it holds.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(plain: &[u8]) {
    let Some((_, content)) = open_native(plain) else { return };
    let items = content.data.items().into_iter();
    // The name of half a character, which no Rust text can hold, is not what it is found by.
    for (name, value) in items.filter(|(name, _)| !name.contains('\u{fffd}')) {
        assert_eq!(content.data.get(&name), Some(value), "an item is not what its key gives");
    }
}

/// A cookie of Django's lives for the cookie age after it was signed, that instant included, whatever the session says.
#[cfg(feature = "django")]
fn open_django(
    codec: &crate::django::DjangoCodec,
    value: &str,
    age: SignedDuration,
) -> Option<Content> {
    let (data, signed_at) = codec.read(value).ok()?;
    let just_after = age.saturating_add(SignedDuration::from_micros(1));
    let expires_at = crate::expiry::later(signed_at, just_after);
    Some(Content { about: About::default(), data, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn what_unpacks_to_more_than_is_allowed_is_no_session() {
        let keys = CookieKeys::new(&[7; 32]).unwrap();
        let carrier = CookieSessions::signed().native(&keys).unwrap();
        let (seal, packer) = match &carrier.form {
            Form::Native(seal, packer) => (seal, packer),
            #[cfg(feature = "django")]
            Form::Django { .. } => unreachable!(),
        };
        let of = |letters: usize| {
            let record = format!("1{{\"created\":0}}\n{{\"a\":\"{}\"}}", "x".repeat(letters));
            let about = (Subject::from_bytes([1; 16]), Timestamp::UNIX_EPOCH);
            let write = |out: &mut Vec<u8>| write_native(packer, about, record.as_bytes(), out);
            seal.seal(write, &SystemRandom).unwrap()
        };
        assert!(carrier.open(&of(UNPACKED_BYTES - 30)).is_some());
        let bomb = of(UNPACKED_BYTES);
        assert!(bomb.len() < COOKIE_BYTES);
        assert!(carrier.open(&bomb).is_none());
    }
}
