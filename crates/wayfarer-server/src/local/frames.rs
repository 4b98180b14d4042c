//! Several files in one request body.
//!
//! A body is a row of frames: a byte that says what it is, and for a piece of a file its length (4 bytes, big-endian) and
//! its bytes. `B` begins a file, `P` is a piece of it, `E` ends it, `Z` ends all; `X`, with a
//! length and a text, says why there is no more. A body that ends without `Z` was cut off,
//! and is an error, not a short file.

use std::{
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;
use wayfarer_embedded::Inputs;

/// The largest piece.
pub(super) const PIECE: usize = 256 << 10;

/// The longest reason that is read, in bytes.
const LONGEST_REASON: usize = 4096;

/// `B`.
pub(super) fn begin() -> Bytes {
    Bytes::from_static(b"B")
}

/// `P`, with at most [`PIECE`] bytes.
pub(super) fn piece(bytes: &[u8]) -> Bytes {
    measured(b'P', bytes)
}

/// `X`.
pub(super) fn failed(reason: &str) -> Bytes {
    measured(b'X', reason.as_bytes())
}

fn measured(mark: u8, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(bytes.len() + 5);
    frame.put_u8(mark);
    frame.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    frame.put_slice(bytes);
    frame.freeze()
}

/// `E`.
pub(super) fn end() -> Bytes {
    Bytes::from_static(b"E")
}

/// `Z`.
pub(super) fn finish() -> Bytes {
    Bytes::from_static(b"Z")
}

/// The files of a body whose bytes come through a channel. Blocking: for a thread that may.
pub(super) fn files(chunks: mpsc::Receiver<Bytes>) -> Inputs {
    let frames = Arc::new(Mutex::new(Frames { chunks, current: Bytes::new(), left: 0 }));
    let mut over = false;
    Box::new(std::iter::from_fn(move || {
        if over {
            return None;
        }
        let mark = frames.lock().unwrap_or_else(PoisonError::into_inner).mark();
        over = !matches!(mark, Ok(b'B'));
        match mark {
            Ok(b'B') => {
                let file = OneFile { frames: Arc::clone(&frames), ended: false };
                Some(Ok(Box::new(file) as Box<dyn Read + Send>))
            }
            Ok(b'Z') => None,
            Ok(_) => Some(Err(confused())),
            Err(error) => Some(Err(error)),
        }
    }))
}

struct Frames {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
    /// Bytes of the piece that are still to come.
    left: usize,
}

impl Frames {
    /// Makes sure that there is at least one byte.
    fn fill(&mut self) -> io::Result<()> {
        while self.current.is_empty() {
            self.current = self.chunks.blocking_recv().ok_or_else(cut_off)?;
        }
        Ok(())
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.fill()?;
        Ok(self.current.get_u8())
    }

    fn length(&mut self) -> io::Result<usize> {
        (0..4).try_fold(0, |length, _| Ok(length << 8 | usize::from(self.byte()?)))
    }

    /// The next mark; the sender's reason, if it sends one, as an error.
    fn mark(&mut self) -> io::Result<u8> {
        match self.byte()? {
            b'X' => Err(self.reason()?),
            mark => Ok(mark),
        }
    }

    fn reason(&mut self) -> io::Result<io::Error> {
        let length = self.length()?.min(LONGEST_REASON);
        let text = (0..length).map(|_| self.byte()).collect::<io::Result<Vec<u8>>>()?;
        Ok(io::Error::other(String::from_utf8_lossy(&text).into_owned()))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            match self.mark()? {
                b'E' => return Ok(0),
                b'P' => self.left = self.length()?,
                _ => return Err(confused()),
            }
        }
        self.fill()?;
        let length = buffer.len().min(self.left).min(self.current.len());
        self.current.split_to(length).copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        self.left -= length;
        Ok(length)
    }
}

/// One file of a body, up to its end.
struct OneFile {
    frames: Arc<Mutex<Frames>>,
    /// Whoever asks again after the end must not get the mark of the next file.
    ended: bool,
}

impl Read for OneFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.frames.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)?;
        self.ended = read == 0;
        Ok(read)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the sender went away in the middle of a file")
}

fn confused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the sender speaks another version")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], chunk: usize) -> Vec<io::Result<Vec<u8>>> {
        let (sender, chunks) = mpsc::channel(body.len() + 1);
        for part in body.chunks(chunk) {
            sender.try_send(Bytes::copy_from_slice(part)).unwrap();
        }
        drop(sender);
        files(chunks)
            .map(|file| {
                let mut text = Vec::new();
                file?.read_to_end(&mut text)?;
                Ok(text)
            })
            .collect()
    }

    #[test]
    fn files_come_out_as_they_went_in_however_they_are_cut() {
        let big = vec![7; 70_000];
        let parts = [
            begin(),
            piece(b"one"),
            piece(b" file"),
            end(),
            begin(),
            end(),
            begin(),
            piece(&big),
            end(),
            finish(),
        ];
        let body = parts.concat();
        for chunk in [1, 3, 1000, body.len()] {
            let files: Vec<_> = read(&body, chunk).into_iter().map(Result::unwrap).collect();
            assert_eq!(files, [b"one file".to_vec(), vec![], big.clone()]);
        }
    }

    #[test]
    fn the_reason_of_the_sender_arrives() {
        let body = [begin(), piece(b"half"), failed("disk on fire")].concat();
        assert_eq!(read(&body, 3)[0].as_ref().unwrap_err().to_string(), "disk on fire");
    }

    #[test]
    fn a_body_that_is_cut_off_is_no_short_file() {
        let body = [begin(), piece(b"half a li")].concat();
        let files = read(&body, 4);
        assert_eq!(files[0].as_ref().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
