//! A file of sorted fingerprints, looked up in one read. All integers are little-endian, fingerprints big-endian, so that
//! their bytes sort as they do.
//!
//! `WAYFIDS\0`, version u32, count u64, crc32c of those 20 bytes u32; then the fingerprints, 16 bytes each; then a guide:
//! the first fingerprint of every page of 256; then crc32c of all fingerprints u32 and crc32c of the guide u32.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Fingerprint;
use crate::{
    Error, ErrorKind, Result,
    catalog::IdFileRow,
    storage::{File, Storage, read_exact},
};

const MAGIC: [u8; 8] = *b"WAYFIDS\0";
const VERSION: u32 = 1;
const HEADER: u64 = 24;
const WIDTH: u64 = 16;
/// Fingerprints of a page: one read of 4 KiB.
const PAGE: u64 = 256;
/// Fingerprints that are read or written at once when files are made.
const CHUNK: usize = 64 << 10;

/// A file of fingerprints, open.
#[derive(Debug)]
pub(crate) struct IdFile {
    pub(crate) row: IdFileRow,
    path: PathBuf,
    file: Box<dyn File>,
    /// The first fingerprint of every page.
    guide: Vec<Fingerprint>,
}

impl IdFile {
    /// Opens a file that the catalog names.
    pub(crate) fn open(storage: &dyn Storage, folder: &Path, row: IdFileRow) -> Result<IdFile> {
        let path = folder.join(&row.name);
        let failed = |error| Error::io("cannot open", &path, error);
        let file = storage.open(&path).map_err(failed)?;
        let header = read_exact(file.as_ref(), 0, HEADER as usize).map_err(failed)?;
        check_header(&path, &header, row.ids)?;
        let guide_at = HEADER + row.ids * WIDTH;
        let pages = row.ids.div_ceil(PAGE);
        let bytes = read_exact(file.as_ref(), guide_at, (pages * WIDTH) as usize + 8);
        let bytes = bytes.map_err(failed)?;
        let (guide, crcs) = bytes.split_at(bytes.len().saturating_sub(8));
        if crcs.get(4..) != Some(crc32c::crc32c(guide).to_le_bytes().as_slice()) {
            return Err(Error::corrupt(&path, "its guide does not match its checksum"));
        }
        let guide = fingerprints(guide).collect();
        Ok(IdFile { row, path, file, guide })
    }

    /// Writes sorted fingerprints into a new file, durably.
    pub(crate) fn create(
        storage: &dyn Storage,
        folder: &Path,
        row: IdFileRow,
        ids: impl Iterator<Item = Result<Fingerprint>>,
    ) -> Result<IdFile> {
        let path = folder.join(&row.name);
        let failed = |error| Error::io("cannot write", &path, error);
        let file = storage.create(&path).map_err(failed)?;
        let mut header = Vec::from(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(row.ids.to_le_bytes());
        header.extend(crc32c::crc32c(&header).to_le_bytes());
        let mut writer = Writer { file: file.as_ref(), at: 0, buffer: header, crc: 0 };
        let guide = writer.ids(ids, &path)?;
        let guide_bytes: Vec<u8> = guide.iter().flat_map(|id| id.to_be_bytes()).collect();
        writer.buffer.extend(&guide_bytes);
        writer.buffer.extend(writer.crc.to_le_bytes());
        writer.buffer.extend(crc32c::crc32c(&guide_bytes).to_le_bytes());
        writer.flush().map_err(failed)?;
        file.sync().and_then(|()| storage.sync_folder(folder)).map_err(failed)?;
        Ok(IdFile { row, path, file, guide })
    }

    /// Whether a fingerprint is in the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn contains(&self, id: Fingerprint) -> Result<bool> {
        let Some(page) = self.guide.partition_point(|first| *first <= id).checked_sub(1) else {
            return Ok(false);
        };
        if self.guide.get(page) == Some(&id) {
            return Ok(true);
        }
        let ids = self.page(page as u64 * PAGE, PAGE)?;
        Ok(ids.binary_search(&id).is_ok())
    }

    /// All fingerprints, in order.
    pub(crate) fn iter(self: Arc<IdFile>) -> impl Iterator<Item = Result<Fingerprint>> {
        let chunks = (0..self.row.ids).step_by(CHUNK);
        chunks.flat_map(move |start| {
            let (ids, error) = match self.page(start, CHUNK as u64) {
                Ok(ids) => (ids, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            ids.into_iter().map(Ok).chain(error)
        })
    }

    /// Reads all fingerprints and compares them with their checksum.
    pub(crate) fn check(&self) -> Result<()> {
        let mut crc = 0;
        for start in (0..self.row.ids).step_by(CHUNK) {
            for id in self.page(start, CHUNK as u64)? {
                crc = crc32c::crc32c_append(crc, &id.to_be_bytes());
            }
        }
        let at = HEADER + (self.row.ids + self.guide.len() as u64) * WIDTH;
        let written = read_exact(self.file.as_ref(), at, 4)
            .map_err(|error| Error::io("cannot read", &self.path, error))?;
        if written != crc.to_le_bytes() {
            return Err(Error::corrupt(&self.path, "its ids do not match their checksum"));
        }
        Ok(())
    }

    fn page(&self, start: u64, most: u64) -> Result<Vec<Fingerprint>> {
        let count = most.min(self.row.ids.saturating_sub(start));
        let bytes =
            read_exact(self.file.as_ref(), HEADER + start * WIDTH, (count * WIDTH) as usize)
                .map_err(|error| Error::io("cannot read", &self.path, error))?;
        Ok(fingerprints(&bytes).collect())
    }
}

fn fingerprints(bytes: &[u8]) -> impl Iterator<Item = Fingerprint> {
    bytes.as_chunks::<16>().0.iter().map(|bytes| u128::from_be_bytes(*bytes))
}

fn check_header(path: &Path, header: &[u8], ids: u64) -> Result<()> {
    let (head, crc) = header.split_at(header.len().saturating_sub(4));
    if !head.starts_with(&MAGIC) || crc != crc32c::crc32c(head).to_le_bytes() {
        return Err(Error::corrupt(path, "it has no header of a file of ids"));
    }
    if head.get(8..12) != Some(VERSION.to_le_bytes().as_slice()) {
        let text = format!("{} is of another version than {VERSION}", path.display());
        return Err(Error::new(ErrorKind::NewerVersion, text));
    }
    if head.get(12..20) != Some(ids.to_le_bytes().as_slice()) {
        return Err(Error::corrupt(path, format!("the catalog says that it holds {ids} ids")));
    }
    Ok(())
}

struct Writer<'a> {
    file: &'a dyn File,
    at: u64,
    buffer: Vec<u8>,
    crc: u32,
}

impl Writer<'_> {
    /// Writes the fingerprints and answers the first one of every page.
    fn ids(
        &mut self,
        ids: impl Iterator<Item = Result<Fingerprint>>,
        path: &Path,
    ) -> Result<Vec<Fingerprint>> {
        let mut guide = Vec::new();
        for (index, id) in ids.enumerate() {
            let id = id?;
            if (index as u64).is_multiple_of(PAGE) {
                guide.push(id);
            }
            self.crc = crc32c::crc32c_append(self.crc, &id.to_be_bytes());
            self.buffer.extend(id.to_be_bytes());
            if self.buffer.len() >= CHUNK * WIDTH as usize {
                self.flush().map_err(|error| Error::io("cannot write", path, error))?;
            }
        }
        Ok(guide)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.write_at(self.at, &self.buffer)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
