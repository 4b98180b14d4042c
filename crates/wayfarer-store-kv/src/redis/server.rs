//! One Redis server or a cluster: connections that come back, scripts, and errors that say where.
//!
//! No type of the client library leaves this folder.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redis::{
    Cmd, FromRedisValue, RedisError, Script, ServerErrorKind, aio::ConnectionManager, cmd,
};
use wayfarer_session::{StoreError, StoreErrorKind};

use super::{RedisOptions, tls};

/// The connection to a server, which is made again when it breaks. Clones share it.
#[derive(Clone)]
pub(super) struct Server {
    link: Link,
    /// The server, as errors name it.
    at: Arc<str>,
    /// Whether it compares and sets by a plain command, as far as is known; see [`Server::swap`].
    swaps: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Link {
    One(ConnectionManager),
    #[cfg(feature = "redis-cluster")]
    Many(redis::cluster_async::ClusterConnection),
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Server {
    /// Connects to one server.
    pub(super) async fn open(url: &str, options: &RedisOptions) -> Result<Server, StoreError> {
        let client = tls::client(url, options)?.map_err(|error| trouble("open", "Redis", error))?;
        let at = format!("Redis at {}", client.get_connection_info().addr());
        let config = redis::aio::ConnectionManagerConfig::new()
            .set_connection_timeout(Some(options.patience))
            .set_response_timeout(Some(options.patience))
            .set_number_of_retries(1);
        let manager = client.get_connection_manager_with_config(config).await;
        let link = Link::One(manager.map_err(|error| trouble("open", &at, error))?);
        Ok(Server::on(link, at))
    }

    /// Connects to a cluster, of which these are some nodes.
    #[cfg(feature = "redis-cluster")]
    pub(super) async fn open_cluster(
        urls: &[&str],
        options: &RedisOptions,
    ) -> Result<Server, StoreError> {
        let at = format!("the Redis cluster of {} nodes that were named", urls.len());
        let wrong = |error| trouble("open", &at, error);
        let client = tls::cluster(urls, options)?
            .connection_timeout(options.patience)
            .response_timeout(options.patience)
            .build()
            .map_err(wrong)?;
        let link = Link::Many(client.get_async_connection().await.map_err(wrong)?);
        Ok(Server::on(link, at))
    }

    fn on(link: Link, at: String) -> Server {
        Server { link, at: at.into(), swaps: Arc::new(AtomicBool::new(true)) }
    }

    /// Whether keys lie on several servers, so that a script may have one key alone.
    pub(super) fn is_cluster(&self) -> bool {
        !matches!(self.link, Link::One(_))
    }

    /// Runs a command.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        call: &'static str,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.query(command).await.map_err(|error| trouble(call, &self.at, error))
    }

    /// Sets a value if `old` lies there, by one plain command, and says whether it did. If it did not, nothing was changed, and a
    /// script must tell why: something else lies there, or the server does not know the command. Valkey knows it from 8.1 on,
    /// Redis from 8.4.
    ///
    /// Nobody is asked for a version: a server that is too old calls it a syntax error. From then on it is not tried again, since
    /// the nodes of a cluster, and those that take over from each other, may differ.
    pub(super) async fn swap(
        &self,
        call: &'static str,
        name: &str,
        old: &[u8],
        new: &[u8],
        forget_at: &str,
    ) -> Result<bool, StoreError> {
        if !self.swaps.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut set = cmd("SET");
        set.arg(name).arg(new).arg("PXAT").arg(forget_at).arg("IFEQ").arg(old);
        match self.query::<Option<String>>(&set).await {
            Err(error) if error.kind() == ServerErrorKind::ResponseError.into() => {
                self.swaps.store(false, Ordering::Relaxed);
                Ok(false)
            }
            answer => Ok(answer.map_err(|error| trouble(call, &self.at, error))?.is_some()),
        }
    }

    /// Runs a script, and sends its text only to a server that does not know it yet.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        call: &'static str,
        script: &Script,
        keys: &[impl AsRef<str>],
        arguments: &[&[u8]],
    ) -> Result<T, StoreError> {
        // In one piece: the client's own invocation copies each key and argument by itself.
        let mut known = cmd("EVALSHA");
        known.arg(script.get_hash()).arg(keys.len());
        for key in keys {
            known.arg(key.as_ref());
        }
        for argument in arguments {
            known.arg(*argument);
        }
        let mut answer = self.query(&known).await;
        if answer.as_ref().is_err_and(|error| error.kind() == ServerErrorKind::NoScript.into()) {
            answer = match self.teach(script).await {
                Ok(()) => self.query(&known).await,
                Err(error) => Err(error),
            };
        }
        answer.map_err(|error| trouble(call, &self.at, error))
    }

    /// Sends the text of a script.
    async fn teach(&self, script: &Script) -> Result<(), RedisError> {
        match self.link.clone() {
            Link::One(mut one) => script.load_async(&mut one).await?,
            #[cfg(feature = "redis-cluster")]
            Link::Many(mut many) => script.load_async(&mut many).await?,
        };
        Ok(())
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        match self.link.clone() {
            Link::One(mut one) => command.query_async(&mut one).await,
            #[cfg(feature = "redis-cluster")]
            Link::Many(mut many) => command.query_async(&mut many).await,
        }
    }
}

/// Names the kind of a failure, and the server.
fn trouble(call: &'static str, at: &str, source: RedisError) -> StoreError {
    // The word by which our scripts say that a value is not of this store's.
    let foreign = source.detail().is_some_and(|detail| detail.contains("WFUNREADABLE"));
    let wrong_type = source.code() == Some("WRONGTYPE");
    let kind = match foreign || wrong_type {
        true => StoreErrorKind::Unreadable,
        false => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, call, Trouble { at: at.to_owned(), source })
}

/// A failure, with the place where it happened and what may help.
#[derive(Debug)]
struct Trouble {
    at: String,
    source: RedisError,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.source.to_string();
        write!(f, "{}: {what}", self.at)?;
        if let Some(help) = tls::help(&what) {
            f.write_str(help)?;
        } else if self.source.is_io_error() {
            f.write_str(": is it running, and can it be reached from here?")?;
        }
        Ok(())
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
