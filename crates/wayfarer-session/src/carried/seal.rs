//! How a native session is sealed into the value of a cookie.
//!
//! ```text
//! base64url( kind  key id   session                   MAC )       kind 1: signed
//! base64url( kind  key id   nonce  encrypted session  tag )       kind 2: encrypted
//!            1     4        24                        16  bytes
//! ```
//! The MAC is the first half of HMAC-SHA256 over all that is before it; the cipher is XChaCha20-Poly1305 with kind and key id
//! beside it. Keys are derived from the [`CookieKeys`], others for each kind; the id tells which one sealed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{
    error::{Error, ErrorKind},
    random::{Random, draw},
    ticket::CookieKeys,
};

const SIGNED: u8 = 1;
const ENCRYPTED: u8 = 2;

/// Kind and key id.
const HEAD: usize = 5;
const NONCE: usize = 24;
const MAC: usize = 16;

/// One key seals, all open. `Debug` shows how many there are and nothing else.
pub(super) struct Seal {
    kind: u8,
    /// Never empty: the first one seals.
    keys: Vec<Key>,
}

struct Key {
    id: [u8; 4],
    lock: Lock,
}

enum Lock {
    Mac(Box<Hmac<Sha256>>),
    Cipher(XChaCha20Poly1305),
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} keys)", self.keys.len())
    }
}

impl Seal {
    pub(super) fn new(keys: &CookieKeys, encrypted: bool) -> Result<Seal, Error> {
        let (kind, label): (_, &[u8]) = if encrypted {
            (ENCRYPTED, b"wayfarer encrypted session v1")
        } else {
            (SIGNED, b"wayfarer signed session v1")
        };
        let wrong = || Error::new(ErrorKind::Config, "take a cookie key");
        let key = |secret: [u8; 32]| {
            let mac = Hmac::<Sha256>::new_from_slice(&secret).map_err(|_| wrong())?;
            let named = mac.clone().chain_update(b"key id").finalize().into_bytes();
            let id = *named.first_chunk().ok_or_else(wrong)?;
            let lock = match encrypted {
                true => Lock::Cipher(XChaCha20Poly1305::new(&secret.into())),
                false => Lock::Mac(Box::new(mac)),
            };
            Ok(Key { id, lock })
        };
        let keys = keys.derived(label).map(key).collect::<Result<_, Error>>()?;
        Ok(Seal { kind, keys })
    }

    /// Seals what `write` writes.
    pub(super) fn seal(
        &self,
        write: impl FnOnce(&mut Vec<u8>),
        random: &dyn Random,
    ) -> Result<String, Error> {
        let wrong = || Error::new(ErrorKind::Config, "seal a session");
        let key = self.keys.first().ok_or_else(wrong)?;
        let mut sealed = Vec::with_capacity(512);
        sealed.push(self.kind);
        sealed.extend_from_slice(&key.id);
        match &key.lock {
            Lock::Mac(mac) => {
                write(&mut sealed);
                let mac = signature(mac, &sealed);
                sealed.extend_from_slice(&mac);
            }
            Lock::Cipher(cipher) => {
                let mut plain = Vec::with_capacity(512);
                write(&mut plain);
                let nonce: [u8; NONCE] = draw(random)?;
                let payload = Payload { msg: &plain, aad: &sealed };
                let locked = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| wrong())?;
                sealed.extend_from_slice(&nonce);
                sealed.extend_from_slice(&locked);
            }
        }
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What one of the keys sealed.
    pub(super) fn open(&self, value: &str) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (head, rest) = sealed.split_at_checked(HEAD)?;
        let (kind, id) = head.split_first()?;
        if *kind != self.kind {
            return None;
        }
        // Two keys may have one id: all that have it are tried.
        let mut keys = self.keys.iter().filter(|key| key.id == id);
        let (signed, decrypted) = keys.find_map(|key| match &key.lock {
            Lock::Mac(mac) => {
                let (signed, claimed) = sealed.split_last_chunk::<MAC>()?;
                let genuine = bool::from(signature(mac, signed).ct_eq(claimed));
                genuine.then_some((signed.len(), None))
            }
            Lock::Cipher(cipher) => {
                let (nonce, locked) = rest.split_first_chunk::<NONCE>()?;
                let payload = Payload { msg: locked, aad: head };
                let decrypted = cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
                Some((0, Some(decrypted)))
            }
        })?;
        if decrypted.is_some() {
            return decrypted;
        }
        sealed.truncate(signed);
        sealed.drain(..HEAD.min(signed));
        Some(sealed)
    }
}

fn signature(mac: &Hmac<Sha256>, bytes: &[u8]) -> [u8; MAC] {
    let full = mac.clone().chain_update(bytes).finalize().into_bytes();
    let mut short = [0; MAC];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}
