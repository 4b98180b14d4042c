//! One data folder, whoever holds it: the command line opens the folder itself, or goes through the server that has it.
//!
//! A server listens on the socket `wayfarer.sock` in its data folder. The folder is closed to other accounts, so whoever
//! reaches the socket may do all that the owner of the folder may. [`Folder`] is what the command line works with;
//! [`Client`] is its way through the socket; `routes` is the server's side of it. The addresses under `/local/` are no
//! public interface: both ends are the same program, and a client of another version is refused by name.

mod client;
mod frames;
pub(crate) mod routes;
mod socket;
#[cfg(feature = "sql")]
mod sql;

use std::path::Path;

use tokio::sync::mpsc;
use wayfarer_embedded::{
    Answer, Check, Compacted, Erasure, ErasureRequest, Export, ExportRequest, Exported,
    ImportCounts, ImportEvent, ImportRequest, Inputs, NewToken, OpenError, Options, Request, Saved,
    Scope, SiteSpec, Status, TokenInfo, Wayfarer,
};
use wayfarer_event::Micros;

pub use self::client::{Client, RemoteExport};
pub(crate) use self::socket::{bind, remove};
#[cfg(feature = "sql")]
pub use wayfarer_query::{Answer as SqlAnswer, Error as SqlError, Limits as SqlLimits};

/// Events of an import that wait to be shown.
const EVENTS: usize = 64;

/// Why an operation on a folder failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was tried here and failed.
    #[error(transparent)]
    Here(#[from] wayfarer_embedded::Error),
    /// A query was tried here and has no answer.
    #[cfg(feature = "sql")]
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The server that holds the folder says no, and why.
    #[error("{message}")]
    There {
        /// Its reason, in a sentence.
        message: String,
        /// Whether the same would fail again, since it was asked wrongly.
        wrong_usage: bool,
    },
    /// The folder is held by a process that does not answer on the socket.
    #[error(
        "the data folder {folder} is in use by another process, which takes no commands: {source}"
    )]
    Unreachable {
        /// The folder.
        folder: String,
        /// What was tried last.
        source: std::io::Error,
    },
    /// There is no data folder in this place.
    #[error("there is no data folder at {folder}: name it with --data")]
    Missing {
        /// The place.
        folder: String,
    },
    /// The server answered something that this program does not understand.
    #[error("the server's answer cannot be read: {0}")]
    Protocol(String),
}

impl FolderError {
    /// Whether the same would fail again, since it was asked wrongly.
    #[must_use]
    pub fn is_wrong_usage(&self) -> bool {
        use wayfarer_embedded::ErrorKind;
        match self {
            FolderError::Here(error) => {
                matches!(error.kind(), ErrorKind::Invalid | ErrorKind::UnknownSite)
            }
            #[cfg(feature = "sql")]
            FolderError::Sql(error) => sql::is_wrong_usage(error),
            FolderError::There { wrong_usage, .. } => *wrong_usage,
            _ => false,
        }
    }
}

/// A data folder to work on.
#[derive(Debug)]
pub enum Folder {
    /// This process holds it.
    Open(Wayfarer),
    /// A server holds it.
    Remote(Client),
}

/// Events of an export, from wherever they come.
#[derive(Debug)]
pub enum ExportStream {
    /// From this process.
    Open(Export),
    /// From the server.
    Remote(RemoteExport),
}

impl ExportStream {
    /// The next events, in the order (site, visitor, ts, seq); `None` at the end.
    ///
    /// # Errors
    /// When the lake cannot be read on, or the server went away.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Exported>>, FolderError> {
        match self {
            ExportStream::Open(export) => Ok(export.next_batch().await?),
            ExportStream::Remote(export) => export.next_batch().await,
        }
    }
}

impl Folder {
    /// Opens the folder, or finds the server that holds it. A missing folder is made.
    ///
    /// # Errors
    /// When neither can be done.
    pub async fn open(folder: &Path, options: Options) -> Result<Folder, FolderError> {
        match Wayfarer::open(folder, options).await {
            Ok(wayfarer) => Ok(Folder::Open(wayfarer)),
            Err(OpenError::Held { .. }) => Ok(Folder::Remote(Client::connect(folder).await?)),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`open`](Folder::open), but makes nothing: for commands that only read.
    ///
    /// # Errors
    /// [`FolderError::Missing`] when there is none; else as [`open`](Folder::open).
    pub async fn existing(folder: &Path, options: Options) -> Result<Folder, FolderError> {
        if !folder.join("wayfarer.sqlite").exists() {
            return Err(FolderError::Missing { folder: folder.display().to_string() });
        }
        Folder::open(folder, options).await
    }

    /// Answers a report.
    ///
    /// # Errors
    /// When the question is wrong or the lake cannot be read.
    pub async fn report(&self, request: &Request) -> Result<Answer, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.report(request.clone()).await?),
            Folder::Remote(client) => client.report(request).await,
        }
    }

    /// Answers a query in SQL over the tables `events` and `visits`.
    ///
    /// # Errors
    /// When it is no query, would change something, outgrows a limit, or the lake cannot be read.
    #[cfg(feature = "sql")]
    pub async fn query(&self, sql: &str, limits: &SqlLimits) -> Result<SqlAnswer, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(sql::answer(wayfarer, sql, limits).await?),
            Folder::Remote(client) => client.query(sql, limits).await,
        }
    }

    /// How the folder is.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn status(&self) -> Result<Status, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.status()),
            Folder::Remote(client) => client.status().await,
        }
    }

    /// Starts an export.
    ///
    /// # Errors
    /// When there is no such site or period.
    pub async fn export(&self, request: &ExportRequest) -> Result<ExportStream, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(ExportStream::Open(wayfarer.export(request)?)),
            Folder::Remote(client) => Ok(ExportStream::Remote(client.export(request).await?)),
        }
    }

    /// Imports files, one after the other; `observe` is told of progress and of every refused line.
    ///
    /// # Errors
    /// When a file cannot be read or the lake cannot take it. What was imported before stays.
    pub async fn import(
        &self,
        request: &ImportRequest,
        inputs: Inputs,
        mut observe: impl FnMut(ImportEvent),
    ) -> Result<ImportCounts, FolderError> {
        let wayfarer = match self {
            Folder::Open(wayfarer) => wayfarer,
            Folder::Remote(client) => return client.import(request, inputs, observe).await,
        };
        let (sender, mut events) = mpsc::channel(EVENTS);
        let import = wayfarer.import(request, inputs, sender);
        tokio::pin!(import);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => observe(event),
                counts = &mut import => {
                    while let Ok(event) = events.try_recv() {
                        observe(event);
                    }
                    return Ok(counts?);
                }
            }
        }
    }

    /// Every site.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn sites(&self) -> Result<Vec<SiteSpec>, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.control().sites()),
            Folder::Remote(client) => client.sites().await,
        }
    }

    /// Makes a site, or gives a site new settings.
    ///
    /// # Errors
    /// When the name, zone or a host cannot be used.
    pub async fn put_site(&self, site: &SiteSpec) -> Result<(), FolderError> {
        match self {
            Folder::Open(wayfarer) => {
                wayfarer.control().put_site(site, Micros::from(wayfarer.now())).await?;
                Ok(())
            }
            Folder::Remote(client) => client.put_site(site).await,
        }
    }

    /// Every token, without its text.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.control().tokens()),
            Folder::Remote(client) => client.tokens().await,
        }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// When there is no such site.
    pub async fn create_token(&self, site: &str, scope: Scope) -> Result<NewToken, FolderError> {
        match self {
            Folder::Open(wayfarer) => {
                let now = Micros::from(wayfarer.now());
                Ok(wayfarer.control().create_token(site, scope, now).await?)
            }
            Folder::Remote(client) => client.create_token(site, scope).await,
        }
    }

    /// Takes a token back; `false` if there was none.
    ///
    /// # Errors
    /// When the control store cannot be written.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.control().revoke_token(id).await?),
            Folder::Remote(client) => client.revoke_token(id).await,
        }
    }

    /// The goals or segments of a site.
    ///
    /// # Errors
    /// When there is no such site.
    pub async fn saved<T: Saved>(&self, site: &str) -> Result<Vec<T>, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.control().saved(site)?),
            Folder::Remote(client) => client.saved(site).await,
        }
    }

    /// Saves a goal or segment, in the place of the one of its name if there is one.
    ///
    /// # Errors
    /// When there is no such site, or no report could use it.
    pub async fn save<T: Saved>(&self, site: &str, one: &T) -> Result<(), FolderError> {
        match self {
            Folder::Open(wayfarer) => {
                Ok(wayfarer.control().save(site, one, Micros::from(wayfarer.now())).await?)
            }
            Folder::Remote(client) => client.save(site, one).await,
        }
    }

    /// Forgets a goal or segment; `false` if there was none of this name.
    ///
    /// # Errors
    /// When there is no such site, or another segment rests on it.
    pub async fn forget<T: Saved>(&self, site: &str, name: &str) -> Result<bool, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.control().forget::<T>(site, name).await?),
            Folder::Remote(client) => client.forget::<T>(site, name).await,
        }
    }

    /// Drops what sites no longer keep, merges all files that can be merged, removes those that nobody needs.
    ///
    /// # Errors
    /// When a file or the catalog cannot be read or written.
    pub async fn compact(&self) -> Result<Compacted, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.compact().await?),
            Folder::Remote(client) => client.compact().await,
        }
    }

    /// Verifies log, catalog and files against each other.
    ///
    /// # Errors
    /// When the catalog cannot be read. What is wrong with files is in the answer.
    pub async fn check(&self) -> Result<Check, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.check().await?),
            Folder::Remote(client) => client.check().await,
        }
    }

    /// Erases a person.
    ///
    /// # Errors
    /// When there is no such site, or a file or the catalog cannot be read or written.
    pub async fn erase(&self, request: &ErasureRequest) -> Result<Erasure, FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.erase(request).await?),
            Folder::Remote(client) => client.erase(request).await,
        }
    }

    /// Puts the folder into its final form if this process holds it; a server keeps its own.
    ///
    /// # Errors
    /// When the last seal fails.
    pub async fn close(self) -> Result<(), FolderError> {
        match self {
            Folder::Open(wayfarer) => Ok(wayfarer.close().await?),
            Folder::Remote(_) => Ok(()),
        }
    }
}
