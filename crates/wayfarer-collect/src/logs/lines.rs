//! Lines of a file: bounded memory, whatever the file holds, unpacked where its first bytes say that it is packed.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;

/// The longest line that is read, in bytes.
pub(super) const LONGEST_LINE: usize = 64 * 1024;

/// How much is read at once.
const BUFFER: usize = 4 * LONGEST_LINE;

/// What some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line.
pub(super) struct Line<'a> {
    /// Its number, from 1, empty ones counted.
    pub(super) number: u64,
    /// Without its line break; the beginning, where it is longer than [`LONGEST_LINE`].
    pub(super) bytes: &'a [u8],
    /// Whether it is longer than [`LONGEST_LINE`].
    pub(super) too_long: bool,
}

/// Lines of a file.
pub(super) struct Lines {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    number: u64,
    unpacked: u64,
}

impl Lines {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Lines {
        Lines { reader, buffer: vec![0; BUFFER], start: 0, end: 0, number: 0, unpacked: 0 }
    }

    /// Bytes read up to now, unpacked.
    pub(super) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// The whole lines that come next, without taking them; the one line that comes next if it is not whole.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        let end = loop {
            let filled = self.filled();
            match memchr::memrchr(b'\n', filled) {
                Some(at) => break self.start + at,
                None if filled.len() >= LONGEST_LINE || self.fill()? == 0 => break self.end,
                None => {}
            }
        };
        let lines = self.buffer.get(self.start..end).unwrap_or_default();
        Ok(lines.strip_prefix(BYTE_ORDER_MARK).unwrap_or(lines))
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let Some((mut start, mut end)) = self.find()? else { return Ok(None) };
        self.number += 1;
        let too_long = end - start > LONGEST_LINE;
        if too_long {
            end = start + LONGEST_LINE;
        }
        let whole = self.buffer.get(start..end).unwrap_or_default();
        if self.number == 1 && whole.starts_with(BYTE_ORDER_MARK) {
            start += BYTE_ORDER_MARK.len();
        }
        let bytes = self.buffer.get(start..end).unwrap_or_default();
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Ok(Some(Line { number: self.number, bytes, too_long }))
    }

    /// Where the next line lies in the buffer. Of one that is too long the end is thrown away.
    fn find(&mut self) -> io::Result<Option<(usize, usize)>> {
        let mut looked = 0;
        loop {
            let unseen = self.filled().get(looked..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unseen) {
                return Ok(Some(self.taken(looked + at, 1)));
            }
            looked = self.filled().len();
            if looked > LONGEST_LINE {
                // What is kept is more than a line may have: enough to know that it is too long.
                looked = LONGEST_LINE + 1;
                self.end = self.start + looked;
            }
            if self.fill()? == 0 {
                let left = self.filled().len();
                return Ok((left > 0).then(|| self.taken(left, 0)));
            }
        }
    }

    fn taken(&mut self, length: usize, line_break: usize) -> (usize, usize) {
        let start = self.start;
        self.start += length + line_break;
        (start, start + length)
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads more behind what is there; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match self.reader.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => {
                    self.end += count;
                    self.unpacked += count as u64;
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
    /// In a way that is not read here.
    Other(&'static str),
}

/// The first bytes of packed files.
static MAGIC: &[(&[u8], Packing)] = &[
    (b"\x1f\x8b", Packing::Gzip),
    (b"\x28\xb5\x2f\xfd", Packing::Zstd),
    (b"\xfd7zXZ", Packing::Other("xz")),
    (b"BZh", Packing::Other("bzip2")),
    (b"PK\x03\x04", Packing::Other("zip")),
];

/// Unpacks a file whose first bytes say that it is packed. Gzip may have several members, as rotated logs that were
/// appended to each other do; zstd may have several frames.
pub(super) fn unpack(
    mut reader: impl Read + Send + 'static,
) -> io::Result<Result<Box<dyn Read + Send>, &'static str>> {
    let mut first = [0; 6];
    let mut count = 0;
    while count < first.len() {
        match reader.read(first.get_mut(count..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let first = first.get(..count).unwrap_or_default().to_vec();
    let packing = MAGIC.iter().find(|(magic, _)| first.starts_with(magic));
    let whole = io::Cursor::new(first).chain(reader);
    Ok(match packing.map_or(Packing::None, |(_, packing)| *packing) {
        Packing::None => Ok(Box::new(whole)),
        Packing::Gzip => Ok(Box::new(MultiGzDecoder::new(whole))),
        Packing::Zstd => Ok(Box::new(zstd::Decoder::new(whole)?)),
        Packing::Other(name) => Err(name),
    })
}

/// Counts what is read from it.
pub(super) struct Counted<R> {
    pub(super) reader: R,
    pub(super) count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes out in small parts.
    struct Parts(Vec<u8>, usize, usize);

    impl Read for Parts {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let rest = &self.0[self.1..];
            let count = rest.len().min(self.2).min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.1 += count;
            Ok(count)
        }
    }

    fn all(bytes: &[u8], part: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::new(Box::new(Parts(bytes.to_vec(), 0, part)));
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            out.push((line.number, line.bytes.to_vec(), line.too_long));
        }
        assert_eq!(lines.unpacked(), bytes.len() as u64);
        out
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let long = "x".repeat(LONGEST_LINE + 1);
        let fits = "y".repeat(LONGEST_LINE);
        let text = format!("\u{feff}a\r\n\n{long}\nb\n{fits}\n{long}{long}{long}{long}{long}\nc");
        for part in [1000, 4096, 65_537, usize::MAX] {
            let lines = all(text.as_bytes(), part);
            let short: Vec<_> = lines.iter().map(|(n, b, long)| (*n, b.len(), *long)).collect();
            let cut = LONGEST_LINE;
            assert_eq!(
                short,
                [
                    (1, 1, false),
                    (2, 0, false),
                    (3, cut, true),
                    (4, 1, false),
                    (5, cut, false),
                    (6, cut, true),
                    (7, 1, false)
                ],
                "{part}"
            );
        }
        assert_eq!(all(b"", 1), []);
        assert_eq!(all(b"\n", 1), [(1, vec![], false)]);
    }

    #[test]
    fn a_peek_takes_nothing() {
        let mut lines = Lines::new(Box::new(&b"a\nb\nc"[..]));
        assert_eq!(lines.peek().unwrap(), b"a\nb");
        assert_eq!(lines.next().unwrap().unwrap().bytes, b"a");
        let mut lines = Lines::new(Box::new(&b"abc"[..]));
        assert_eq!(lines.peek().unwrap(), b"abc");
    }
}
