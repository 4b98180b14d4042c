//! A folder of small files: each is written whole or not at all, changed under a lock, and found in the order of its key.
//!
//! A file is written beside its place and renamed into it. What a crash leaves of that is written over by the next change
//! of the same session, or removed by a purge. Locks lie in a folder of their own, a fixed number of them; two sessions may
//! share one, which costs time and nothing else.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::Durability;

/// Beside the files, under a name that no session has.
const LOCKS: &str = ".wayfarer-locks";

const STRIPES: u32 = 64;

/// After the name of a file that is being written.
const UNFINISHED: &str = "_out_wayfarer";

/// No file of a session is longer: what is longer is none.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Room for what a form writes beside the data.
const HEAD_ROOM: u64 = 1 << 16;

#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    durability: Durability,
    /// What the names of sessions' files begin with.
    prefix: String,
    /// The files lie in folders named by the first two characters of their keys.
    spread: bool,
}

/// Locks that are held until this is dropped.
#[must_use]
pub(super) struct Locks {
    _files: Vec<File>,
}

/// A file, as it was read.
#[derive(Debug)]
pub struct Content {
    pub(super) bytes: Vec<u8>,
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "Django's files end by it"))]
    pub(super) modified: Timestamp,
}

/// A file, as it is to be written.
#[derive(Debug)]
pub struct Written {
    pub(super) bytes: Vec<u8>,
    /// The time that it is to bear, where that means something.
    pub(super) modified: Option<Timestamp>,
}

impl Folder {
    pub(super) fn open(
        path: &Path,
        durability: Durability,
        prefix: &str,
        spread: bool,
    ) -> io::Result<Folder> {
        make_folder(&path.join(LOCKS))?;
        Ok(Folder { path: path.to_owned(), durability, prefix: prefix.to_owned(), spread })
    }

    /// Waits for the locks of these keys. They are taken in one order by everybody, so nobody waits in a circle.
    pub(super) fn lock(&self, keys: &[&str]) -> io::Result<Locks> {
        let mut stripes: Vec<u32> = keys.iter().map(|key| stripe(key)).collect();
        stripes.sort_unstable();
        stripes.dedup();
        let lock = |stripe: u32| {
            let path = self.path.join(LOCKS).join(format!("{stripe:02}"));
            let file = private().append(true).open(path)?;
            file.lock().map(|()| file)
        };
        Ok(Locks { _files: stripes.into_iter().map(lock).collect::<io::Result<_>>()? })
    }

    pub(super) fn read(&self, key: &str) -> io::Result<Option<Content>> {
        let file = match File::open(self.place(key)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(HEAD_ROOM);
        if metadata.len() > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too long"));
        }
        let modified = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(Content { bytes, modified }))
    }

    pub(super) fn exists(&self, key: &str) -> io::Result<bool> {
        self.place(key).try_exists()
    }

    /// Puts a file in its place. The caller holds its lock.
    pub(super) fn write(&self, key: &str, written: &Written) -> io::Result<()> {
        let place = self.place(key);
        let unfinished = self.unfinished(key);
        let mut file = match private().write(true).truncate(true).open(&unfinished) {
            Err(error) if self.spread && error.kind() == io::ErrorKind::NotFound => {
                make_folder(self.home(key).as_path())?;
                self.sync(&self.path)?;
                private().write(true).truncate(true).open(&unfinished)?
            }
            opened => opened?,
        };
        file.write_all(&written.bytes)?;
        if let Some(modified) = written.modified {
            file.set_modified(modified.into())?;
        }
        if self.durability == Durability::Full {
            file.sync_all()?;
        }
        fs::rename(&unfinished, place)?;
        self.sync(&self.home(key))
    }

    /// Removes a file, if it is there. The caller holds its lock.
    pub(super) fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.place(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync(&self.home(key)),
        }
    }

    /// The keys after `from`, in order, until `visit` says that it has seen enough: it is then told to go no further.
    pub(super) fn walk<E: From<io::Error>>(
        &self,
        from: Option<&str>,
        mut visit: impl FnMut(&str) -> Result<bool, E>,
    ) -> Result<(), E> {
        for home in self.homes(from)? {
            for key in self.keys(&home, from)? {
                if !visit(&key)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Removes what a crash may have left beside a key. The caller holds its lock.
    pub(super) fn tidy(&self, key: &str) {
        // It matters to nobody but the disk, and the next purge tries again.
        drop(fs::remove_file(self.unfinished(key)));
    }

    fn homes(&self, from: Option<&str>) -> io::Result<Vec<PathBuf>> {
        if !self.spread {
            return Ok(vec![self.path.clone()]);
        }
        let first = from.and_then(|from| from.get(..2)).unwrap_or_default();
        let mut homes = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(|name| is_key(name) && name.len() == 2 && name >= first) {
                homes.push(self.path.join(name));
            }
        }
        homes.sort_unstable();
        Ok(homes)
    }

    fn keys(&self, home: &Path, from: Option<&str>) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(home)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(&*self.prefix)) else {
                continue;
            };
            // One that is being written counts as its session: a purge then finds what a crash left.
            let key = name.strip_suffix(UNFINISHED).unwrap_or(name);
            if is_key(key) && from.is_none_or(|from| key > from) {
                keys.push(key.to_owned());
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    fn home(&self, key: &str) -> PathBuf {
        let spread = key.get(..2).filter(|_| self.spread);
        spread.map_or_else(|| self.path.clone(), |first| self.path.join(first))
    }

    fn place(&self, key: &str) -> PathBuf {
        self.home(key).join(format!("{}{key}", self.prefix))
    }

    fn unfinished(&self, key: &str) -> PathBuf {
        self.home(key).join(format!("{}{key}{UNFINISHED}", self.prefix))
    }

    /// A new name is on the disk when its folder is.
    fn sync(&self, folder: &Path) -> io::Result<()> {
        if self.durability == Durability::Full && cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Whether this may be the name of a file: nothing that could lead out of the folder.
pub(super) fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (2..=128).contains(&key.len()) && key.bytes().all(plain)
}

/// Keys are random, so a few of their bytes spread well.
fn stripe(key: &str) -> u32 {
    key.bytes().take(16).fold(7, |sum: u32, byte| sum.wrapping_mul(31) ^ u32::from(byte)) % STRIPES
}

/// Files and folders for their owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
