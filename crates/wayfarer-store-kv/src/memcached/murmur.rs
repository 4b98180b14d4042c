//! MurmurHash3 for 32 bits, by which pymemcache shares keys between servers. The algorithm is Austin Appleby's, who gave it
//! to the public domain.

/// The hash of these bytes, with seed 0.
pub(super) fn hash(bytes: &[u8]) -> u32 {
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut h = 0_u32;
    for block in blocks {
        h ^= scramble(u32::from_le_bytes(*block));
        h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let rest = tail.iter().rev().fold(0, |rest, &byte| rest << 8 | u32::from(byte));
    h ^= scramble(rest);
    // The reference takes the length modulo 2^32, too.
    h ^= bytes.len() as u32;
    h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
    h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
    h ^ h >> 16
}

fn scramble(k: u32) -> u32 {
    k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As pymemcache 4.0 computes them.
    #[test]
    fn the_numbers_are_pymemcaches() {
        let known = [
            ("", 0),
            ("a", 1009084850),
            ("ab", 2613040991),
            ("abc", 3017643002),
            ("abcd", 1139631978),
            (
                "127.0.0.1:11211-:1:django.contrib.sessions.cache0123456789abcdefghijklmnopqrstuv",
                2733602526,
            ),
        ];
        for (text, expected) in known {
            assert_eq!(hash(text.as_bytes()), expected, "{text:?}");
        }
    }
}
