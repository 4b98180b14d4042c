//! zlib, as Django and our cookies use it: packed at Python's level, unpacked within bounds.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

/// zlib at its level 6, Python's default. `None` where nothing gets shorter.
pub(crate) fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    // Below this nothing gets shorter: header and checksum alone are six bytes.
    if bytes.len() < 8 {
        return None;
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len()), Compression::new(6));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// What was packed, cut off after one byte more than `most`. `None` if it is not zlib.
pub(crate) fn unpack(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut unpacked = Vec::with_capacity(bytes.len().saturating_mul(4).min(1 << 16));
    ZlibDecoder::new(bytes).take(most.saturating_add(1)).read_to_end(&mut unpacked).ok()?;
    Some(unpacked)
}
