//! A look into a lake that another process has open: what is sealed, without the log and without a lock.

use std::{collections::HashSet, path::Path, sync::Arc};

use crate::{
    CatalogAt, Error, ErrorKind, Options, Result, View, catalog::Catalog, node::Places,
    resident::Resident, seal, view::Position,
};

/// One look at the rows of a lake that are sealed, from beside the process that writes. Nothing is made or changed. What is
/// hot is the writer's own, so the view's position names the snapshot only.
///
/// The view stays as it is, but its files are kept for [`Options::keep_snapshots`] of the writer only, and not beyond an
/// erasure: then reading it is an error.
///
/// # Errors
/// When there is no lake, it cannot be read, or it was written by a newer version.
pub async fn sealed(folder: &Path, options: &Options) -> Result<View> {
    let folder = std::path::absolute(folder)
        .map_err(|error| Error::io("cannot find the folder", folder, error))?;
    if options.catalog == CatalogAt::Folder && !folder.join("lake.sqlite").exists() {
        let text = format!("there is no lake in {}", folder.display());
        return Err(Error::new(ErrorKind::Catalog, text));
    }
    let catalog = Catalog::find(&folder, &options.catalog).await?;
    let shared = catalog.shared().await?;
    let root = shared.as_ref().map(|shared| options.catalog.files().unwrap_or(&shared.root));
    let table = Places::of(&folder, root).table;
    // Writers are numbered from 1: nobody's hot rows.
    let loaded = catalog.load(0).await?;
    Ok(View {
        position: Position { snapshot: loaded.snapshot, next_seq: 0 },
        writer: 0,
        files: seal::data_files(&options.storage, &table, &loaded, &[]).into(),
        chunks: Arc::from(Vec::new()),
        // One look reads the files; nothing is kept for the next.
        resident: Arc::new(Resident::new(0, HashSet::new())),
    })
}
