use std::{path::Path, sync::Arc};

use proptest::prelude::*;
use wayfarer_event::{Event, Micros, VisitorId};

use super::{
    format::{FRAME_HEADER, Frame, SEGMENT_HEADER},
    recover::{Recovery, recover, segment_path},
    *,
};
use crate::{Error, ErrorKind, Ids, Result, storage::Disk};

const WRITER: u64 = 7;

fn event(n: u64) -> Event {
    Event {
        site: "a.example".into(),
        name: "page_view".into(),
        visitor: VisitorId(n),
        ts: Micros(n as i64),
        path: Some(format!("/{n}").into()),
        ..Event::default()
    }
}

/// A log of groups of one frame each, with this many events.
fn write(folder: &Path, groups: &[u64], segment_bytes: u64) -> Result<()> {
    let (recovery, _) = read(folder)?;
    let mut seq = recovery.next_seq;
    let mut log = Log::new(Arc::new(Disk), folder, WRITER, segment_bytes, recovery);
    for &count in groups {
        let durable = log.prepare(seq)?;
        let events: Vec<Event> = (seq..seq + count).map(event).collect();
        let mut bytes = Vec::new();
        Batch::encode(&events)?.frame(seq, Ids::Window, durable, &mut bytes);
        seq += count;
        log.commit(&bytes, seq)?;
    }
    Ok(())
}

fn read(folder: &Path) -> Result<(Recovery, Vec<Event>)> {
    let mut events = Vec::new();
    let recovery = recover(&Disk, folder, WRITER, 1, &mut |batch| {
        events.extend(batch.events);
        Ok(())
    })?;
    Ok((recovery, events))
}

fn expected(count: u64) -> Vec<Event> {
    (1..=count).map(event).collect()
}

fn refused(folder: &Path) -> Error {
    read(folder).unwrap_err()
}

#[test]
fn what_was_written_comes_back_over_segments_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[1, 3, 2], 100).unwrap();
    write(folder.path(), &[4], 100).unwrap();
    let (recovery, events) = read(folder.path()).unwrap();
    assert_eq!(events, expected(10));
    assert_eq!((recovery.next_seq, recovery.closed.len()), (11, 4));
    assert!(recovery.cut.is_empty());
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_all_before_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[2, 2], 1 << 20).unwrap();
    let path = segment_path(folder.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    let first = SEGMENT_HEADER + Frame::decode(&whole[SEGMENT_HEADER..]).unwrap().len();
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let (recovery, events) = read(folder.path()).unwrap();
        assert_eq!(events, expected(if end >= first { 2 } else { 0 }), "cut at {end}");
        let clean = [SEGMENT_HEADER, first].contains(&end);
        assert_eq!(recovery.cut.len(), usize::from(!clean), "cut at {end}");
        let (again, _) = read(folder.path()).unwrap();
        assert!(again.cut.is_empty(), "the cut is durable");
    }
}

#[test]
fn damage_before_what_was_durable_is_refused_with_file_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[2, 2], 1 << 20).unwrap();
    let path = segment_path(folder.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    let first = Frame::decode(&whole[SEGMENT_HEADER..]).unwrap().len();
    for at in 0..SEGMENT_HEADER + first {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        let error = refused(folder.path());
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
        let offset = if at < SEGMENT_HEADER { 0 } else { SEGMENT_HEADER };
        assert!(error.to_string().contains("0000000000000001.wal"), "{error}");
        assert!(error.to_string().ends_with(&format!("offset {offset}")), "{error}");
    }
}

/// Who sends events cannot write a frame into a text that would keep a torn log from being opened.
#[test]
fn a_frame_within_an_event_testifies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[2], 1 << 20).unwrap();
    let path = segment_path(folder.path(), 1);
    let sound = std::fs::read(&path).unwrap();
    let at = sound.len() as u64;
    // Text has no zeros, so what it says of the next event and of the durable length is beyond all bounds.
    for (seq, durable) in [(u64::MAX / 2, at + 1), (3, u64::MAX / 2), (2, at + 1)] {
        let mut forged = b"a torn frame, and in it ".to_vec();
        Batch::default().frame(seq, Ids::Window, durable, &mut forged);
        std::fs::write(&path, [&sound[..], &forged].concat()).unwrap();
        let (recovery, events) = read(folder.path()).unwrap();
        assert_eq!((events, recovery.cut.len()), (expected(2), 1), "{seq} {durable}");
    }
}

#[test]
fn a_damaged_segment_that_is_not_the_last_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[2, 2], 1).unwrap();
    let path = segment_path(folder.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(refused(folder.path()).kind(), ErrorKind::Corrupt);
}

#[test]
fn a_missing_segment_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[2, 2, 2], 1).unwrap();
    std::fs::remove_file(segment_path(folder.path(), 2)).unwrap();
    let error = refused(folder.path());
    assert!(error.to_string().contains("starts with event 5 where 3 was due"), "{error}");
}

#[test]
fn a_newer_version_and_another_writer_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[1], 1 << 20).unwrap();
    let path = segment_path(folder.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    let mut newer = whole.clone();
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..SEGMENT_HEADER - 4]);
    newer[SEGMENT_HEADER - 4..SEGMENT_HEADER].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, &newer).unwrap();
    assert_eq!(refused(folder.path()).kind(), ErrorKind::NewerVersion);
    std::fs::write(&path, &whole).unwrap();
    let other = recover(&Disk, folder.path(), WRITER + 1, 1, &mut |_| Ok(()));
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn sealed_frames_are_passed_over_and_their_segments_go() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[2, 2, 2], 1).unwrap();
    let mut events = Vec::new();
    let recovery = recover(&Disk, folder.path(), WRITER, 5, &mut |batch| {
        events.extend(batch.events);
        Ok(())
    });
    assert_eq!(events, [event(5), event(6)]);
    let mut log = Log::new(Arc::new(Disk), folder.path(), WRITER, 1, recovery.unwrap());
    log.remove_sealed(5).unwrap();
    assert_eq!(log.size().0, 1);
}

/// The bytes of version 1, as the first release wrote them. Never changed: a new version gets its own fixture.
fn version_1() -> Vec<u8> {
    let path = std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/tests/fixtures/wal-v1.hex";
    let text = std::fs::read_to_string(path).unwrap();
    let digits: String = text.split_whitespace().collect();
    let places = (0..digits.len()).step_by(2);
    places.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn version_1_stays_readable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(segment_path(folder.path(), 1), version_1()).unwrap();
    assert_eq!(read(folder.path()).unwrap().1, [full_event(), event(2)]);
}

/// An event with every field.
fn full_event() -> Event {
    let text = |name: &str| Some(name.into());
    Event {
        session: text("session"),
        user: text("user"),
        received_at: Micros(2),
        id: text("id"),
        host: text("host"),
        route: text("route"),
        method: text("GET"),
        status: Some(200),
        latency_ms: Some(1.5),
        title: text("页"),
        referrer: text("referrer"),
        source: text("source"),
        channel: text("channel"),
        utm_source: text("us"),
        utm_medium: text("um"),
        utm_campaign: text("uc"),
        utm_term: text("ut"),
        utm_content: text("uco"),
        click_id: text("gclid"),
        country: text("DE"),
        region: text("DE-BE"),
        city: text("Berlin"),
        language: text("de"),
        browser: text("Firefox"),
        browser_version: text("150"),
        os: text("Linux"),
        os_version: text("7"),
        device: text("desktop"),
        screen: text("1x1"),
        active_ms: Some(3),
        scroll: Some(4),
        value: Some(-2.5),
        currency: text("EUR"),
        bot_reason: text("bot"),
        props: text("{}"),
        ..event(1)
    }
}

#[test]
fn version_1_is_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let recovery = Recovery { next_seq: 1, next_number: 1, ..Recovery::default() };
    let mut log = Log::new(Arc::new(Disk), folder.path(), WRITER, 1 << 20, recovery);
    for (seq, event) in [(1, full_event()), (2, event(2))] {
        let durable = log.prepare(seq).unwrap();
        let mut bytes = Vec::new();
        Batch::encode(&[event]).unwrap().frame(seq, Ids::Window, durable, &mut bytes);
        log.commit(&bytes, seq + 1).unwrap();
    }
    assert_eq!(std::fs::read(segment_path(folder.path(), 1)).unwrap(), version_1());
}

/// A change that no crash makes, at a place of a file.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    /// A piece of the file once more, elsewhere.
    Repeat(usize, usize, usize),
}

impl Harm {
    fn any() -> impl Strategy<Value = Harm> {
        let place = || 0usize..4000;
        prop_oneof![
            (place(), 1u8..).prop_map(|(at, with)| Harm::Flip(at, with)),
            place().prop_map(Harm::Cut),
            (place(), prop::collection::vec(any::<u8>(), 1..40))
                .prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
            (place(), place(), 1usize..200).prop_map(|(from, to, len)| Harm::Repeat(from, to, len)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len().max(1);
        match self {
            Harm::Flip(at, with) => {
                if let Some(byte) = bytes.get_mut(at % len) {
                    *byte ^= with;
                }
            }
            Harm::Cut(at) => bytes.truncate(at % len),
            Harm::Insert(at, new) => {
                let at = at % len;
                bytes.splice(at..at, new.iter().copied());
            }
            Harm::Repeat(from, to, count) => {
                let from = from % len;
                let piece = bytes[from..bytes.len().min(from + count)].to_vec();
                let to = to % len;
                bytes.splice(to..to, piece);
            }
        }
    }
}

/// Frames whose checksums are right and whose contents nobody would write.
#[test]
fn a_frame_that_lies_is_refused() {
    let first = {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[1], 1 << 20).unwrap();
        std::fs::read(segment_path(folder.path(), 1)).unwrap()[..SEGMENT_HEADER].to_vec()
    };
    let batch = |events: &[Event]| Batch::encode(events).unwrap();
    let frames: [(u64, Batch); 4] = [
        (u64::MAX, batch(&[event(1)])),
        (u64::MAX - 1, batch(&[event(1), event(2), event(3)])),
        (2, batch(&[event(1)])),
        (0, batch(&[event(1), event(2)])),
    ];
    for (first_seq, batch) in frames {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = first.clone();
        batch.frame(first_seq, Ids::Window, u64::MAX, &mut bytes);
        std::fs::write(segment_path(folder.path(), 1), bytes).unwrap();
        assert_eq!(refused(folder.path()).kind(), ErrorKind::Corrupt, "first {first_seq}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(segment_path(folder.path(), u64::MAX), &first).unwrap();
    assert_eq!(refused(folder.path()).kind(), ErrorKind::Corrupt);
}

proptest! {
    /// Whatever is done to its files, a log gives back a beginning of what was written, or an error, and never panics.
    #[test]
    fn a_harmed_log_gives_a_beginning_or_an_error(
        groups in prop::collection::vec(1u64..5, 1..8),
        segment_bytes in 100u64..2000,
        harms in prop::collection::vec((any::<prop::sample::Index>(), Harm::any()), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &groups, segment_bytes).unwrap();
        let mut paths: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for (which, harm) in &harms {
            let path = which.get(&paths);
            let mut bytes = std::fs::read(path).unwrap();
            harm.apply(&mut bytes);
            std::fs::write(path, bytes).unwrap();
        }
        if let Ok((recovery, events)) = read(folder.path()) {
            let all = expected(groups.iter().sum());
            prop_assert!(all.starts_with(&events));
            prop_assert_eq!(recovery.next_seq, events.len() as u64 + 1);
            // What was cut off is cut off for good.
            prop_assert_eq!(read(folder.path()).unwrap().1, events);
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic_or_come_back_as_a_frame(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Frame::decode(&bytes).is_none());
    }

    #[test]
    fn a_batch_without_some_events_is_the_batch_of_the_others(keep in prop::collection::vec(any::<bool>(), 1..20)) {
        let events: Vec<Event> = (0..keep.len() as u64).map(event).collect();
        let mut bytes = Vec::new();
        Batch::encode(&events).unwrap().keep(&keep).frame(1, Ids::Ledger, 0, &mut bytes);
        let frame = Frame::decode(&bytes).unwrap();
        let kept = events.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(event, _)| event);
        prop_assert_eq!(frame.events().unwrap(), kept.collect::<Vec<_>>());
        prop_assert_eq!(frame.ids, Ids::Ledger);
        prop_assert_eq!(frame.len(), bytes.len());
        prop_assert!(frame.len() >= FRAME_HEADER);
    }
}
