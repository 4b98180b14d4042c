//! Which writer a folder is, and where the files of its lake lie.
//!
//! A folder with a catalog of its own is the lake, and its only writer. Where several nodes share a catalog, each has a folder
//! of its own for its log, and a file in it, `node`, that says which writer it is, of which lake. The folder that they share
//! has a file too, `lake.id`, so that a wrong one, or one that is not mounted, is told before anything is written or removed.

use std::path::{Path, PathBuf};

use crate::{
    CatalogAt, Error, ErrorKind, Options, Result,
    catalog::Catalog,
    storage::{Storage, read_exact},
};

const HEADER: &str = "wayfarer node 1";

/// Where the parts of a lake lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// All data files lie below this.
    pub(crate) data: PathBuf,
    /// The data files of the table.
    pub(crate) table: PathBuf,
    pub(crate) wal: PathBuf,
    /// The files of ids.
    pub(crate) ids: PathBuf,
}

impl Places {
    /// Finds them; `root` is the folder that nodes share.
    pub(crate) fn of(folder: &Path, root: Option<&Path>) -> Places {
        let data = root.unwrap_or(folder).join("lake");
        let table = data.join("main/events");
        let wal = folder.join("wal");
        let ids = root.map_or_else(|| wal.join("ids"), |root| root.join("ids"));
        Places { data, table, wal, ids }
    }

    /// Makes the folders that are missing, durably.
    fn make(&self, options: &Options, folder: &Path, root: Option<&Path>) -> Result<()> {
        for path in [&self.table, &self.wal, &self.ids] {
            options.storage.create_folder(path).map_err(|e| Error::io("cannot make", path, e))?;
        }
        let root = root.unwrap_or(folder);
        sync_above(options, folder)?;
        // The log's folder is synced with its first segment, before anything lies in the folder of ids.
        for path in [folder, root, &self.data, &self.data.join("main")] {
            options.storage.sync_folder(path).map_err(|e| Error::io("cannot sync", path, e))?;
        }
        Ok(())
    }
}

/// Makes the name of the folder durable, in case it is new. Where the folder above may not be opened, somebody else made it
/// all, long before.
fn sync_above(options: &Options, folder: &Path) -> Result<()> {
    let Some(above) = folder.parent() else { return Ok(()) };
    match options.storage.sync_folder(above) {
        Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            Err(Error::io("cannot sync", above, error))
        }
        _ => Ok(()),
    }
}

/// Opens the catalog of a folder, makes what is missing, and says which writer the folder is.
pub(crate) async fn open(folder: &Path, options: &Options) -> Result<(Catalog, Places, u64)> {
    let node = Node::read(options.storage.as_ref(), folder)?;
    refuse_mixed(options, folder, node.is_some())?;
    options.storage.create_folder(folder).map_err(|e| Error::io("cannot make", folder, e))?;
    let now = (options.clock)().timestamp();
    let catalog = Catalog::open(folder, &options.catalog, &options.random, now).await?;
    let Some(shared) = catalog.shared().await? else {
        let places = Places::of(folder, None);
        places.make(options, folder, None)?;
        let writer = catalog.writer(&options.random).await?;
        return Ok((catalog, places, writer));
    };
    let root = options.catalog.files().unwrap_or(&shared.root);
    let places = Places::of(folder, Some(root));
    if shared.is_empty {
        places.make(options, folder, Some(root))?;
    }
    know_folder(options, root, &shared.lake, shared.is_empty)?;
    places.make(options, folder, Some(root))?;
    let known = match node {
        Some(node) if node.lake != shared.lake => {
            let text = format!("{} is a node of another lake", folder.display());
            return Err(Error::new(ErrorKind::Catalog, text));
        }
        node => node.map(|node| node.writer),
    };
    let writer = catalog.become_writer(known, &options.random).await?;
    if known.is_none() {
        // Before anything is in the log: from here on the folder is this writer.
        Node { writer, lake: shared.lake }.write(options.storage.as_ref(), folder)?;
    }
    Ok((catalog, places, writer))
}

/// A folder that has a catalog of its own is no node of a shared one, nor the other way round.
fn refuse_mixed(options: &Options, folder: &Path, is_node: bool) -> Result<()> {
    let is_shared = options.catalog != CatalogAt::Folder;
    let text = match (is_shared, is_node) {
        (false, true) => "is a node of a shared lake: name its catalog",
        (true, false) if folder.join("lake.sqlite").exists() => {
            "has a catalog of its own: take another folder, and import what this one exports"
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Unsupported, format!("{} {text}", folder.display())))
}

/// Compares the folder that nodes share with the lake's number, or gives it one while the lake is empty.
fn know_folder(options: &Options, root: &Path, lake: &str, is_empty: bool) -> Result<()> {
    let path = root.join("lake.id");
    let text = match read_small(options.storage.as_ref(), &path)? {
        Some(text) if text.trim() == lake => return Ok(()),
        Some(_) => format!("{} holds the files of another lake", root.display()),
        None if is_empty => {
            return write_small(options.storage.as_ref(), root, &path, &format!("{lake}\n"));
        }
        None => format!("{} does not hold the lake's files: is it mounted?", root.display()),
    };
    Err(Error::new(ErrorKind::Catalog, text))
}

/// What the file `node` says.
#[derive(Debug)]
struct Node {
    writer: u64,
    lake: String,
}

impl Node {
    fn read(storage: &dyn Storage, folder: &Path) -> Result<Option<Node>> {
        let path = folder.join("node");
        let Some(text) = read_small(storage, &path)? else { return Ok(None) };
        let mut lines = text.lines();
        match lines.next() {
            // Broken off before it was whole: nothing is in the log yet.
            None => return Ok(None),
            Some(HEADER) => {}
            Some(_) => {
                let text = format!("{} is of a newer version than this program", path.display());
                return Err(Error::new(ErrorKind::NewerVersion, text));
            }
        }
        let writer = lines.next().and_then(|line| u64::from_str_radix(line, 16).ok());
        match (writer, lines.next()) {
            (Some(writer), Some(lake)) => Ok(Some(Node { writer, lake: lake.to_owned() })),
            _ => Err(Error::corrupt(&path, "it does not name a writer and a lake")),
        }
    }

    fn write(&self, storage: &dyn Storage, folder: &Path) -> Result<()> {
        let text = format!("{HEADER}\n{:x}\n{}\n", self.writer, self.lake);
        write_small(storage, folder, &folder.join("node"), &text)
    }
}

/// A file of a few lines; `None` when it is not there.
fn read_small(storage: &dyn Storage, path: &Path) -> Result<Option<String>> {
    let failed = |error| Error::io("cannot read", path, error);
    let file = match storage.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let len = file.len().map_err(failed)?.min(4096) as usize;
    let bytes = read_exact(file.as_ref(), 0, len).map_err(failed)?;
    String::from_utf8(bytes).map(Some).map_err(|_| Error::corrupt(path, "it is no text"))
}

fn write_small(storage: &dyn Storage, folder: &Path, path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::io("cannot write", path, error);
    let file = storage.create(path).map_err(failed)?;
    file.write_at(0, text.as_bytes()).and_then(|()| file.sync()).map_err(failed)?;
    storage.sync_folder(folder).map_err(failed)
}
