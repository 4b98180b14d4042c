//! Sealed rows that stay in memory, decoded and in one order, for all reports of a process.
//!
//! Files never change, so what was decoded of one holds as long as the file is part of the lake. Files that belong together
//! (the days and weeks of a month, small files that were sealed one after the other) are kept as one [`Bundle`]: its rows are
//! put in order once, and a report reads one run where there were thirty. A large file stays by itself, since its rows are in
//! order as they lie. Columns are decoded when a report first needs them.
//!
//! Memory is bounded by [`Options::resident_bytes`](crate::Options::resident_bytes): what was not used for longest goes,
//! and what does not fit is read from its files. When a file leaves the lake, its bundle leaves memory in the same moment.
//!
//! Start with [`Resident::prepare`]; `bundle` is what is kept, `order` where its rows lie, `builder` how a
//! column comes there, `packed` and `times` what it takes, and `run` how it is read.

mod builder;
mod bundle;
mod order;
mod packed;
mod run;
mod times;

use std::{
    collections::HashSet,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use hashbrown::HashMap;
use wayfarer_event::{Column, Kind, Micros};

use self::bundle::Bundle;
pub(crate) use self::run::{Placed, ResidentRun};
use crate::{
    Result, Scan,
    file::{DataFile, SiteSpan, read::known_rows},
    hot::is_distinct,
    period::Period,
};

/// Files with fewer rows are not kept with those of their month: they will soon be merged.
const SMALL_ROWS: u64 = 64 << 10;
/// Files with so many rows are kept by themselves: to put them in order with others would take longer than what it saves.
const LARGE_ROWS: u64 = 1 << 20;
/// How many small files are kept together, by their ids: a new one disturbs no others.
const SMALL_FILES: u64 = 16;
/// How many columns the disk is told of before they are decoded: if it knew of more, it would fetch what lies near before what
/// is needed first.
const AHEAD: usize = 4;
/// Bytes of a row for its time, its visitor and its place.
const ROW_BYTES: u64 = 10;

/// What is kept.
#[derive(Debug)]
pub(crate) struct Resident {
    limit: usize,
    kept: Mutex<Kept>,
    /// One prepares at a time: who comes next finds what is there then.
    preparing: Mutex<()>,
}

#[derive(Debug)]
struct Kept {
    /// The files of the newest snapshot.
    live: HashSet<u64>,
    bundles: HashMap<Key, Entry>,
    /// How many rows of a group were wanted since it was worth decoding, by scans that read them from files.
    passed_by: HashMap<Key, u64>,
    turn: u64,
}

#[derive(Debug)]
struct Entry {
    bundle: Arc<Bundle>,
    used: u64,
}

/// Which rows: of a site, in these files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    site: String,
    files: Vec<u64>,
}

/// Files of a site that are kept as one bundle, those of earlier times first.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) files: Vec<(Arc<DataFile>, SiteSpan)>,
}

/// Why files are kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Together {
    Month(Period),
    Alone(u64),
    /// What is still merged with new rows every now and then.
    Newest,
    Small(u64),
}

impl Key {
    /// Whether all of its files are among these.
    fn is_among(&self, files: &HashSet<u64>) -> bool {
        self.files.iter().all(|file| files.contains(file))
    }
}

impl Group {
    /// The files that have rows of a site, in groups.
    pub(crate) fn all(files: &[Arc<DataFile>], site: &str) -> Vec<Group> {
        let spans = files.iter().filter_map(|file| Some((file, file.span(site)?)));
        let newest = spans.clone().map(|(_, span)| *span.times.end()).max().unwrap_or(i64::MIN);
        let mut groups: Vec<(Together, Group)> = Vec::new();
        for (file, span) in spans {
            let together = match (span.rows < SMALL_ROWS, span.times.end()) {
                (true, _) => Together::Small(file.id / SMALL_FILES),
                (_, end) if *end > newest.saturating_sub(Micros::DAY) => Together::Newest,
                (false, _) if span.rows >= LARGE_ROWS => Together::Alone(file.id),
                _ => Together::Month(Period::month(*span.times.start())),
            };
            let file = (Arc::clone(file), span.clone());
            match groups.iter_mut().find(|(known, _)| *known == together) {
                Some((_, group)) => group.files.push(file),
                None => groups.push((together, Group { files: vec![file] })),
            }
        }
        for (_, group) in &mut groups {
            group.files.sort_by_key(|(file, span)| (*span.times.start(), file.id));
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// The files that may have rows of a scan.
    pub(crate) fn wanted(&self, scan: &Scan) -> impl Iterator<Item = &(Arc<DataFile>, SiteSpan)> {
        let wanted = scan.wanted();
        let overlap = |a: &RangeInclusive<u64>, b: &RangeInclusive<u64>| {
            a.start() <= b.end() && a.end() >= b.start()
        };
        self.files.iter().filter(move |(_, span)| {
            overlap(&span.visitors, &wanted.visitors)
                && wanted.overlaps(*span.times.start(), *span.times.end())
        })
    }

    fn rows(&self) -> u64 {
        self.files.iter().map(|(_, span)| span.rows).sum()
    }

    fn newest(&self) -> i64 {
        self.files.iter().map(|(_, span)| *span.times.end()).max().unwrap_or(i64::MIN)
    }

    /// How many rows the files have that may have rows of a scan.
    fn rows_for(&self, scan: &Scan) -> u64 {
        self.wanted(scan).map(|(_, span)| span.rows).sum()
    }

    fn key(&self, site: &str) -> Key {
        Key { site: site.to_owned(), files: self.files.iter().map(|(file, _)| file.id).collect() }
    }

    /// About how many bytes a column takes.
    fn estimate(&self, column: Column) -> Result<usize> {
        let (mut known, rows) = (0, self.rows());
        for (file, _) in &self.files {
            known += known_rows(file, column)?;
        }
        let bytes = match column.kind() {
            // One or two bytes, mostly.
            Kind::Text => {
                if known == 0 {
                    0
                } else {
                    2 * rows
                }
            }
            Kind::F64 | Kind::Time | Kind::I64 | Kind::U64 => (12 * known).min(9 * rows),
        };
        Ok(bytes as usize)
    }
}

impl Resident {
    pub(crate) fn new(limit: usize, live: HashSet<u64>) -> Resident {
        let kept = Kept { live, bundles: HashMap::new(), passed_by: HashMap::new(), turn: 0 };
        Resident { limit, kept: Mutex::new(kept), preparing: Mutex::new(()) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much memory is taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.kept().bytes()
    }

    /// Lets go of what has rows of a file that is not among these.
    pub(crate) fn keep(&self, live: &HashSet<u64>) {
        let mut kept = self.kept();
        kept.bundles.retain(|key, _| key.is_among(live));
        kept.passed_by.retain(|key, _| key.is_among(live));
        kept.live.clone_from(live);
    }

    /// The rows of a group as one run, if all that a scan asks for is in memory.
    pub(crate) fn run(&self, group: &Group, scan: &Scan) -> Option<ResidentRun> {
        if self.limit == 0 {
            return None;
        }
        let mut kept = self.kept();
        kept.turn += 1;
        let turn = kept.turn;
        let entry = kept.bundles.get_mut(&group.key(&scan.site))?;
        entry.used = turn;
        ResidentRun::new(&entry.bundle, scan)
    }

    /// Brings what a scan asks for into memory, as far as it fits: what is newer comes first. Blocking.
    ///
    /// # Errors
    /// When a file cannot be read, or is damaged.
    pub(crate) fn prepare(
        &self,
        groups: &[Group],
        scan: &Scan,
        threads: usize,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<()> {
        if self.limit == 0 || scan.columns.iter().any(|column| is_distinct(*column)) {
            return Ok(());
        }
        let one_at_a_time = self.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        // How much there is to come stands in the footers.
        let files = groups.iter().flat_map(|group| group.wanted(scan));
        let files: Vec<_> = files.filter(|(file, _)| !file.has_footer()).collect();
        let expect = |(file, _): &&(Arc<DataFile>, SiteSpan)| file.expect_footer();
        let read = |(file, _): &&(Arc<DataFile>, SiteSpan)| file.footer().map(drop);
        in_parallel(&files, threads, goes_on, read, (files.len(), expect))?;
        let bundles = self.admit(groups, scan)?;
        // Who finds nothing left to put in order goes on with columns of what is.
        let orders = bundles.iter().map(|bundle| (bundle, None));
        let columns =
            bundles.iter().flat_map(|bundle| scan.columns.iter().map(move |c| (bundle, Some(*c))));
        let lacks = |(bundle, column): &(&Arc<Bundle>, Option<Column>)| !bundle.has(*column);
        let work: Vec<_> = orders.chain(columns).filter(lacks).collect();
        let expect = |(bundle, column): &(&Arc<Bundle>, Option<Column>)| bundle.expect(*column);
        let bring = |(bundle, column): &(&Arc<Bundle>, Option<Column>)| match column {
            None => bundle.sort(self.limit),
            Some(column) => bundle.decode(*column, self.limit),
        };
        in_parallel(&work, threads, goes_on, bring, (AHEAD, expect))?;
        // What was estimated is known now.
        self.kept().make_room(0, self.limit);
        drop(one_at_a_time);
        Ok(())
    }

    /// Makes room for what fits of a scan, and says what that is; what takes longest first.
    fn admit(&self, groups: &[Group], scan: &Scan) -> Result<Vec<Arc<Bundle>>> {
        let is_wanted =
            |group: &&Group| group.rows_for(scan) > 0 && group.rows() < u64::from(u32::MAX);
        let mut wanted: Vec<&Group> = groups.iter().filter(is_wanted).collect();
        wanted.sort_by_key(|group| std::cmp::Reverse(group.newest()));
        let (mut chosen, mut total) = (Vec::new(), 0);
        for group in wanted {
            let key = group.key(&scan.site);
            let known = self.kept().bundles.get(&key).map(|entry| Arc::clone(&entry.bundle));
            let bundle = known.unwrap_or_else(|| Arc::new(Bundle::new(&group.files)));
            if bundle.is_left_in_files() {
                continue;
            }
            let mut lacking = 0;
            if !bundle.has(None) {
                lacking += (ROW_BYTES * group.rows()) as usize;
            }
            for &column in scan.columns.iter().filter(|column| !bundle.has(Some(**column))) {
                lacking += group.estimate(column)?;
            }
            if lacking > 0 && !self.kept().is_worth(&key, group, scan) {
                continue;
            }
            if total + bundle.bytes() + lacking > self.limit {
                bundle.keep_columns(&scan.columns);
            }
            if total + bundle.bytes() + lacking <= self.limit {
                total += bundle.bytes() + lacking;
                chosen.push((key, bundle, lacking));
            }
        }
        self.kept().insert(&chosen, self.limit);
        chosen.sort_by_key(|(_, bundle, _)| std::cmp::Reverse(bundle.effort()));
        Ok(chosen.into_iter().map(|(_, bundle, _)| bundle).collect())
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.bundles.values().map(|entry| entry.bundle.bytes()).sum()
    }

    /// Whether it pays to decode all of a group: a scan wants half of its rows, or did so together with those before it that
    /// wanted fewer. So what is decoded for nothing is never more than twice what was read.
    fn is_worth(&mut self, key: &Key, group: &Group, scan: &Scan) -> bool {
        // A view may be older than the newest snapshot.
        let lives = key.is_among(&self.live);
        let before = self.passed_by.get(key).copied().unwrap_or_default();
        let wanted = before.saturating_add(group.rows_for(scan));
        let is_worth = wanted.saturating_mul(2) >= group.rows();
        match lives && !is_worth {
            true => self.passed_by.insert(key.clone(), wanted),
            false => self.passed_by.remove(key),
        };
        is_worth
    }

    /// Takes bundles in, each with the bytes that it will grow by.
    fn insert(&mut self, chosen: &[(Key, Arc<Bundle>, usize)], limit: usize) {
        self.turn += 1;
        for (key, bundle, _) in chosen {
            // A view may be older than the newest snapshot. What only it has is read by it alone.
            if key.is_among(&self.live) {
                let entry = Entry { bundle: Arc::clone(bundle), used: self.turn };
                self.bundles.insert(key.clone(), entry);
            }
        }
        self.make_room(chosen.iter().map(|(_, _, growth)| growth).sum(), limit);
    }

    /// Lets go of what was not used for longest, until so many bytes more fit.
    fn make_room(&mut self, growth: usize, limit: usize) {
        while self.bytes() + growth > limit {
            let oldest = self.bundles.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.bundles.remove(&oldest);
        }
    }
}

/// Does something with each item, on several threads, until one fails or the caller gives up. One more thread tells the disk
/// which so many items come next: it takes hints no faster than it can queue them, and nobody has to wait for that.
fn in_parallel<T: Sync>(
    items: &[T],
    threads: usize,
    goes_on: &(dyn Fn() -> bool + Sync),
    each: impl Fn(&T) -> Result<()> + Sync,
    (ahead, expect): (usize, impl Fn(&T) -> Result<()> + Sync),
) -> Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    let work = |taken: mpsc::Sender<usize>| -> Result<()> {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place).filter(|_| goes_on()) else { return Ok(()) };
            // Nobody listens any more where a hint failed, which is told in the end.
            let _ = taken.send(place);
            each(item)?;
        }
    };
    thread::scope(|scope| {
        let (taken, takes) = mpsc::channel::<usize>();
        let hints = scope.spawn(|| {
            let mut rest = items.iter().enumerate().peekable();
            for place in takes {
                let until = place.saturating_add(ahead);
                while let Some((_, item)) = rest.next_if(|(place, _)| *place < until) {
                    expect(item)?;
                }
            }
            Ok(())
        });
        let others = 1..threads.min(items.len());
        let others: Vec<_> =
            others.map(|_| taken.clone()).map(|taken| scope.spawn(|| work(taken))).collect();
        let own = work(taken);
        let joined = others
            .into_iter()
            .chain([hints])
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        std::iter::once(own).chain(joined).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::FileRow, storage::Disk};

    /// A file with so many rows of the hours of some day of January, the 1st being 0.
    fn file(id: u64, day: i64, rows: u64) -> Arc<DataFile> {
        let start = Micros::parse("2026-01-01T00:00:00Z").unwrap().0 + day * Micros::DAY;
        let (site, visitors) = ("a.example".to_owned(), 0..=u64::MAX);
        let times = start..=start + Micros::DAY / 2;
        let span = SiteSpan { site, first_row: 0, rows, visitors, times };
        let path = format!("{id}.parquet");
        let row = FileRow { id, path, rows, bytes: rows, crc: None, spans: vec![span] };
        Arc::new(DataFile::new(Arc::new(Disk), row.path.clone().into(), &row))
    }

    #[test]
    fn files_that_stay_small_or_change_soon_disturb_no_others() {
        let files = [
            file(1, 20, SMALL_ROWS),
            file(2, 19, SMALL_ROWS),
            file(3, 18, LARGE_ROWS),
            file(4, 17, LARGE_ROWS - 1),
            file(5, -9, SMALL_ROWS),
            file(15, 3, SMALL_ROWS - 1),
            file(16, 3, 1),
            file(17, 20, 1),
            file(18, 20, LARGE_ROWS),
        ];
        let groups = Group::all(&files, "a.example");
        let ids = |group: &Group| group.files.iter().map(|(file, _)| file.id).collect::<Vec<_>>();
        let groups: Vec<_> = groups.iter().map(ids).collect();
        assert_eq!(groups, [vec![1, 18], vec![4, 2], vec![3], vec![5], vec![15], vec![16, 17]]);
        assert!(Group::all(&files, "b.example").is_empty());
    }
}
