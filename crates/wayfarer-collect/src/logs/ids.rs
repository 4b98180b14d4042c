//! Ids of imported lines: the same at every import of a file, so that a ledger adds nothing twice.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{cache::Generations, visitor};

/// Lines between which a repetition is noticed, at least.
const REMEMBERED: usize = 1 << 20;

/// Gives each line of one file its id: 128 bits, as 22 characters, of a keyed hash over site, line, and which occurrence
/// of this line in the file it is. The key is the lasting salt: without it, an address could be found by trying all.
///
/// The count of occurrences remembers the last million distinct lines. A line that is repeated further apart than that
/// counts as the same one: servers write equal lines in the same second.
pub(super) struct LineIds {
    keyed: Hmac<Sha256>,
    seen: Generations<u64, u32>,
}

impl LineIds {
    pub(super) fn new(salt: &[u8; 32], site: &str) -> LineIds {
        let mut keyed = visitor::keyed(salt);
        visitor::update(&mut keyed, b"line");
        visitor::update(&mut keyed, site.as_bytes());
        LineIds { keyed, seen: Generations::new(REMEMBERED) }
    }

    /// The id of the next line.
    pub(super) fn next(&mut self, line: &[u8]) -> String {
        let (first, fingerprint) = self.hash(line, 1);
        let occurrence = match self.seen.get(&fingerprint) {
            Some(count) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                self.seen.insert(fingerprint, 1);
                1
            }
        };
        let id = if occurrence == 1 { first } else { self.hash(line, occurrence).0 };
        URL_SAFE_NO_PAD.encode(id)
    }

    /// The id of an occurrence, and other bits of the same hash.
    fn hash(&self, line: &[u8], occurrence: u32) -> ([u8; 16], u64) {
        let mut mac = self.keyed.clone();
        visitor::update(&mut mac, line);
        mac.update(&occurrence.to_le_bytes());
        let bytes = <[u8; 32]>::from(mac.finalize().into_bytes());
        let (id, rest) = bytes.split_at(16);
        let fingerprint = rest.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        (id.try_into().unwrap_or_default(), fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ids(lines: &[&str]) -> Vec<String> {
        let mut ids = LineIds::new(&[1; 32], "s");
        lines.iter().map(|line| ids.next(line.as_bytes())).collect()
    }

    #[test]
    fn repeated_lines_have_ids_of_their_own_in_any_order() {
        let one = ids(&["a", "b", "a", "a"]);
        assert_eq!(one.iter().collect::<HashSet<_>>().len(), 4);
        assert!(one.iter().all(|id| id.len() == 22));
        let other = ids(&["a", "a", "a", "b"]);
        assert_eq!(one.iter().collect::<HashSet<_>>(), other.iter().collect());
        let mut elsewhere = LineIds::new(&[1; 32], "t");
        assert_ne!(elsewhere.next(b"a"), one[0]);
    }
}
