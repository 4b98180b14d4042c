//! A disk in memory that forgets, at a power loss, what was not synced: whole names, and any sectors of any writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use wayfarer_lake::storage::{File, Storage};

/// A disk writes sectors whole, and in any order.
const SECTOR: u64 = 512;

/// A small generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.roll() % most
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.roll() & 1 == 1
    }
}

/// One place in the lake's code that syncs, and what it syncs there. To leave it out shows whether it is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sync {
    /// The ending of the file, or the name of the folder.
    of: String,
    /// Source file and line.
    at: String,
}

impl Sync {
    /// The sync that is asked for by whoever called this.
    fn here(of: &str) -> Sync {
        let stack = std::backtrace::Backtrace::force_capture().to_string();
        let mut places = stack.lines().filter_map(|line| line.split_once("/src/"));
        let ours = |(root, _): &(&str, &str)| root.ends_with("at .") || root.ends_with("-lake");
        let place = places.find(ours).map(|(_, place)| place);
        Sync {
            of: of.to_owned(),
            at: place.unwrap_or_else(|| panic!("a sync from nowhere: {stack}")).to_owned(),
        }
    }
}

/// What a disk does besides its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Syncs {
    /// All as they are asked for.
    All,
    /// All, and each place in the code that asks is noted.
    Noted,
    /// All but this one.
    Without(Sync),
}

#[derive(Debug, Default)]
struct World {
    nodes: Vec<Node>,
    /// Names as a running process sees them, and as a power loss leaves them.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    durable_folders: BTreeSet<PathBuf>,
    /// How many operations are left before the power goes.
    left: u64,
    /// How many bytes more the disk takes.
    room: u64,
    /// Every place that asked for a sync.
    seen: BTreeSet<Sync>,
}

#[derive(Debug, Default)]
struct Node {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Write(at, bytes) => {
                let end = *at as usize + bytes.len();
                to.resize(to.len().max(end), 0);
                to[*at as usize..end].copy_from_slice(bytes);
            }
            Change::Truncate(len) => to.resize(*len as usize, 0),
        }
    }

    /// The parts of a change that reach the disk on their own.
    fn sectors(&self) -> Vec<Change> {
        let Change::Write(at, bytes) = self else { return vec![self.clone()] };
        let mut parts = Vec::new();
        let mut from = 0;
        while from < bytes.len() {
            let start = at + from as u64;
            let room = (SECTOR - start % SECTOR) as usize;
            let to = bytes.len().min(from + room);
            parts.push(Change::Write(start, bytes[from..to].to_vec()));
            from = to;
        }
        parts
    }
}

/// The disk. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Simulated {
    world: Arc<Mutex<World>>,
    syncs: Syncs,
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulated")
    }
}

impl Simulated {
    /// A disk that has the folder above this one.
    pub(crate) fn new(data: &Path, syncs: Syncs) -> Simulated {
        let folders: BTreeSet<PathBuf> = data.ancestors().skip(1).map(Path::to_owned).collect();
        let world = World {
            left: u64::MAX,
            room: u64::MAX,
            folders: folders.clone(),
            durable_folders: folders,
            ..World::default()
        };
        Simulated { world: Arc::new(Mutex::new(world)), syncs }
    }

    /// Lets the power go after so many more operations.
    pub(crate) fn power_for(&self, operations: u64) {
        self.world.lock().unwrap().left = operations;
    }

    /// Whether the power is gone.
    pub(crate) fn is_off(&self) -> bool {
        self.world.lock().unwrap().left == 0
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.full_after(if full { 0 } else { u64::MAX });
    }

    /// Lets the disk be full when it has taken so many bytes more.
    pub(crate) fn full_after(&self, bytes: u64) {
        self.world.lock().unwrap().room = bytes;
    }

    /// The names of all files.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        self.world.lock().unwrap().names.keys().cloned().collect()
    }

    /// Every place that asked for a sync so far, if they are noted.
    pub(crate) fn seen(&self) -> BTreeSet<Sync> {
        self.world.lock().unwrap().seen.clone()
    }

    /// The files that hold these bytes.
    pub(crate) fn holding(&self, bytes: &[u8]) -> Vec<PathBuf> {
        let world = self.world.lock().unwrap();
        let holds = |node: &usize| world.nodes[*node].now.windows(bytes.len()).any(|w| w == bytes);
        let held = world.names.iter().filter(|(_, node)| holds(node));
        held.map(|(path, _)| path.clone()).collect()
    }

    /// The files of a folder of this name, from an offset on, cut into pieces of 16 bytes.
    pub(crate) fn chunks_of_16(&self, folder: &str, from: usize) -> BTreeSet<[u8; 16]> {
        let world = self.world.lock().unwrap();
        let inside = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with(folder));
        let nodes = world.names.iter().filter(|(path, _)| inside(path)).map(|(_, node)| *node);
        let bytes = nodes.map(|node| world.nodes[node].now.get(from..).unwrap_or_default());
        bytes.flat_map(|bytes| bytes.as_chunks::<16>().0).copied().collect()
    }

    /// What is left on the disk after the power went, and power again.
    pub(crate) fn lose_power(&self, dice: &mut Dice) {
        let mut world = self.world.lock().unwrap();
        let kept = |now: &BTreeSet<PathBuf>, durable: &BTreeSet<PathBuf>, dice: &mut Dice| {
            let all: BTreeSet<PathBuf> = now.union(durable).cloned().collect();
            let stays = |path: &PathBuf, dice: &mut Dice| {
                if now.contains(path) == durable.contains(path) { true } else { dice.coin() }
            };
            all.into_iter().filter(|path| stays(path, dice)).collect::<BTreeSet<_>>()
        };
        let folders = kept(&world.folders, &world.durable_folders, dice);
        let folders: BTreeSet<PathBuf> = folders
            .iter()
            .filter(|folder| {
                let above = folder.ancestors().skip(1);
                above.filter(|above| world.folders.contains(*above)).all(|a| folders.contains(a))
            })
            .cloned()
            .collect();
        let mut names = BTreeMap::new();
        let all: BTreeSet<PathBuf> =
            world.names.keys().chain(world.durable_names.keys()).cloned().collect();
        for path in all {
            let (now, durable) = (world.names.get(&path), world.durable_names.get(&path));
            let node = if now == durable || dice.coin() { now } else { durable };
            if let Some(&node) = node.filter(|_| folders.contains(path.parent().unwrap())) {
                names.insert(path, node);
            }
        }
        for node in &mut world.nodes {
            let mut left = node.durable.clone();
            for part in node.pending.iter().flat_map(Change::sectors) {
                if dice.coin() {
                    part.apply(&mut left);
                }
            }
            *node = Node { now: left.clone(), durable: left, pending: Vec::new() };
        }
        world.names.clone_from(&names);
        world.durable_names = names;
        world.folders.clone_from(&folders);
        world.durable_folders = folders;
        world.left = u64::MAX;
    }

    fn with<T>(&self, act: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.world.lock().unwrap();
        if world.left == 0 {
            return Err(io::Error::other("the power is gone"));
        }
        world.left -= 1;
        act(&mut world)
    }

    /// Whether a sync of this is left out. To find out who asks takes a while, so it is done only where it matters.
    fn omits(&self, world: &mut World, of: &str) -> bool {
        match &self.syncs {
            Syncs::All => false,
            Syncs::Noted => {
                world.seen.insert(Sync::here(of));
                false
            }
            Syncs::Without(sync) => sync.of == of && *sync == Sync::here(of),
        }
    }

    fn file(&self, path: &Path, node: usize) -> Box<dyn File> {
        Box::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), node })
    }
}

impl Storage for Simulated {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let node = self.with(|world| {
            if !world.folders.contains(path.parent().unwrap()) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if world.room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(&node) = world.names.get(path) {
                world.nodes[node].now.clear();
                world.nodes[node].pending.push(Change::Truncate(0));
                return Ok(node);
            }
            world.nodes.push(Node::default());
            world.names.insert(path.to_owned(), world.nodes.len() - 1);
            Ok(world.nodes.len() - 1)
        })?;
        Ok(self.file(path, node))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let found = self.with(|world| Ok(world.names.get(path).copied()))?;
        Ok(self.file(path, found.ok_or(io::ErrorKind::NotFound)?))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.with(|world| {
            let inside = world.names.keys().filter(|path| path.parent() == Some(folder));
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            Ok(inside.map(name).collect())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|world| {
            world.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.with(|world| {
            world.folders.extend(path.ancestors().map(Path::to_owned));
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap().to_str().unwrap();
        self.with(|world| {
            if self.omits(world, name) {
                return Ok(());
            }
            let inside = |other: &Path| other.parent() == Some(path);
            world.durable_names.retain(|name, _| !inside(name));
            let now = world.names.iter().filter(|(name, _)| inside(name));
            world.durable_names.extend(now.map(|(name, node)| (name.clone(), *node)));
            let folders = world.folders.iter().filter(|folder| inside(folder)).cloned();
            world.durable_folders.extend(folders.collect::<Vec<_>>());
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: Simulated,
    path: PathBuf,
    node: usize,
}

impl File for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        self.disk.with(|world| Ok(world.nodes[self.node].now.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.with(|world| {
            let bytes = &world.nodes[self.node].now;
            let from = bytes.get(offset as usize..).unwrap_or_default();
            let len = into.len().min(from.len());
            into[..len].copy_from_slice(&from[..len]);
            Ok(len)
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.with(|world| {
            // A full disk may take a part before it says so.
            let fits = bytes.len() as u64 <= world.room;
            let taken = if fits { bytes.len() } else { bytes.len() / 2 };
            world.room = if fits { world.room.saturating_sub(bytes.len() as u64) } else { 0 };
            let change = Change::Write(offset, bytes[..taken].to_vec());
            let node = &mut world.nodes[self.node];
            change.apply(&mut node.now);
            node.pending.push(change);
            if fits { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.disk.with(|world| {
            let node = &mut world.nodes[self.node];
            Change::Truncate(len).apply(&mut node.now);
            node.pending.push(Change::Truncate(len));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let end = self.path.extension().unwrap().to_str().unwrap();
        self.disk.with(|world| {
            if self.disk.omits(world, end) {
                return Ok(());
            }
            let node = &mut world.nodes[self.node];
            node.durable.clone_from(&node.now);
            node.pending.clear();
            Ok(())
        })
    }
}
