//! Secrets and the tokens that hide them, in Django's alphabet and form.
//!
//! A secret is 32 letters and digits. A token is a random mask of as many, and the secret added to it, letter by letter.

use subtle::ConstantTimeEq;
use wayfarer_session::{Error, Random, SystemRandom};

const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LENGTH: usize = 32;

/// Draws a secret.
pub(super) fn secret() -> Result<String, Error> {
    let mut secret = String::with_capacity(LENGTH);
    while secret.len() < LENGTH {
        let mut bytes = [0; 64];
        SystemRandom.fill(&mut bytes)?;
        // 248 is the last multiple of 62: beyond it some letters would come more often.
        let fair = bytes.into_iter().filter(|byte| *byte < 248).map(usize::from);
        secret.extend(fair.map(letter).take(LENGTH - secret.len()));
    }
    Ok(secret)
}

/// Hides `secret` behind a new mask.
pub(super) fn mask(secret: &str) -> Result<String, Error> {
    let mask = self::secret()?;
    let pairs = secret.bytes().zip(mask.bytes());
    let hidden = pairs.map(|(secret, mask)| letter(place(secret) + place(mask)));
    Ok(mask.chars().chain(hidden).collect())
}

/// The secret in what a session or a form holds: a token, or a secret as it is. `None` if it is neither.
pub(super) fn unmask(text: &str) -> Option<String> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match text.len() {
        LENGTH => Some(text.to_owned()),
        length if length == 2 * LENGTH => {
            let (mask, hidden) = text.split_at(LENGTH);
            let pairs = hidden.bytes().zip(mask.bytes());
            Some(pairs.map(|(hidden, mask)| letter(place(hidden) + 62 - place(mask))).collect())
        }
        _ => None,
    }
}

/// Whether `token` hides `secret`.
pub(super) fn matches(token: &str, secret: &str) -> bool {
    unmask(token).is_some_and(|claimed| claimed.as_bytes().ct_eq(secret.as_bytes()).into())
}

fn letter(place: usize) -> char {
    ALPHABET.get(place % 62).copied().map_or('a', char::from)
}

/// Where a letter or digit stands in the alphabet.
fn place(letter: u8) -> usize {
    usize::from(match letter {
        b'A'..=b'Z' => letter - b'A' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        _ => letter.saturating_sub(b'a'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hides_its_secret_differently_each_time() {
        let secret = secret().unwrap();
        let (one, other) = (mask(&secret).unwrap(), mask(&secret).unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), secret.len()), (64, 32));
        assert!(matches(&one, &secret) && matches(&other, &secret) && matches(&secret, &secret));
        assert!(!matches(&one, &self::secret().unwrap()));
    }

    #[test]
    fn every_letter_has_its_place() {
        for (at, byte) in ALPHABET.iter().enumerate() {
            assert_eq!((place(*byte), letter(at)), (at, char::from(*byte)));
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_none() {
        let secret = secret().unwrap();
        for bad in ["", "a", &"a".repeat(63), &"a".repeat(65), &"é".repeat(32), &"-".repeat(64)] {
            assert!(!matches(bad, &secret), "{bad}");
        }
    }
}
