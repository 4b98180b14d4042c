//! How a store talks to a database server: how many connections, and how long it waits.

use std::time::Duration;

use sqlx::{Connection, Database, pool::PoolOptions as Builder};
use wayfarer_session::{StoreError, StoreErrorKind};

use crate::{
    database::Answer,
    server::{Connections, trouble},
};

/// How to open a store in a database server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// How many connections there are at the most. The default is 10.
    pub connections: u32,
    /// How long a call waits for a connection and its answer. The default is 5 seconds.
    pub patience: Duration,
}

impl Default for PoolOptions {
    fn default() -> PoolOptions {
        PoolOptions { connections: 10, patience: Duration::from_secs(5) }
    }
}

/// A connection that lay idle for so long is asked whether it still stands. Asking one in use would cost every call a round
/// trip.
const FRESH: Duration = Duration::from_secs(1);

/// Opens connections to the server that errors call `at`; the first one at once.
pub(crate) async fn connect<D: Database>(
    at: String,
    address: <D::Connection as Connection>::Options,
    options: &PoolOptions,
    pool: Builder<D>,
) -> Answer<Connections<D>> {
    let pool = pool
        .max_connections(options.connections.max(1))
        .acquire_timeout(options.patience)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(address)
        .await
        .map_err(|error| trouble("open", &at, error))?;
    Ok(Connections { pool, at: at.into(), patience: options.patience })
}

/// How errors name a database. Its user and password are not for them.
pub(crate) fn server(kind: &str, host: &str, port: u16, database: &str) -> String {
    format!("{kind} at {host}:{port}, database {database:?}")
}

pub(crate) fn wrong_address(error: sqlx::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "open", error)
}
