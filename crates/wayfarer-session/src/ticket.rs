//! What the native cookie holds: `subject.secret.mac`.
//!
//! The MAC lets a tracking layer trust the subject without asking the store, and lets forged cookies be thrown away before
//! they cost a look-up. The keys that make it are [`CookieKeys`]: one that signs, and older ones that still verify.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{
    error::{Error, ErrorKind},
    key::{SessionKey, Subject, decode},
    random::Random,
};

type HmacSha256 = Hmac<Sha256>;

/// Bytes of the MAC in the cookie: half of SHA-256's output, which RFC 2104 names as the least.
const MAC_BYTES: usize = 16;

/// The keys that sign session cookies: one in use, and older ones that are still honoured.
///
/// `Debug` shows how many there are and nothing else.
#[derive(Clone)]
pub struct CookieKeys {
    current: HmacSha256,
    fallbacks: Vec<HmacSha256>,
}

impl CookieKeys {
    /// The least length of a key, in bytes.
    pub const MIN_BYTES: usize = 32;

    /// Signs with `secret`, of which at least [`CookieKeys::MIN_BYTES`] random bytes are needed.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn new(secret: &[u8]) -> Result<CookieKeys, Error> {
        Ok(CookieKeys { current: derive(secret)?, fallbacks: Vec::new() })
    }

    /// Also accepts cookies that were signed with `secret`. Fallbacks are tried in the order of these calls.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn with_fallback(mut self, secret: &[u8]) -> Result<CookieKeys, Error> {
        self.fallbacks.push(derive(secret)?);
        Ok(self)
    }

    /// A key for another purpose from each of these, that in use first. A label has another length than what the MAC of a
    /// cookie is made of.
    #[cfg(feature = "cookies")]
    pub(crate) fn derived(&self, label: &[u8]) -> impl Iterator<Item = [u8; 32]> {
        let all = std::iter::once(&self.current).chain(&self.fallbacks);
        all.map(move |key| key.clone().chain_update(label).finalize().into_bytes().into())
    }

    fn sign(&self, ticket: &Ticket) -> [u8; MAC_BYTES] {
        mac(&self.current, ticket)
    }

    fn verify(&self, ticket: &Ticket, claimed: &[u8; MAC_BYTES]) -> bool {
        let matches = |key: &HmacSha256| bool::from(mac(key, ticket).ct_eq(claimed));
        matches(&self.current) || self.fallbacks.iter().any(matches)
    }
}

impl fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieKeys(1 + {})", self.fallbacks.len())
    }
}

/// Separates the cookie's MAC from anything else that is ever made from the same secret.
fn derive(secret: &[u8]) -> Result<HmacSha256, Error> {
    let wrong = |why: String| Error::new(ErrorKind::Config, "take a cookie key").because(why);
    if secret.len() < CookieKeys::MIN_BYTES {
        let (has, needs) = (secret.len(), CookieKeys::MIN_BYTES);
        return Err(wrong(format!("it has {has} bytes, at least {needs} random ones are needed")));
    }
    let master = |secret: &[u8]| {
        HmacSha256::new_from_slice(secret).map_err(|error| wrong(error.to_string()))
    };
    let derived = master(secret)?.chain_update(b"wayfarer session cookie v1").finalize();
    master(&derived.into_bytes())
}

fn mac(key: &HmacSha256, ticket: &Ticket) -> [u8; MAC_BYTES] {
    // Both parts have a fixed length, so their concatenation is unambiguous.
    let full = key
        .clone()
        .chain_update(ticket.subject.as_bytes())
        .chain_update(ticket.key.as_bytes())
        .finalize()
        .into_bytes();
    let mut short = [0; MAC_BYTES];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}

/// Who a browser is, as its cookie says: the subject of its session and the key to it.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The session's internal id.
    pub subject: Subject,
    /// The secret that opens the session.
    pub key: SessionKey,
}

impl Ticket {
    /// A signed one has so many bytes: three parts in base64, and two dots.
    pub(crate) const LENGTH: usize = 89;

    /// A ticket of a new subject and a new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn random(random: &dyn Random) -> Result<Ticket, Error> {
        Ok(Ticket { subject: Subject::random(random)?, key: SessionKey::random(random)? })
    }

    /// A ticket of the same subject with a new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn rotated(&self, random: &dyn Random) -> Result<Ticket, Error> {
        Ok(Ticket { subject: self.subject, key: SessionKey::random(random)? })
    }

    /// Tickets of the same subject, each with the key that one of `keys` makes of this key and `nonce`: that in use first.
    /// Who lacks `keys` cannot tell the new key from the old one.
    pub(crate) fn renewed<'a>(
        &'a self,
        keys: &'a CookieKeys,
        nonce: &'a [u8; 16],
    ) -> impl Iterator<Item = Ticket> + 'a {
        // A cookie's MAC is made of 48 bytes, this of more: neither is ever taken for the other.
        let renewed = move |key: &HmacSha256| {
            let mac = key.clone().chain_update(b"wayfarer renewed session key v1");
            let mac = mac.chain_update(self.key.as_bytes()).chain_update(nonce);
            SessionKey::from_bytes(mac.finalize().into_bytes().into())
        };
        let all = std::iter::once(&keys.current).chain(&keys.fallbacks);
        all.map(move |key| Ticket { subject: self.subject, key: renewed(key) })
    }

    /// The value of the cookie. It is a secret: send it, and do nothing else with it.
    #[must_use]
    pub fn sign(&self, keys: &CookieKeys) -> String {
        let mut text = String::with_capacity(Ticket::LENGTH);
        URL_SAFE_NO_PAD.encode_string(self.subject.as_bytes(), &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.key.as_bytes(), &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(keys.sign(self), &mut text);
        text
    }

    /// The ticket in a cookie's value, if one of `keys` signed it. The MAC is compared in constant time.
    #[must_use]
    pub fn verify(value: &str, keys: &CookieKeys) -> Option<Ticket> {
        let mut parts = value.split('.');
        let (subject, key, mac) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let ticket = Ticket {
            subject: Subject::from_bytes(decode(subject)?),
            key: SessionKey::from_bytes(decode(key)?),
        };
        keys.verify(&ticket, &decode(mac)?).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn keys(byte: u8) -> CookieKeys {
        CookieKeys::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_ticket_verifies_only_as_it_was_signed() {
        let ticket = Ticket::random(&SystemRandom).unwrap();
        let value = ticket.sign(&keys(1));
        assert_eq!(value.len(), Ticket::LENGTH);
        let read = Ticket::verify(&value, &keys(1)).unwrap();
        assert_eq!(read.subject, ticket.subject);
        assert_eq!(read.key.at_rest(), ticket.key.at_rest());
        assert!(Ticket::verify(&value, &keys(2)).is_none());
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).unwrap();
            assert!(Ticket::verify(&tampered, &keys(1)).is_none(), "byte {at} of {value}");
        }
    }

    #[test]
    fn a_fallback_verifies_but_does_not_sign() {
        let rotated = keys(2).with_fallback(&[1; 32]).unwrap();
        let ticket = Ticket::random(&SystemRandom).unwrap();
        assert!(Ticket::verify(&ticket.sign(&keys(1)), &rotated).is_some());
        assert!(Ticket::verify(&ticket.sign(&rotated), &keys(1)).is_none());
    }

    #[test]
    fn junk_is_refused() {
        for junk in ["", ".", "..", "...", "a.b.c", "é.é.é", &"A".repeat(10_000)] {
            assert!(Ticket::verify(junk, &keys(1)).is_none(), "{junk}");
        }
    }

    #[test]
    fn a_short_key_is_refused_with_its_length() {
        let error = CookieKeys::new(b"short").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("it has 5 bytes"), "{error}");
    }
}
