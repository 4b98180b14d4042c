//! Opens a session store by its address.
//!
//! | address | store |
//! | --- | --- |
//! | `sqlite:PATH`, `file:FOLDER` | on this machine |
//! | `postgres://…`, `mysql://…` | a database |
//! | `redis://…`, `rediss://…`, `memcached://HOST:PORT,HOST:PORT` | a cache server |
//!
//! With `django+` before it, the sessions of a Django project in the same place.

use std::{path::Path, sync::Arc, time::Duration};

use clap::Args;
use wayfarer_session::{
    CookieKeys, DjangoFileOptions, DjangoFileStore, FileStore, SessionHistory, SessionManager,
    SessionStore, SignalBus,
    django::{DjangoCodec, DjangoForm, PickleCodec, SALT},
};
use wayfarer_store_kv::{
    DjangoMemcachedStore, DjangoRedisStore, MemcachedOptions, MemcachedStore, RedisOptions,
    RedisStore,
};
use wayfarer_store_sql::{
    DjangoMySqlStore, DjangoPostgresStore, DjangoSqliteStore, MySqlStore, PoolOptions,
    PostgresStore, SqliteOptions, SqliteStore,
};

use super::value::Secrets;
use crate::failure::Failure;

/// Which store, and what opens its sessions
#[derive(Args, Debug)]
pub(crate) struct StoreArgs {
    /// The store: sqlite:PATH, file:FOLDER, postgres://…, mysql://…, redis://… or rediss://…, memcached://HOST:PORT; `django+`
    /// before it for a Django project's sessions there
    #[arg(long = "store", value_name = "URL")]
    url: String,
    /// A file that holds the secret key of the Django project
    #[arg(long, value_name = "F")]
    secret_key_file: Option<std::path::PathBuf>,
}

/// How the records of a store are written: only like goes to like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Native,
    /// Django's signed text.
    Signed,
    /// Django's pickles.
    Pickled,
}

/// An open store.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) form: Form,
    /// What it keeps of the past, where it has room for that.
    pub(crate) history: Option<Arc<dyn SessionHistory>>,
}

/// Opens the store at an address. What only reads makes no folder and no database: it must be there.
pub(crate) async fn open(url: &str, codec: Option<&DjangoCodec>) -> Result<Opened, Failure> {
    let (django, place) = match url.strip_prefix("django+") {
        Some(place) => (true, place),
        None => (false, url),
    };
    let unknown = || Failure::new("cli-store-unknown").with("url", without_password(url)).usage();
    let (scheme, rest) = place.split_once(':').ok_or_else(unknown)?;
    let path = Path::new(rest.strip_prefix("//").unwrap_or(rest));
    if matches!(scheme, "sqlite" | "file") && !path.exists() {
        return Err(Failure::new("cli-store-missing").path(path));
    }
    let servers: Vec<&str> = rest.trim_start_matches('/').split(',').collect();
    let mut history: Option<Arc<dyn SessionHistory>> = None;
    let store: Arc<dyn SessionStore> = match (scheme, django) {
        ("sqlite", false) => {
            let store = SqliteStore::open(path, SqliteOptions::default()).await?;
            history = Some(Arc::new(store.history()));
            Arc::new(store)
        }
        ("sqlite", true) => {
            Arc::new(DjangoSqliteStore::open(path, SqliteOptions::default()).await?)
        }
        ("file", false) => Arc::new(FileStore::open(path)?),
        // When a file of Django's runs out stands in what it holds.
        ("file", true) => {
            let codec = codec.ok_or_else(|| Failure::new("cli-no-secret").usage())?;
            Arc::new(DjangoFileStore::open(path, codec, DjangoFileOptions::default())?)
        }
        ("postgres" | "postgresql", false) => {
            let store = PostgresStore::open(place, PoolOptions::default()).await?;
            history = Some(Arc::new(store.history()));
            Arc::new(store)
        }
        ("postgres" | "postgresql", true) => {
            Arc::new(DjangoPostgresStore::open(place, PoolOptions::default()).await?)
        }
        ("mysql" | "mariadb", false) => {
            let store = MySqlStore::open(place, PoolOptions::default()).await?;
            history = Some(Arc::new(store.history()));
            Arc::new(store)
        }
        ("mysql" | "mariadb", true) => {
            Arc::new(DjangoMySqlStore::open(place, PoolOptions::default()).await?)
        }
        ("redis" | "rediss", false) => {
            Arc::new(RedisStore::open(place, RedisOptions::default()).await?)
        }
        ("redis" | "rediss", true) => {
            Arc::new(DjangoRedisStore::open(place, RedisOptions::default()).await?)
        }
        ("memcached", false) => {
            Arc::new(MemcachedStore::open(&servers, MemcachedOptions::default()).await?)
        }
        ("memcached", true) => {
            Arc::new(DjangoMemcachedStore::open(&servers, MemcachedOptions::default()).await?)
        }
        _ => return Err(unknown()),
    };
    let form = match (django, scheme) {
        (false, _) => Form::Native,
        (true, "redis" | "rediss" | "memcached") => Form::Pickled,
        (true, _) => Form::Signed,
    };
    Ok(Opened { store, form, history })
}

/// An address as it may be shown.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

impl StoreArgs {
    /// The store alone.
    pub(crate) async fn open(&self) -> Result<Opened, Failure> {
        open(&self.url, self.codec()?.as_ref()).await
    }

    /// Another store of the same project.
    pub(crate) async fn open_other(&self, url: &str) -> Result<Opened, Failure> {
        open(url, self.codec()?.as_ref()).await
    }

    /// The store, and what reads its sessions.
    pub(crate) async fn manager(&self) -> Result<SessionManager, Failure> {
        self.manager_of(self.open().await?)
    }

    /// The same, of a store that is open. What is done by it goes into the store's history.
    pub(crate) fn manager_of(&self, opened: Opened) -> Result<SessionManager, Failure> {
        let mut manager = SessionManager::builder(opened.store);
        if let Some(history) = opened.history {
            // Nobody waits for an answer here as a request does: what is done is written down.
            let bus = SignalBus::new().with_patience(Duration::from_secs(60));
            manager = manager.signals(bus).history(history, Duration::MAX);
        }
        let manager = match opened.form {
            // Nothing is opened by a cookie here, so any key will do.
            Form::Native => manager.cookie_keys(CookieKeys::new(&[0; CookieKeys::MIN_BYTES])?),
            Form::Pickled => manager.django(DjangoForm::from(PickleCodec::default())),
            Form::Signed => {
                let codec = self.codec()?;
                manager.django(codec.ok_or_else(|| Failure::new("cli-no-secret").usage())?)
            }
        };
        Ok(manager.build()?)
    }

    fn codec(&self) -> Result<Option<DjangoCodec>, Failure> {
        let Some(file) = &self.secret_key_file else { return Ok(None) };
        Ok(Some(DjangoCodec::new(&Secrets::in_file(file.clone()).django()?, SALT)?))
    }
}
