//! Mutations of a corpus, the same for the same seed.

use fastrand::Rng;

/// No mutation makes more bytes.
const MOST: usize = 1 << 16;

/// Texts that decoders look at closely.
const WORDS: &[&[u8]] = &[
    b"-1",
    b"0",
    b"18446744073709551615",
    b"9223372036854775808",
    b"1e400",
    b"NaN",
    b"\"\\ud800\"",
    b"{",
    b"[[[[[[[[",
    b":",
    b".",
    b"..",
    b"/../",
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff\xff\xff\xff",
    b"\xf0\x9f\x99\x82",
    b"\xed\xa0\x80",
];

/// Some of the entries, changed at one or several places.
pub fn mutate(random: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.choice(corpus).cloned().unwrap_or_default();
    for _ in 0..=random.usize(..4) {
        change(random, &mut bytes, corpus);
    }
    bytes.truncate(MOST);
    bytes
}

fn change(random: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let from = random.usize(..=bytes.len());
    let to = random.usize(from..=bytes.len().min(from + 64));
    match random.u8(..9) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(from..to)),
        2 => {
            let other = random.choice(corpus).map_or(&[][..], Vec::as_slice);
            let start = random.usize(..=other.len());
            bytes.truncate(from);
            bytes.extend_from_slice(other.get(start..).unwrap_or_default());
        }
        3 => {
            let word = random.choice(WORDS).copied().unwrap_or_default();
            bytes.splice(from..from, word.iter().copied());
        }
        4 => {
            let part = bytes.get(from..to).unwrap_or_default();
            let most = 1 << random.u8(0..11);
            let times = random.usize(1..=most);
            let many = part.repeat(times.min(MOST / part.len().max(1)));
            bytes.splice(from..from, many);
        }
        5 => bytes.insert(from, random.u8(..)),
        6 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte = random.u8(..);
            }
        }
        7 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte = byte.wrapping_add(if random.bool() { 1 } else { 0xff });
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << random.u8(..8);
            }
        }
    }
}
