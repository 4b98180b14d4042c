//! What every command works with: the configuration, the language, the way to the data folder.

use serde::Serialize;
use serde_json::Value;
use wayfarer_server::{
    config::{Config, catalog},
    local::Folder,
    messages::{Catalogue, Lang},
};

use crate::{
    args::Common,
    failure::Failure,
    show::{output, table},
};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Print JSON and nothing else on standard output.
    pub(crate) json: bool,
    /// The words of the chosen language.
    pub(crate) words: Catalogue,
    /// The configuration, with the command line's word over it.
    pub(crate) config: Config,
    /// The data folder was named, on the command line or in the configuration.
    #[cfg(feature = "demo")]
    pub(crate) data_named: bool,
}

impl Desk {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn new(common: &Common) -> Result<Desk, Failure> {
        let mut config = Config::load(common.config.as_deref(), std::env::vars())?;
        #[cfg(feature = "demo")]
        let data_named = common.data.is_some() || config.data != Config::default().data;
        if let Some(data) = &common.data {
            config.data.clone_from(data);
        }
        if let Some(url) = &common.catalog {
            config.options.lake.catalog = catalog(Some(url), common.lake_files.clone())?;
        }
        Ok(Desk {
            json: common.json,
            words: words(common),
            config,
            #[cfg(feature = "demo")]
            data_named,
        })
    }

    /// Prints an answer: as JSON, or as a list of its fields. Lists within it are the command's to print.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub(crate) fn tell(&self, answer: &impl Serialize) -> Result<(), Failure> {
        if self.json {
            return Ok(output::json(answer)?);
        }
        let row = flat(&serde_json::to_value(answer).unwrap_or_default());
        let heading = |name: &str| table::heading(&self.words, name);
        Ok(output::stdout(|out| table::write_list(out, &row, &heading))?)
    }

    /// Opens the data folder, or finds the server that holds it. Makes it where it is missing.
    ///
    /// # Errors
    /// When neither can be done.
    pub(crate) async fn folder(&self) -> Result<Folder, Failure> {
        Ok(Folder::open(&self.config.data, self.config.options.clone()).await?)
    }

    /// As [`folder`](Self::folder), for commands that only read: makes nothing.
    ///
    /// # Errors
    /// When there is no folder, or it cannot be used.
    pub(crate) async fn existing(&self) -> Result<Folder, Failure> {
        Ok(Folder::existing(&self.config.data, self.config.options.clone()).await?)
    }
}

/// One level of fields: what lies in an object within comes out beside the others.
fn flat(value: &Value) -> table::Row {
    let mut row = table::Row::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => row.extend(flat(value)),
            Value::Array(_) => {}
            _ => _ = row.insert(name.clone(), value.clone()),
        }
    }
    row
}

/// The words of the language that was chosen, or else of the environment.
pub(crate) fn words(common: &Common) -> Catalogue {
    let chosen = common.lang.map(Lang::from);
    Catalogue::new(chosen.unwrap_or_else(|| Lang::of_environment(|name| std::env::var(name).ok())))
}

/// Does something with a folder, and closes it in either case. What went wrong first is what is told.
///
/// # Errors
/// What `work` says, or else what closing says.
pub(crate) async fn with_folder<T>(
    folder: Folder,
    work: impl AsyncFnOnce(&Folder) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let result = work(&folder).await;
    let closed = folder.close().await;
    let value = result?;
    closed?;
    Ok(value)
}
