//! Django's `TimestampSigner`: a value, the time in base62, and an HMAC, with colons between them.

use std::fmt;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{BASE64, Refused};
use crate::error::{Error, ErrorKind};

/// One key signs, all verify. `Debug` shows how many there are and nothing else.
#[derive(Clone)]
pub(super) struct Signer {
    /// Never empty: the first one signs.
    first: Hmac<Sha256>,
    others: Vec<Hmac<Sha256>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer(1 + {})", self.others.len())
    }
}

impl Signer {
    pub(super) fn new<'a>(
        mut secrets: impl Iterator<Item = &'a str>,
        salt: &str,
    ) -> Result<Signer, Error> {
        let key = |secret: &str| {
            let key = Sha256::new().chain_update(salt).chain_update("signer").chain_update(secret);
            Hmac::new_from_slice(&key.finalize()).map_err(|error| {
                Error::new(ErrorKind::Config, "take a key").because(error.to_string())
            })
        };
        let first = key(secrets.next().unwrap_or_default())?;
        Ok(Signer { first, others: secrets.map(key).collect::<Result<_, _>>()? })
    }

    /// `body`, the time and the signature.
    pub(super) fn sign(&self, body: String, now: Timestamp) -> String {
        let mut value = body;
        value.push(':');
        push_base62(&mut value, whole_seconds(now));
        let signature = mac(&self.first, &value);
        value.push(':');
        BASE64.encode_string(signature, &mut value);
        value
    }

    /// The body and the time of a value that one of the keys signed.
    pub(super) fn unsign<'a>(&self, signed: &'a str) -> Result<(&'a str, Timestamp), Refused> {
        let (value, signature) = signed.rsplit_once(':').ok_or(Refused::BadSignature)?;
        let genuine = |key: &Hmac<Sha256>| {
            // Text is compared, as Django does: another spelling of the same bytes is refused.
            let expected = BASE64.encode(mac(key, value));
            bool::from(expected.as_bytes().ct_eq(signature.as_bytes()))
        };
        if !genuine(&self.first) && !self.others.iter().any(genuine) {
            return Err(Refused::BadSignature);
        }
        let (body, time) = value.rsplit_once(':').ok_or(Refused::BadSignature)?;
        let signed_at = read_base62(time).and_then(|seconds| Timestamp::from_second(seconds).ok());
        Ok((body, signed_at.ok_or(Refused::BadTime)?))
    }
}

fn mac(key: &Hmac<Sha256>, value: &str) -> [u8; 32] {
    key.clone().chain_update(value).finalize().into_bytes().into()
}

/// Python's `int()` cuts towards zero.
fn whole_seconds(at: Timestamp) -> i64 {
    at.as_microsecond() / 1_000_000
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn push_base62(out: &mut String, number: i64) {
    if number < 0 {
        out.push('-');
    }
    let mut rest = number.unsigned_abs();
    let mut digits: Vec<u8> = Vec::with_capacity(11);
    loop {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        digits.extend(DIGITS.get(digit));
        rest /= 62;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits.into_iter().rev().map(char::from));
}

fn read_base62(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let number = digits.bytes().try_fold(0_i64, |number, byte| {
        let digit = DIGITS.iter().position(|&digit| digit == byte)?;
        number.checked_mul(62)?.checked_add(i64::try_from(digit).ok()?)
    })?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_reads_back() {
        for (number, text) in [
            (0, "0"),
            (61, "z"),
            (62, "10"),
            (-5, "-5"),
            (1_767_225_600, "1vb66i"),
            (4_102_444_800, "4TdRIW"),
        ] {
            let mut written = String::new();
            push_base62(&mut written, number);
            assert_eq!(written, text);
            assert_eq!(read_base62(text), Some(number));
        }
        for bad in ["", "-", "!!", "1 ", "zzzzzzzzzzzzzzzz", "--1"] {
            assert_eq!(read_base62(bad), None, "{bad}");
        }
    }
}
