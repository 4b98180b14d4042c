//! The names of a session: the secret [`SessionKey`], the [`StoreKey`] that a store sees, the public [`Handle`], and the
//! [`Subject`] that stays while the key is rotated.
//!
//! Only the key is secret. It has no `Display`, and its `Debug` shows nothing of it.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    random::{Random, draw},
};

/// Internal id of a session. It stays the same while the key is rotated, and joins events to the session. Not secret.
///
/// Its text is 22 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject([u8; 16]);

impl Subject {
    /// Draws a new subject.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn random(random: &dyn Random) -> Result<Subject, Error> {
        draw(random).map(Subject)
    }

    /// The subject that these bytes are.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Subject {
        Subject(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

/// The text is not a subject: 22 characters of URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the subject of a session: 22 characters of URL-safe base64 are needed")]
pub struct ParseSubjectError;

impl FromStr for Subject {
    type Err = ParseSubjectError;

    fn from_str(text: &str) -> Result<Subject, ParseSubjectError> {
        decode(text).map(Subject).ok_or(ParseSubjectError)
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Subject, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The secret by which a browser owns a session: 32 random bytes. Never stored, never shown.
#[derive(Clone)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn random(random: &dyn Random) -> Result<SessionKey, Error> {
        draw(random).map(SessionKey)
    }

    /// What a store knows this key as: the hexadecimal SHA-256 of it. A stolen store opens no session.
    #[must_use]
    pub fn at_rest(&self) -> StoreKey {
        let mut digits = [0; 64];
        write_hex(&Sha256::digest(self.0), &mut digits);
        // Digits are ASCII.
        StoreKey(std::str::from_utf8(&digits).unwrap_or_default().into())
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> SessionKey {
        SessionKey(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

/// What a store knows a session as. In native mode a hash of the key; in django mode the key itself, as Django keeps it.
///
/// `Debug` shows six characters of a hash, enough to tell two apart in a log and never a part of a key. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey(Arc<str>);

impl StoreKey {
    /// The store key that is this text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> StoreKey {
        StoreKey(text.into())
    }

    /// The text by which the store finds the session. Do not log it: in django mode it is the key.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = Sha256::digest(self.0.as_bytes());
        let [a, b, c, ..] = digest.as_slice() else { return f.write_str("StoreKey(…)") };
        write!(f, "StoreKey({a:02x}{b:02x}{c:02x}…)")
    }
}

/// Public name of a session: for lists, addresses and logs. It says nothing of the key, and stays while the key rotates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(String);

impl Handle {
    /// The handle of the session of this subject.
    #[must_use]
    pub fn of(subject: &Subject) -> Handle {
        Handle::digest(b"wayfarer handle v1\0", subject.as_bytes())
    }

    /// The handle of a session without a subject. It is that of its key, and goes with it.
    pub(crate) fn of_key(key: &StoreKey) -> Handle {
        Handle::digest(b"wayfarer handle of a key v1\0", key.expose().as_bytes())
    }

    fn digest(label: &[u8], of: &[u8]) -> Handle {
        let digest = Sha256::new().chain_update(label).chain_update(of).finalize();
        Handle(URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default()))
    }

    /// The handle that is this text, as it came from an address.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Handle {
        Handle(text.into())
    }

    /// Its text: 16 characters of URL-safe base64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

/// Reads exactly `N` bytes of URL-safe base64 without padding.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The decoder would need a larger buffer for longer text; refuse early so that junk costs nothing.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let mut bytes = [0; N];
    let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (written == N).then_some(bytes)
}

#[cfg(any(feature = "conformance", feature = "django"))]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; bytes.len() * 2];
    write_hex(bytes, &mut digits);
    // Digits are ASCII.
    String::from_utf8(digits).unwrap_or_default()
}

/// Writes two digits for each byte.
fn write_hex(bytes: &[u8], digits: &mut [u8]) {
    // Without a table and without a branch: every look-up by a cookie comes here.
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_subject_reads_back_from_its_text() {
        let subject = Subject::random(&SystemRandom).unwrap();
        assert_eq!(subject.to_string().parse(), Ok(subject));
        assert_eq!(subject.to_string().len(), 22);
        for bad in ["", "short", "!!!!!!!!!!!!!!!!!!!!!!", "AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(bad.parse::<Subject>(), Err(ParseSubjectError), "{bad}");
        }
    }

    #[test]
    fn no_debug_shows_a_key() {
        let key = SessionKey::from_bytes([7; 32]);
        assert_eq!(format!("{key:?}"), "SessionKey(…)");
        let at_rest = StoreKey::new("abcdefghijklmnopqrstuvwxyz012345");
        assert_eq!(format!("{at_rest:?}").chars().count(), "StoreKey(123456…)".chars().count());
        assert!(!format!("{at_rest:?}").contains("abcdef"));
    }

    #[test]
    fn the_key_at_rest_is_its_sha256() {
        let at_rest = SessionKey::from_bytes([0; 32]).at_rest();
        let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(at_rest.expose(), expected);
    }
}
