//! zlib, as Django and our cookies use it: packed at Python's level where that is worth it, unpacked within bounds.

use std::{
    fmt,
    io::Read as _,
    sync::{Arc, Mutex, PoisonError},
};

use flate2::{Compress, Compression, FlushCompress, Status, bufread::ZlibDecoder};

/// Less is not packed: it would save a hundred bytes, and take several times as long as all else that a session costs.
const WORTH_IT: usize = 512;

/// Packs with one compressor, used again and again: making one takes longer than packing a session. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Packer(Arc<Mutex<Option<Compress>>>);

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    /// zlib at its level 6, Python's default. `None` where that is not worth it.
    pub(crate) fn pack(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.len() < WORTH_IT {
            return None;
        }
        let spare = self.spare().take();
        let mut compress = spare.unwrap_or_else(|| Compress::new(Compression::new(6), true));
        // What does not fit into as many bytes as there were is not worth it either.
        let mut packed = Vec::with_capacity(bytes.len());
        let status = compress.compress_vec(bytes, &mut packed, FlushCompress::Finish);
        compress.reset();
        *self.spare() = Some(compress);
        (status.ok()? == Status::StreamEnd).then_some(packed)
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Option<Compress>> {
        // Nothing happens under this lock but a move.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was packed, cut off after one byte more than `most`. `None` if it is not zlib.
pub(crate) fn unpack(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut unpacked = Vec::with_capacity(bytes.len().saturating_mul(4).min(1 << 16));
    ZlibDecoder::new(bytes).take(most.saturating_add(1)).read_to_end(&mut unpacked).ok()?;
    Some(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressor_is_used_again() {
        let packer = Packer::default();
        for letter in ["a", "b"] {
            let text = letter.repeat(WORTH_IT);
            let packed = packer.pack(text.as_bytes()).unwrap();
            assert!(packed.len() < 32, "{}", packed.len());
            assert_eq!(unpack(&packed, WORTH_IT).unwrap(), text.as_bytes());
            assert!(packer.spare().is_some());
        }
    }

    #[test]
    fn what_is_short_or_does_not_get_shorter_is_left() {
        let packer = Packer::default();
        assert!(packer.pack(&[b'a'; WORTH_IT - 1]).is_none());
        let mut noise = [0; 1 << 12];
        getrandom::fill(&mut noise).unwrap();
        assert!(packer.pack(&noise).is_none());
        assert!(packer.pack(&[b'a'; WORTH_IT]).is_some(), "after one that did not fit");
    }

    #[test]
    fn what_is_cut_off_is_not_zlib() {
        let packed = Packer::default().pack(&[b'a'; WORTH_IT]).unwrap();
        let (_, cut) = packed.split_last().unwrap();
        for bad in [cut, &packed[..1], b"", b"junk"] {
            assert!(unpack(bad, 1 << 10).is_none(), "{bad:?}");
        }
    }
}
