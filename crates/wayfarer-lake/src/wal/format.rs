//! The bytes of the log: segment header, frame, and the events in a frame. All integers are little-endian.

use std::path::Path;

use wayfarer_event::Event;

use crate::{Error, ErrorKind, Ids, Result};

/// The first bytes of a segment.
const SEGMENT_MAGIC: [u8; 8] = *b"WAYFWAL\0";
/// The version of segments that this code writes, and the newest that it reads.
pub(crate) const SEGMENT_VERSION: u32 = 1;
/// The first bytes of a frame.
const FRAME_MAGIC: [u8; 4] = *b"WFRM";
/// The version of the events in a frame.
const EVENTS_VERSION: u8 = 1;
/// The length of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 40;
/// The length of a frame's header.
pub(crate) const FRAME_HEADER: usize = 36;

/// What the head of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) writer: u64,
    pub(crate) number: u64,
    pub(crate) first_seq: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.extend(SEGMENT_MAGIC);
        bytes.extend(SEGMENT_VERSION.to_le_bytes());
        bytes.extend(self.writer.to_le_bytes());
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.first_seq.to_le_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a header; `None` when the bytes are none, as after a crash in the middle of writing it.
    ///
    /// # Errors
    /// `NewerVersion` when a whole header says so.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Option<SegmentHeader>> {
        let Some((header, crc)) =
            bytes.get(..SEGMENT_HEADER).and_then(|b| b.split_last_chunk::<4>())
        else {
            return Ok(None);
        };
        if !header.starts_with(&SEGMENT_MAGIC) || u32::from_le_bytes(*crc) != crc32c::crc32c(header)
        {
            return Ok(None);
        }
        let version = u32_at(header, 8);
        if version > SEGMENT_VERSION {
            let text = format!(
                "{} has version {version} of the log and this program reads up to {SEGMENT_VERSION}",
                path.display()
            );
            return Err(Error::new(ErrorKind::NewerVersion, text));
        }
        Ok(Some(SegmentHeader {
            writer: u64_at(header, 12),
            number: u64_at(header, 20),
            first_seq: u64_at(header, 28),
        }))
    }
}

/// What the head of a frame says, and where its payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) first_seq: u64,
    pub(crate) count: u32,
    pub(crate) ids: Ids,
    version: u8,
    /// Up to here the segment was durable when this frame was written: what is damaged before it was not torn by a crash.
    pub(crate) durable: u64,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`; `None` when there is no whole and sound one.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Frame<'a>> {
        if !bytes.starts_with(&FRAME_MAGIC) {
            return None;
        }
        let (header, rest) = bytes.split_at_checked(FRAME_HEADER)?;
        let payload = rest.get(..u32_at(header, 4) as usize)?;
        let (header, crc) = header.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32c::crc32c_append(crc32c::crc32c(header), payload) {
            return None;
        }
        Some(Frame {
            first_seq: u64_at(header, 8),
            count: u32_at(header, 16),
            ids: if header.get(20) == Some(&1) { Ids::Ledger } else { Ids::Window },
            version: header.get(21).copied().unwrap_or(u8::MAX),
            durable: u64_at(header, 24),
            payload,
        })
    }

    /// The length of the frame with its header.
    pub(crate) fn len(&self) -> usize {
        FRAME_HEADER + self.payload.len()
    }

    /// One more than the last `seq`.
    pub(crate) fn end_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.count))
    }

    /// The events of the frame; `Err` says what is wrong with a payload whose checksum is right.
    pub(crate) fn events(&self) -> Result<Vec<Event>, String> {
        if self.version != EVENTS_VERSION {
            return Err(format!("the events have version {}, not {EVENTS_VERSION}", self.version));
        }
        let mut rest = self.payload;
        let mut events = Vec::new();
        for index in 0..self.count {
            let (event, after) = postcard::take_from_bytes(rest)
                .map_err(|error| format!("event {index} of {}: {error}", self.count))?;
            events.push(event);
            rest = after;
        }
        if rest.is_empty() { Ok(events) } else { Err("bytes follow the last event".to_owned()) }
    }
}

/// The events of one append as bytes, made by the caller before the log's thread sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where each event ends.
    ends: Vec<usize>,
}

impl Batch {
    pub(crate) fn encode(events: &[Event]) -> Result<Batch> {
        let mut batch = Batch { bytes: Vec::with_capacity(events.len() * 160), ends: Vec::new() };
        for event in events {
            batch.bytes = postcard::to_extend(event, batch.bytes).map_err(|error| {
                Error::because(ErrorKind::Unsupported, "an event cannot be written", error)
            })?;
            batch.ends.push(batch.bytes.len());
        }
        Ok(batch)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The same batch without the events for which `keep` is false.
    pub(crate) fn keep(&self, keep: &[bool]) -> Batch {
        let mut kept = Batch::default();
        let mut start = 0;
        for (&end, &keep) in self.ends.iter().zip(keep) {
            if keep {
                kept.bytes.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
                kept.ends.push(kept.bytes.len());
            }
            start = end;
        }
        kept
    }

    /// Appends the batch as a frame.
    pub(crate) fn frame(&self, first_seq: u64, ids: Ids, durable: u64, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend(FRAME_MAGIC);
        into.extend((self.bytes.len() as u32).to_le_bytes());
        into.extend(first_seq.to_le_bytes());
        into.extend((self.ends.len() as u32).to_le_bytes());
        into.extend([u8::from(ids == Ids::Ledger), EVENTS_VERSION, 0, 0]);
        into.extend(durable.to_le_bytes());
        let crc = crc32c::crc32c(into.get(start..).unwrap_or_default());
        into.extend(crc32c::crc32c_append(crc, &self.bytes).to_le_bytes());
        into.extend_from_slice(&self.bytes);
    }
}

/// Finds the next sound frame at or after `from`.
pub(crate) fn next_frame(bytes: &[u8], from: usize) -> Option<(usize, Frame<'_>)> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.windows(4).position(|window| window == FRAME_MAGIC)?;
        if let Some(frame) = bytes.get(at..).and_then(Frame::decode) {
            return Some((at, frame));
        }
        at += 1;
    }
}

/// See [`crate::fuzzing`].
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(bytes: &[u8]) {
    drop(SegmentHeader::decode(Path::new("segment"), bytes));
    let mut from = 0;
    while let Some((at, frame)) = next_frame(bytes, from) {
        drop(frame.events());
        from = at + frame.len();
        assert!(from <= bytes.len(), "a frame lies outside of its bytes");
    }
    for count in [0, 1, 2, u32::MAX] {
        let frame = Frame {
            first_seq: 0,
            count,
            ids: Ids::Window,
            version: EVENTS_VERSION,
            durable: 0,
            payload: bytes,
        };
        drop(frame.events());
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    found.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    found.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
