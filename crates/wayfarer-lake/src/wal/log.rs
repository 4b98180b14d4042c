//! Appends groups of frames to the newest segment, durably or not at all.
//!
//! After a failed write or sync the segment is cut back to where it was durable before anything else is written. If even
//! that fails, it is tried again with the next group: until it works nothing is acknowledged. So a full disk heals by
//! itself, and what was acknowledged is never touched.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    format::{Frame, SEGMENT_HEADER, SegmentHeader},
    recover::{Closed, Recovery, segment_path},
};
use crate::{
    Error, Result,
    storage::{File, Storage, read_exact},
};

/// The log of one writer, open for appending.
#[derive(Debug)]
pub(crate) struct Log {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    writer: u64,
    segment_bytes: u64,
    closed: VecDeque<Closed>,
    next_number: u64,
    /// The segment that takes frames; none before the first group and after one that could not be trusted any more.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    file: Box<dyn File>,
    /// Up to here the file is sound and durable.
    durable: u64,
    /// One more than the last `seq` up to there.
    end_seq: u64,
    /// Something behind `durable` may be there and must go first.
    dirty: bool,
}

impl Log {
    /// Goes on where a recovery ended. No file is made yet.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        folder: &Path,
        writer: u64,
        segment_bytes: u64,
        recovery: Recovery,
    ) -> Log {
        Log {
            storage,
            folder: folder.to_owned(),
            writer,
            segment_bytes,
            closed: recovery.closed.into(),
            next_number: recovery.next_number,
            current: None,
        }
    }

    /// Makes ready for a group that starts with `next_seq`: repairs, closes and makes segments as needed. Answers up to
    /// where the segment is durable, which the group's frames have to say.
    pub(crate) fn prepare(&mut self, next_seq: u64) -> Result<u64> {
        if let Some(current) = &mut self.current {
            current.repair()?;
            if current.durable >= self.segment_bytes {
                self.close_segment();
            }
        }
        if let Some(current) = &self.current {
            return Ok(current.durable);
        }
        let made = self.make_segment(next_seq)?;
        Ok(self.current.insert(made).durable)
    }

    /// Writes a group behind what [`prepare`](Log::prepare) answered, and syncs it. After an error nothing of it counts.
    pub(crate) fn commit(&mut self, group: &[u8], end_seq: u64) -> Result<()> {
        let Some(current) = &mut self.current else {
            return Err(Error::closed());
        };
        current.dirty = true;
        current
            .file
            .write_at(current.durable, group)
            .and_then(|()| current.file.sync())
            .map_err(|error| Error::io("cannot write to", &current.path, error))?;
        current.dirty = false;
        current.durable += group.len() as u64;
        current.end_seq = end_seq;
        Ok(())
    }

    /// Closes the newest segment, so that it can go once its rows are sealed. A dirty one is closed by a later group.
    pub(crate) fn close_segment(&mut self) {
        if let Some(current) = self.current.take_if(|current| !current.dirty) {
            let Current { path, durable, end_seq, .. } = current;
            self.closed.push_back(Closed { path, bytes: durable, end_seq });
        }
    }

    /// Removes the closed segments that hold nothing from `sealed_seq` on. What cannot be removed stays for next time.
    pub(crate) fn remove_sealed(&mut self, sealed_seq: u64) -> Result<()> {
        while let Some(closed) = self.closed.front().filter(|c| c.end_seq <= sealed_seq) {
            self.storage
                .remove(&closed.path)
                .map_err(|error| Error::io("cannot remove", &closed.path, error))?;
            self.closed.pop_front();
        }
        Ok(())
    }

    /// Ends the newest segment, without what a failed group left, and removes all that hold nothing from `sealed_seq` on.
    pub(crate) fn sweep(&mut self, sealed_seq: u64) -> Result<()> {
        if let Some(current) = &mut self.current {
            current.repair()?;
        }
        self.close_segment();
        self.remove_sealed(sealed_seq)
    }

    /// How many segments there are, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let current = self.current.as_ref().map(|current| current.durable);
        let bytes = self.closed.iter().map(|closed| closed.bytes).chain(current);
        (self.closed.len() as u64 + u64::from(current.is_some()), bytes.sum())
    }

    /// Reads all segments again, up to where they are durable: how many, and what is wrong with them.
    pub(crate) fn check(&self) -> (u64, Vec<String>) {
        let closed = self.closed.iter().map(|closed| (&closed.path, closed.bytes));
        let current = self.current.iter().map(|current| (&current.path, current.durable));
        let check = |(path, bytes): (&PathBuf, u64)| {
            check_segment(self.storage.as_ref(), path, bytes).err().map(|error| error.to_string())
        };
        (self.size().0, closed.chain(current).filter_map(check).collect())
    }

    fn make_segment(&mut self, first_seq: u64) -> Result<Current> {
        let number = self.next_number;
        let path = segment_path(&self.folder, number);
        let header = SegmentHeader { writer: self.writer, number, first_seq }.encode();
        let made = self.storage.create(&path).and_then(|file| {
            file.write_at(0, &header)?;
            file.sync()?;
            self.storage.sync_folder(&self.folder)?;
            Ok(file)
        });
        // A half-made file is made anew under the same number: no frame was in it.
        let file = made.map_err(|error| Error::io("cannot make", &path, error))?;
        self.next_number += 1;
        let durable = SEGMENT_HEADER as u64;
        Ok(Current { path, file, durable, end_seq: first_seq, dirty: false })
    }
}

/// Reads the frames of a segment up to a length.
fn check_segment(storage: &dyn Storage, path: &Path, bytes: u64) -> Result<()> {
    let read = storage.open(path).and_then(|file| read_exact(file.as_ref(), 0, bytes as usize));
    let bytes = read.map_err(|error| Error::io("cannot read", path, error))?;
    if SegmentHeader::decode(path, &bytes)?.is_none() {
        return Err(Error::corrupt(path, "it has no header"));
    }
    let mut at = SEGMENT_HEADER;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(frame) = Frame::decode(rest) else {
            return Err(Error::corrupt(path, format!("no sound frame at offset {at}")));
        };
        frame.events().map_err(|what| Error::corrupt(path, format!("offset {at}: {what}")))?;
        at += frame.len();
    }
    Ok(())
}

impl Current {
    /// Cuts off what a failed group may have left.
    fn repair(&mut self) -> Result<()> {
        if self.dirty {
            // Synced, since nothing may follow: the segment can be closed next, and what a crash brought back of the failed group
            // would have the numbers of events that were acknowledged in another.
            self.file
                .truncate(self.durable)
                .and_then(|()| self.file.sync())
                .map_err(|error| Error::io("cannot repair", &self.path, error))?;
            self.dirty = false;
        }
        Ok(())
    }
}
