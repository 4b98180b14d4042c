//! Reads the log back after a crash: all that was durable, and what had to be cut off.
//!
//! A crash may tear the last group of frames, in any order of its pages. So a bad place is a torn tail unless a later
//! frame testifies, by its field `durable`, that the place was on disk before; then the file is damaged, and we stop.

use std::path::{Path, PathBuf};

use wayfarer_event::Event;

use super::format::{Frame, SEGMENT_HEADER, SegmentHeader, next_frame};
use crate::{
    Error, Ids, Result,
    storage::{File, Storage, read_exact},
};

/// A batch that came back.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) first_seq: u64,
    pub(crate) ids: Ids,
    pub(crate) events: Vec<Event>,
}

/// A segment that is on disk and no longer written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// One more than the last `seq` in it.
    pub(crate) end_seq: u64,
}

/// What a folder of segments held.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) closed: Vec<Closed>,
    pub(crate) next_seq: u64,
    pub(crate) next_number: u64,
    /// Each file that lost a torn tail, with what was cut.
    pub(crate) cut: Vec<String>,
}

/// Reads every segment of `folder` in order and hands each batch from `sealed_seq` on to `take`.
///
/// # Errors
/// When a file cannot be read or repaired, is damaged before its torn tail, or events are missing.
pub(crate) fn recover(
    storage: &dyn Storage,
    folder: &Path,
    writer: u64,
    sealed_seq: u64,
    take: &mut dyn FnMut(Recovered) -> Result<()>,
) -> Result<Recovery> {
    let mut recovery = Recovery { next_seq: sealed_seq, next_number: 1, ..Recovery::default() };
    let numbers = segment_numbers(storage, folder)?;
    for (index, &number) in numbers.iter().enumerate() {
        let last = index + 1 == numbers.len();
        let segment = Segment::read(storage, folder, number)?;
        recovery.next_number = number.saturating_add(1);
        segment.recover(writer, last, &mut recovery, take)?;
    }
    Ok(recovery)
}

/// The file of a segment.
pub(crate) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.wal"))
}

fn segment_numbers(storage: &dyn Storage, folder: &Path) -> Result<Vec<u64>> {
    let names = storage.list(folder).map_err(|e| Error::io("cannot list", folder, e))?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| u64::from_str_radix(name.strip_suffix(".wal")?, 16).ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

struct Segment<'a> {
    storage: &'a dyn Storage,
    folder: &'a Path,
    path: PathBuf,
    number: u64,
    file: Box<dyn File>,
    bytes: Vec<u8>,
}

impl<'a> Segment<'a> {
    fn read(storage: &'a dyn Storage, folder: &'a Path, number: u64) -> Result<Segment<'a>> {
        let path = segment_path(folder, number);
        let read = |file: &dyn File| read_exact(file, 0, file.len()? as usize);
        let file = storage.open(&path).map_err(|e| Error::io("cannot open", &path, e))?;
        let bytes = read(file.as_ref()).map_err(|e| Error::io("cannot read", &path, e))?;
        Ok(Segment { storage, folder, path, number, file, bytes })
    }

    fn recover(
        &self,
        writer: u64,
        last: bool,
        recovery: &mut Recovery,
        take: &mut dyn FnMut(Recovered) -> Result<()>,
    ) -> Result<()> {
        let Some(header) = SegmentHeader::decode(&self.path, &self.bytes)? else {
            return self.cut((0, 0), last, recovery);
        };
        if header.writer != writer || header.number != self.number {
            return Err(Error::corrupt(&self.path, "its header names another writer or segment"));
        }
        let mut at = SEGMENT_HEADER;
        let mut end_seq = header.first_seq;
        while let Some(frame) = self.bytes.get(at..).and_then(Frame::decode) {
            self.take(at, &frame, recovery, take)?;
            end_seq = frame.end_seq();
            at += frame.len();
        }
        if at < self.bytes.len() {
            self.cut((at, end_seq), last, recovery)?;
        }
        recovery.closed.push(Closed { path: self.path.clone(), bytes: at as u64, end_seq });
        Ok(())
    }

    /// Hands one frame on, unless it is sealed already.
    fn take(
        &self,
        at: usize,
        frame: &Frame<'_>,
        recovery: &mut Recovery,
        take: &mut dyn FnMut(Recovered) -> Result<()>,
    ) -> Result<()> {
        if frame.end_seq() <= recovery.next_seq {
            return Ok(());
        }
        if frame.first_seq != recovery.next_seq {
            let missing = format!(
                "the frame at offset {at} starts with event {} where {} was due",
                frame.first_seq, recovery.next_seq
            );
            return Err(Error::corrupt(&self.path, missing));
        }
        let events = frame
            .events()
            .map_err(|what| Error::corrupt(&self.path, format!("frame at offset {at}: {what}")))?;
        recovery.next_seq += events.len() as u64;
        take(Recovered { first_seq: frame.first_seq, ids: frame.ids, events })
    }

    /// Cuts the torn tail from `at` on, durably, so that the next recovery finds a sound file. Before it lie the events up to
    /// `end_seq`.
    fn cut(&self, (at, end_seq): (usize, u64), last: bool, recovery: &mut Recovery) -> Result<()> {
        if !last || self.testified(at, end_seq) {
            return Err(Error::corrupt(&self.path, format!("no sound frame at offset {at}")));
        }
        let failed = |error| Error::io("cannot cut the torn tail of", &self.path, error);
        if at == 0 {
            self.storage.remove(&self.path).map_err(failed)?;
            self.storage.sync_folder(self.folder).map_err(failed)?;
        } else {
            self.file.truncate(at as u64).map_err(failed)?;
            self.file.sync().map_err(failed)?;
        }
        let bytes = self.bytes.len() - at;
        recovery.cut.push(format!("{}: {bytes} bytes from offset {at}", self.path.display()));
        Ok(())
    }

    /// Whether a later frame says that the place `at` was durable before it was written. What looks like a frame may be the
    /// text of an event in a torn one, so it must also be one that can lie there: behind what it says was durable, with events
    /// that come after those before the place, and no more of them between than there are bytes.
    fn testified(&self, at: usize, end_seq: u64) -> bool {
        let mut from = at + 1;
        while let Some((found, frame)) = next_frame(&self.bytes, from) {
            let durable = at as u64 + 1..=found as u64;
            let seqs = end_seq..=end_seq.saturating_add((found - at) as u64);
            if durable.contains(&frame.durable) && (at == 0 || seqs.contains(&frame.first_seq)) {
                return true;
            }
            from = found + frame.len();
        }
        false
    }
}
