//! Django's session format: what a value in `django_session`, in a session file or in a signed cookie holds.
//!
//! ```text
//! json   = Python's json.dumps, ASCII only, without spaces
//! body   = base64url(json), or "." + base64url(zlib(json)) where the JSON has 512 bytes and that saves two or more
//! value  = body ":" base62(unix seconds)
//! stored = value ":" base64url(HMAC-SHA256(SHA256(salt + "signer" + SECRET_KEY), value))
//! ```
//! What is written here Django 4.2 to 6.1 reads, and the reverse. Django packs short sessions too. Start with [`DjangoKeys`] and [`DjangoCodec`]; what its
//! caches hold is the matter of [`PickleCodec`].

mod pickle;
mod signing;

use std::{fmt, fmt::Write as _, sync::Arc};

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

pub use self::pickle::{PickleCodec, Unpicklable};
use self::signing::Signer;
use crate::{
    data::Data,
    error::{Error, ErrorKind},
    key::hex,
    pack::{self, Packer},
    scan,
    store::RecordData,
};

/// The salt of sessions in the database, in files and in `cached_db`. A project's own session store under another class
/// name has another.
pub const SALT: &str = "django.contrib.sessions.SessionStore";

/// The salt of sessions in signed cookies.
pub const COOKIE_SALT: &str = "django.contrib.sessions.backends.signed_cookies";

/// What the keys of Django's `cache` sessions begin with, after the cache's own prefix and version.
pub const CACHE_PREFIX: &str = "django.contrib.sessions.cache";

/// What the keys of Django's `cached_db` sessions begin with, after the cache's own prefix and version.
pub const CACHED_DB_PREFIX: &str = "django.contrib.sessions.cached_db";

/// As Python writes it without padding, and reads it with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A Django project's `SECRET_KEY` and `SECRET_KEY_FALLBACKS`. `Debug` shows how many there are and nothing else.
#[derive(Clone)]
pub struct DjangoKeys {
    secret: Arc<str>,
    fallbacks: Vec<Arc<str>>,
}

impl DjangoKeys {
    /// A project with this `SECRET_KEY`.
    ///
    /// # Errors
    /// When it is empty, which Django refuses too.
    pub fn new(secret_key: &str) -> Result<DjangoKeys, Error> {
        if secret_key.is_empty() {
            return Err(Error::new(ErrorKind::Config, "take a Django SECRET_KEY")
                .because("it is empty: set it to the project's SECRET_KEY"));
        }
        Ok(DjangoKeys { secret: secret_key.into(), fallbacks: Vec::new() })
    }

    /// Also accepts what was signed with this key, tried in the order of these calls.
    #[must_use]
    pub fn with_fallback(mut self, secret_key: &str) -> DjangoKeys {
        self.fallbacks.push(secret_key.into());
        self
    }

    /// What Django notes of a user's credentials as `_auth_user_hash`: of the `password` column, under the current key.
    #[must_use]
    pub fn auth_hash(&self, password: &str) -> String {
        auth_hash(&self.secret, password)
    }

    /// The same under each fallback key. Django takes a session whose hash is one of these for logged in, and then notes the
    /// current one.
    pub fn fallback_auth_hashes(&self, password: &str) -> impl Iterator<Item = String> {
        self.fallbacks.iter().map(move |key| auth_hash(key, password))
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        [&self.secret].into_iter().chain(&self.fallbacks).map(|key| &**key)
    }
}

impl fmt::Debug for DjangoKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DjangoKeys(1 + {})", self.fallbacks.len())
    }
}

fn auth_hash(secret: &str, password: &str) -> String {
    const SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    let key = Sha256::new().chain_update(SALT).chain_update(secret).finalize();
    // HMAC takes a key of any length.
    let mac = Hmac::<Sha256>::new_from_slice(&key).map(|mac| mac.chain_update(password));
    mac.map(|mac| hex(&mac.finalize().into_bytes())).unwrap_or_default()
}

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// None of the keys signed it: it is foreign, damaged or forged.
    #[error("none of the keys signed it")]
    BadSignature,
    /// It is signed, but its time is not base62.
    #[error("its time is not a number in base62")]
    BadTime,
    /// It was signed longer ago than is allowed.
    #[error("it was signed too long ago")]
    TooOld,
    /// It is signed, but its body is not base64.
    #[error("its body is not base64")]
    BadBase64,
    /// It is signed, but its body is not zlib.
    #[error("its body is not zlib")]
    BadZlib,
    /// It is signed, but unpacks to more than is allowed.
    #[error("it unpacks to more bytes than are allowed")]
    TooLarge,
    /// It is signed, but what it holds is not a JSON object.
    #[error("what it holds is not a JSON object")]
    BadJson,
}

/// What a value holds.
#[derive(Clone)]
pub struct Decoded {
    /// The session, as the JSON object that Python wrote.
    pub json: Arc<str>,
    /// When it was signed.
    pub signed_at: Timestamp,
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("bytes", &self.json.len())
            .field("signed_at", &self.signed_at)
            .finish()
    }
}

/// Writes and reads Django's session values.
#[derive(Clone, Debug)]
pub struct DjangoCodec {
    signer: Signer,
    packer: Packer,
    max_bytes: usize,
}

impl DjangoCodec {
    /// A codec under these keys and this salt: [`SALT`], [`COOKIE_SALT`] or a project's own. It unpacks at most 16 MiB.
    ///
    /// # Errors
    /// None that these keys can cause; the machinery below names one.
    pub fn new(keys: &DjangoKeys, salt: &str) -> Result<DjangoCodec, Error> {
        let signer = Signer::new(keys.all(), salt)?;
        Ok(DjangoCodec { signer, packer: Packer::default(), max_bytes: 16 << 20 })
    }

    /// The same codec, unpacking at most this many bytes.
    #[must_use]
    pub fn with_max_bytes(mut self, most: usize) -> DjangoCodec {
        self.max_bytes = most;
        self
    }

    /// Signs a session. `json` is the text of a JSON object; what is not ASCII in it must be escaped, as
    /// [`Raw::new`](crate::Raw::new) does.
    #[must_use]
    pub fn encode(&self, json: &str, now: Timestamp) -> String {
        let mut value = String::with_capacity(json.len() * 4 / 3 + 64);
        match self.packer.pack(json.as_bytes()) {
            Some(packed) if packed.len() + 1 < json.len() => {
                value.push('.');
                BASE64.encode_string(packed, &mut value);
            }
            _ => BASE64.encode_string(json, &mut value),
        }
        self.signer.sign(value, now)
    }

    /// What a value holds. The time of its signature is read and not judged, as Django does outside of cookies.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decode(&self, value: &str) -> Result<Decoded, Refused> {
        let (body, signed_at) = self.signer.unsign(value)?;
        let json = self.unpack(body)?;
        if scan::object(&json).is_none() {
            return Err(Refused::BadJson);
        }
        Ok(Decoded { json: json.into(), signed_at })
    }

    /// What a value holds, if it was signed at most `max_age` before `now`. The future counts as fresh.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decode_fresh(
        &self,
        value: &str,
        max_age: SignedDuration,
        now: Timestamp,
    ) -> Result<Decoded, Refused> {
        let decoded = self.decode(value)?;
        if now.duration_since(decoded.signed_at) > max_age {
            return Err(Refused::TooOld);
        }
        Ok(decoded)
    }

    /// The session in a value, and when it was signed.
    pub(crate) fn read(&self, value: &str) -> Result<(Data, Timestamp), Refused> {
        let (body, signed_at) = self.signer.unsign(value)?;
        let data = Data::parse(self.unpack(body)?).ok_or(Refused::BadJson)?;
        Ok((data, signed_at))
    }

    fn unpack(&self, body: &str) -> Result<String, Refused> {
        let (packed, text) = match body.strip_prefix('.') {
            Some(rest) => (true, rest),
            None => (false, body),
        };
        let mut bytes = BASE64.decode(text).map_err(|_| Refused::BadBase64)?;
        if packed {
            bytes = pack::unpack(&bytes, self.max_bytes).ok_or(Refused::BadZlib)?;
        }
        if bytes.len() > self.max_bytes {
            return Err(Refused::TooLarge);
        }
        let text = latin1(bytes);
        if text.len() > self.max_bytes { Err(Refused::TooLarge) } else { Ok(text) }
    }
}

/// How a session is written for Django: signed text in the database, in files and in cookies, a pickle in caches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DjangoForm {
    /// Signed text. What nobody signed is no session, as it is to Django, and is left as it is.
    Signed(DjangoCodec),
    /// A pickle. What cannot be read is an error, and is left as it is.
    Pickled(PickleCodec),
}

impl From<DjangoCodec> for DjangoForm {
    fn from(codec: DjangoCodec) -> DjangoForm {
        DjangoForm::Signed(codec)
    }
}

impl From<PickleCodec> for DjangoForm {
    fn from(codec: PickleCodec) -> DjangoForm {
        DjangoForm::Pickled(codec)
    }
}

impl DjangoForm {
    pub(crate) fn encode(&self, data: &Data, now: Timestamp) -> Result<RecordData, Error> {
        match self {
            DjangoForm::Signed(codec) => Ok(codec.encode(data.text(), now).into_bytes().into()),
            DjangoForm::Pickled(codec) => codec.encode_data(data).map(RecordData::from),
        }
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Data, Error> {
        let unreadable = Error::new(ErrorKind::Unreadable, "read a session of Django");
        match self {
            // A file of Django's is empty for a moment, when its key has just been drawn.
            DjangoForm::Signed(_) if bytes.is_empty() => Ok(Data::default()),
            DjangoForm::Signed(codec) => {
                let value = std::str::from_utf8(bytes).map_err(|_| Refused::BadSignature);
                let read = value.and_then(|value| codec.read(value));
                read.map(|(data, _)| data).map_err(|refused| unreadable.because(refused))
            }
            DjangoForm::Pickled(codec) => {
                codec.decode_data(bytes).map_err(|refused| unreadable.because(refused))
            }
        }
    }
}

/// Python reads the bytes as Latin-1, and escapes what is not ASCII when it writes. Django writes ASCII, where nothing is to be
/// done; what others signed is escaped here, so that it is the same after every save.
fn latin1(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => return text,
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let text: String = bytes.into_iter().map(char::from).collect();
    // In what is no JSON an escape could make some of it.
    if scan::object(&text).is_none() {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\u{80}'.. => drop(write!(escaped, "\\u{:04x}", u32::from(char))),
            ascii => escaped.push(ascii),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
