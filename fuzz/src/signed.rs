//! Keys that everybody knows, so that hostile bytes get behind the signatures, and a random source that is none.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wayfarer_session::{Error, Random, django::SALT, jiff::Timestamp};

/// The key of native cookies.
pub const COOKIE_SECRET: [u8; 32] = [7; 32];

/// The `SECRET_KEY` of a Django project.
pub const DJANGO_SECRET: &str = "a-secret-key-of-a-project-that-never-was";

/// 2026-01-01.
pub const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The same bytes every time.
#[derive(Clone, Copy, Debug)]
pub struct FixedRandom;

impl Random for FixedRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.fill(5);
        Ok(())
    }
}

/// Any body, signed as Django signs a session.
#[must_use]
pub fn django_signed(body: &str) -> String {
    let key = Sha256::new().chain_update(SALT).chain_update("signer").chain_update(DJANGO_SECRET);
    let value = format!("{body}:1vb66i");
    // HMAC takes a key of any length.
    let mac = Hmac::<Sha256>::new_from_slice(&key.finalize()).map(|mac| mac.chain_update(&value));
    let mac = mac.map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
    format!("{value}:{}", URL_SAFE_NO_PAD.encode(mac))
}
