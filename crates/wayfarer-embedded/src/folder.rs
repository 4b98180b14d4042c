//! The data folder: made, checked, closed to others and held by one process.
//!
//! This module owns the folder itself and its lock file; what lies inside belongs to the control store and the lake.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::OpenError;

/// The lock file. Its content is the number of the process that holds it, for people to read.
const LOCK: &str = "wayfarer.lock";
/// A folder with one of these is a data folder of Wayfarer.
const OURS: [&str; 3] = [LOCK, "wayfarer.sqlite", "lake.sqlite"];

/// A data folder that this process holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Open as long as the folder is held: the system gives the lock back when the process ends, however it ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing, closes it to other accounts and takes its lock.
    pub(crate) fn hold(path: &Path) -> Result<Folder, OpenError> {
        make(path)?;
        let lock = lock(path)?;
        tighten(path)?;
        let path = fs::canonicalize(path).map_err(|e| failed("find", path, e))?;
        Ok(Folder { path, _lock: lock })
    }

    /// Where it is, as an absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn make(path: &Path) -> Result<(), OpenError> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(e) if path.exists() => {
            return Err(failed("use", path, io::Error::new(e.kind(), "it is not a folder")));
        }
        Err(e) => return Err(failed("make", path, e)),
    }
    let mut entries = fs::read_dir(path).map_err(|e| failed("read", path, e))?;
    let empty = entries.next().is_none();
    if empty || OURS.iter().any(|name| path.join(name).exists()) {
        Ok(())
    } else {
        Err(OpenError::NotOurs { folder: path.to_owned() })
    }
}

/// Takes from group and others what they may do with the folder.
fn tighten(path: &Path) -> Result<(), OpenError> {
    let mode = fs::metadata(path).map_err(|e| failed("read", path, e))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o700))
        .map_err(|e| failed("close to other accounts", path, e))
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let name = path.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(|e| failed("open", &name, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::Held { folder: path.to_owned(), process: holder(&mut file) });
        }
        Err(TryLockError::Error(e)) => return Err(failed("lock", &name, e)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|e| failed("write", &name, e))?;
    Ok(file)
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn failed(op: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { op, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_folder_is_ours_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::hold(&parent.path().join("a/b")).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join(LOCK)), 0o600);
    }

    #[test]
    fn a_folder_of_ours_that_others_may_read_is_closed() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("wayfarer.sqlite"), "").unwrap();
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
        Folder::hold(parent.path()).unwrap();
        assert_eq!(mode(parent.path()), 0o700);
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("thesis.txt"), "").unwrap();
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
        let error = Folder::hold(parent.path()).unwrap_err();
        assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
        assert_eq!(mode(parent.path()), 0o755);
        assert!(!parent.path().join(LOCK).exists());
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        let error = Folder::hold(&path).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn a_second_holder_is_told_who_holds_it() {
        let parent = tempfile::tempdir().unwrap();
        let first = Folder::hold(parent.path()).unwrap();
        let error = Folder::hold(parent.path()).unwrap_err();
        let OpenError::Held { process, .. } = error else { panic!("{error}") };
        assert_eq!(process, Some(std::process::id()));
        drop(first);
        Folder::hold(parent.path()).unwrap();
    }
}
