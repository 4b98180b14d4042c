//! The log's thread: it alone gives out `seq`, decides which ids are new, writes the log, and moves rows for readers.
//!
//! Batches that arrive while the disk syncs wait in a channel and go into the next group together. A batch is answered
//! when its group is durable and its rows are in every view. Control commands, such as freezing the hot rows for a seal,
//! come through the same channel and so fall between groups.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
};

use tokio::sync::{Notify, oneshot};
use wayfarer_event::Event;

use crate::{
    Appended, Error, ErrorKind, Ids, Result, Stored,
    file::DataFile,
    hot::Chunk,
    ids::{Fingerprint, HotIds, IdFile, Seen, fingerprint},
    own_id,
    rule::Rules,
    state::{Reserved, Shared},
    wal::{Batch, Log},
};

/// A group is written once it has this many bytes, though more may wait.
const GROUP_BYTES: usize = 4 << 20;

/// What the thread is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Append(Box<Request>),
    /// Takes the hot rows for a seal, or gives those of the last one that failed again.
    Freeze(oneshot::Sender<Option<Frozen>>),
    /// A seal is in the catalog.
    Sealed(Box<Sealed>, oneshot::Sender<()>),
    /// Declines what these persons did up to a time, from now on.
    Decline(Vec<Fingerprint>, i64, oneshot::Sender<()>),
    /// Removes every segment that holds nothing but sealed events, and what is left of groups that failed.
    Sweep(oneshot::Sender<Result<()>>),
    /// Reads the log again: how many segments, and what is wrong with them.
    Check(oneshot::Sender<(u64, Vec<String>)>),
    Close(oneshot::Sender<()>),
}

/// A batch that waits to become durable.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) events: Vec<Event>,
    pub(crate) ids: Ids,
    /// The fingerprint of each event's id.
    pub(crate) prints: Vec<Option<Fingerprint>>,
    pub(crate) batch: Batch,
    pub(crate) reserved: Reserved,
    pub(crate) answer: oneshot::Sender<Result<Appended>>,
}

impl Request {
    /// Works out, on the caller's thread, what the log's thread needs.
    pub(crate) fn new(
        events: Vec<Event>,
        ids: Ids,
        batch: Batch,
        reserved: Reserved,
        answer: oneshot::Sender<Result<Appended>>,
    ) -> Request {
        let prints = events.iter().map(fingerprint).collect();
        Request { events, ids, prints, batch, reserved, answer }
    }
}

/// Rows that are to be sealed: they stay readable meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    pub(crate) chunks: Vec<Arc<Chunk>>,
    pub(crate) ids: Arc<HotIds>,
    /// The files of ids in which these ids were all looked for.
    pub(crate) asked: Vec<Arc<IdFile>>,
    /// One more than the last `seq`.
    pub(crate) end_seq: u64,
}

/// What a committed seal changed.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) snapshot: u64,
    pub(crate) next_seq: u64,
    pub(crate) files: Vec<Arc<DataFile>>,
    pub(crate) id_files: Vec<Arc<IdFile>>,
}

/// The thread's own state.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) seen: Seen,
    pub(crate) rules: Rules,
    pub(crate) next_seq: u64,
    /// Up to here events are sealed.
    pub(crate) sealed_seq: u64,
    pub(crate) frozen: Option<Frozen>,
    /// Woken when there is enough to seal.
    pub(crate) seal: Arc<Notify>,
    pub(crate) seal_bytes: usize,
}

impl Committer {
    /// Starts the thread. It ends with `Close`, or when the last sender goes.
    pub(crate) fn start(self) -> Result<mpsc::Sender<Command>> {
        let (sender, commands) = mpsc::channel();
        thread::Builder::new()
            .name("wayfarer-log".to_owned())
            .spawn(move || self.run(&commands))
            .map_err(|e| Error::because(ErrorKind::Io, "cannot start the log's thread", e))?;
        Ok(sender)
    }

    fn run(mut self, commands: &mpsc::Receiver<Command>) {
        self.measure();
        while let Ok(first) = commands.recv() {
            let mut group = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Append(request) => {
                        bytes += request.batch.bytes();
                        group.push(*request);
                    }
                    Command::Close(done) => {
                        self.commit(std::mem::take(&mut group));
                        let _ = done.send(());
                        return;
                    }
                    control => {
                        self.commit(std::mem::take(&mut group));
                        self.control(control);
                    }
                }
                next = if bytes < GROUP_BYTES { commands.try_recv().ok() } else { None };
            }
            self.commit(group);
        }
    }

    fn control(&mut self, command: Command) {
        match command {
            Command::Freeze(answer) => {
                let frozen = self.freeze();
                self.measure();
                let _ = answer.send(frozen);
            }
            Command::Sealed(sealed, done) => {
                self.take_sealed(*sealed);
                self.measure();
                let _ = done.send(());
            }
            Command::Decline(rules, until, done) => {
                self.rules.add(&rules, until);
                let _ = done.send(());
            }
            Command::Sweep(answer) => {
                let swept = self.log.sweep(self.sealed_seq);
                self.measure();
                let _ = answer.send(swept);
            }
            Command::Check(answer) => {
                let _ = answer.send(self.log.check());
            }
            Command::Append(_) | Command::Close(_) => {}
        }
    }

    /// Makes a group durable and answers every batch of it.
    fn commit(&mut self, requests: Vec<Request>) {
        if requests.is_empty() {
            return;
        }
        let mut group = Group { next_seq: self.next_seq, ..Group::default() };
        let durable = match self.log.prepare(self.next_seq) {
            Ok(durable) => durable,
            Err(error) => return refuse(requests, &error),
        };
        for request in requests {
            group.add(request, &mut self.seen, &self.rules, durable);
        }
        if !group.bytes.is_empty() {
            if let Err(error) = self.log.commit(&group.bytes, group.next_seq) {
                return self.give_up(group, &error);
            }
            self.shared.counters.log_syncs.add(1);
            self.shared.counters.log_bytes.add(group.bytes.len() as u64);
        }
        self.publish(group);
    }

    fn give_up(&mut self, group: Group, error: &Error) {
        for accepted in group.accepted {
            for id in accepted.fresh {
                self.seen.forget(id);
            }
            let _ = accepted.answer.send(Err(error.clone()));
        }
    }

    /// Shows a durable group to readers and listeners, then answers.
    fn publish(&mut self, group: Group) {
        let listened = self.shared.listeners.any();
        let stored = group.next_seq.saturating_sub(self.next_seq) as usize;
        let mut live = Vec::with_capacity(if listened { stored } else { 0 });
        let mut answers = Vec::with_capacity(group.accepted.len());
        let mut rows = self.shared.rows();
        for accepted in group.accepted {
            for (event, seq) in accepted.events.into_iter().zip(accepted.first_seq..) {
                let event = with_id(event, self.shared.writer, seq);
                rows.oldest_hot.get_or_insert(event.received_at.0);
                rows.hot.push(&event);
                if listened {
                    live.push(Stored { event, writer: self.shared.writer, seq });
                }
            }
            answers.push((accepted.answer, accepted.appended, accepted.reserved));
        }
        rows.next_seq = group.next_seq;
        let hot_bytes = rows.hot.bytes();
        drop(rows);
        self.next_seq = group.next_seq;
        if !live.is_empty() {
            self.shared.listeners.send(live);
        }
        self.measure();
        if hot_bytes >= self.seal_bytes {
            self.seal.notify_one();
        }
        for (answer, appended, reserved) in answers {
            drop(reserved);
            let _ = answer.send(Ok(appended));
        }
    }

    fn freeze(&mut self) -> Option<Frozen> {
        if self.frozen.is_none() {
            let mut rows = self.shared.rows();
            let chunks = rows.hot.take();
            if chunks.is_empty() {
                return None;
            }
            rows.sealing.clone_from(&chunks);
            rows.oldest_sealing = rows.oldest_hot.take();
            drop(rows);
            // The segments so far hold nothing younger than the seal, so they can go after it.
            self.log.close_segment();
            let (ids, asked) = self.seen.freeze();
            self.frozen = Some(Frozen { chunks, ids, asked, end_seq: self.next_seq });
        }
        self.frozen.clone()
    }

    fn take_sealed(&mut self, sealed: Sealed) {
        let mut rows = self.shared.rows();
        let snapshot = std::mem::replace(&mut rows.snapshot, sealed.snapshot);
        let before = std::mem::replace(&mut rows.files, sealed.files.into());
        let now: HashSet<u64> = rows.files.iter().map(|file| file.id).collect();
        let gone = before.iter().filter(|file| !now.contains(&file.id));
        self.shared.retire(gone.map(Arc::downgrade));
        self.shared.hold(snapshot, &before);
        self.shared.resident.keep(&now);
        if self.frozen.take_if(|frozen| frozen.end_seq <= sealed.next_seq).is_some() {
            rows.sealing.clear();
            rows.oldest_sealing = None;
            self.seen.sealed();
        }
        drop(rows);
        self.seen.replace_files(sealed.id_files);
        self.sealed_seq = sealed.next_seq;
        if let Err(error) = self.log.remove_sealed(sealed.next_seq) {
            tracing::warn!(%error, "a segment of the log stays for now");
        }
    }

    fn measure(&self) {
        let rows = self.shared.rows();
        // What is being sealed is about as large as it was when it was hot; it is counted by its rows.
        let sealing: usize = rows.sealing.iter().map(|chunk| chunk.bytes()).sum();
        self.shared.hot_bytes.store(rows.hot.bytes() + sealing, Ordering::Relaxed);
        drop(rows);
        let (segments, bytes) = self.log.size();
        self.shared.wal_segments.store(segments, Ordering::Relaxed);
        self.shared.wal_bytes.store(bytes, Ordering::Relaxed);
    }
}

fn refuse(requests: Vec<Request>, error: &Error) {
    for request in requests {
        let _ = request.answer.send(Err(error.clone()));
    }
}

/// An event that came without an id gets our own.
pub(crate) fn with_id(mut event: Event, writer: u64, seq: u64) -> Event {
    event.id.get_or_insert_with(|| own_id(writer, seq));
    event
}

/// Batches that become durable together.
#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    next_seq: u64,
    accepted: Vec<Accepted>,
}

#[derive(Debug)]
struct Accepted {
    /// The events that are stored: those without the duplicates.
    events: Vec<Event>,
    first_seq: u64,
    /// Ids that were new with this batch.
    fresh: Vec<Fingerprint>,
    appended: Appended,
    reserved: Reserved,
    answer: oneshot::Sender<Result<Appended>>,
}

impl Group {
    /// Adds a batch without its duplicates, or answers it with the error that came up.
    fn add(&mut self, request: Request, seen: &mut Seen, rules: &Rules, durable: u64) {
        let Request { events, ids, prints, batch, reserved, answer } = request;
        let mut fresh = Vec::new();
        let declined: Vec<bool> = events.iter().map(|event| rules.decline(event)).collect();
        let keep = match new_ones(&prints, &declined, ids, seen, &mut fresh) {
            Ok(keep) => keep,
            Err(error) => {
                fresh.into_iter().for_each(|id| seen.forget(id));
                let _ = answer.send(Err(error));
                return;
            }
        };
        let total = events.len();
        let (events, batch) = if keep.contains(&false) {
            let kept = events.into_iter().zip(&keep).filter(|(_, keep)| **keep);
            (kept.map(|(event, _)| event).collect(), batch.keep(&keep))
        } else {
            (events, batch)
        };
        let stored = events.len();
        let first_seq = self.next_seq;
        if stored > 0 {
            batch.frame(first_seq, ids, durable, &mut self.bytes);
            self.next_seq += stored as u64;
        }
        let declined = declined.into_iter().filter(|declined| *declined).count();
        let appended = Appended { stored, duplicates: total - stored - declined, declined };
        self.accepted.push(Accepted { events, first_seq, fresh, appended, reserved, answer });
    }
}

/// Which events of a batch are new and not declined; their ids go into `fresh`.
fn new_ones(
    prints: &[Option<Fingerprint>],
    declined: &[bool],
    ids: Ids,
    seen: &mut Seen,
    fresh: &mut Vec<Fingerprint>,
) -> Result<Vec<bool>> {
    let mut keep = Vec::with_capacity(prints.len());
    for (print, declined) in prints.iter().zip(declined) {
        let new = match *print {
            _ if *declined => false,
            None => true,
            Some(id) => {
                let new = seen.insert(id, ids)?;
                if new {
                    fresh.push(id);
                }
                new
            }
        };
        keep.push(new);
    }
    Ok(keep)
}
