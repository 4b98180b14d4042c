//! The control store `wayfarer.sqlite`: which sites there are, who may send and read, what goals and segments were saved, and
//! the salts that make visitors pseudonymous.
//!
//! One process holds the folder, so what is read with every request (sites, tokens, salts) is kept in memory and the file
//! is written through. Start with [`Control`]; one file each for [`sites`](Control::sites), tokens, what was saved, and salts.

mod salts;
mod saved;
mod schema;
mod sites;
mod tokens;

use std::{path::Path, sync::Arc};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use self::salts::SaltBox;
pub use self::{
    saved::Saved,
    sites::SiteSpec,
    tokens::{Grant, NewToken, Scope, TokenInfo},
};
use wayfarer_session::Random;

use crate::OpenError;

/// The name of the store's file.
const FILE: &str = "wayfarer.sqlite";

/// The control store of one data folder.
pub struct Control {
    pool: SqlitePool,
    random: Arc<dyn Random>,
    sites: sites::Sites,
    tokens: tokens::Tokens,
    saved: saved::AllSaved,
    salts: Arc<SaltBox>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) async fn open(folder: &Path, random: Arc<dyn Random>) -> Result<Control, OpenError> {
        let file = folder.join(FILE);
        let pool = connect(&file).await?;
        schema::migrate(&pool, &file, schema::STEPS).await?;
        let salts = SaltBox::load(pool.clone(), Arc::clone(&random)).await?;
        Ok(Control {
            sites: sites::Sites::load(&pool).await?,
            tokens: tokens::Tokens::load(&pool).await?,
            saved: saved::AllSaved::load(&pool).await?,
            salts: Arc::new(salts),
            pool,
            random,
        })
    }

    /// The salts, for the collector.
    pub(crate) fn salts(&self) -> &Arc<SaltBox> {
        &self.salts
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// One connection, whose transactions are on disk when they answer. What is deleted is overwritten: a salt that was thrown
/// away must not lie about in a free page.
async fn connect(file: &Path) -> Result<SqlitePool, OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    Ok(pool)
}

#[cfg(test)]
mod tests;
