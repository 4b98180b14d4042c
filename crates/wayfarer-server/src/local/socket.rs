//! The socket in the data folder.
//!
//! The name of a Unix socket may have 107 bytes, a folder's path more. Where it does not fit, the socket is named through
//! the open folder: `/proc/self/fd/N/wayfarer.sock` is short whatever the folder is called.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// Its name.
const NAME: &str = "wayfarer.sock";
/// The longest path of a socket, in bytes, on every system that has `/proc` or not.
const LONGEST: usize = 100;

/// Listens in a folder that this process holds: a socket that lies there is a dead one.
pub(crate) fn bind(folder: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(folder.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = short(folder, |path| UnixListener::bind(path))?;
    fs::set_permissions(folder.join(NAME), Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes the socket away at the end, so that nobody waits for an answer from it.
pub(crate) fn remove(folder: &Path) {
    let _ = fs::remove_file(folder.join(NAME));
}

/// Reaches the server that holds a folder.
pub(super) fn connect(folder: &Path) -> io::Result<UnixStream> {
    let stream = short(folder, |path| std::os::unix::net::UnixStream::connect(path))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Runs `with` on a path of the socket that is short enough.
fn short<T>(folder: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let plain = folder.join(NAME);
    if plain.as_os_str().as_bytes().len() <= LONGEST {
        return with(&plain);
    }
    let open = File::open(folder)?;
    with(&PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())).join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_with_a_long_name_is_reached_too() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("x".repeat(200));
        fs::create_dir(&folder).unwrap();
        let listener = bind(&folder).unwrap();
        let mode = fs::metadata(folder.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let connected = connect(&folder).unwrap();
        assert!(listener.accept().await.is_ok());
        drop(connected);
        drop(listener);
        bind(&folder).unwrap();
    }
}
