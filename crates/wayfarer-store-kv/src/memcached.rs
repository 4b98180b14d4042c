//! Sessions in Memcached 1.6, on several servers.
//!
//! `client` talks to one server, [`Servers`] finds the one that a key belongs to; `native` has our own sessions, `django`
//! those of Django's `cache` engine.
//!
//! A server that is away is an error, and nobody looks elsewhere for its keys: when it came back, so would old sessions.

mod client;
mod django;
mod murmur;
mod native;

use std::time::Duration;

use jiff::Timestamp;
use wayfarer_session::{StoreError, StoreErrorKind};

#[cfg(feature = "fuzzing")]
pub(crate) use self::client::fuzz as fuzz_answers;
use self::client::{Answer, Client, Code, command};
pub use self::{django::DjangoMemcachedStore, native::MemcachedStore};

/// How to open a store in Memcached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemcachedOptions {
    /// What every key begins with: up to 100 characters without blanks. The default is `wayfarer:` for our sessions, and for
    /// Django's `:1:`, which is its own default, `KEY_PREFIX:VERSION:`.
    pub prefix: Option<String>,
    /// How long a call waits for a server. The default is 5 seconds.
    pub patience: Duration,
}

impl Default for MemcachedOptions {
    fn default() -> MemcachedOptions {
        MemcachedOptions { prefix: None, patience: Duration::from_secs(5) }
    }
}

/// A value of one mebibyte, less the room that the server takes for itself.
const MAX_BYTES: usize = (1 << 20) - 1024;

/// A key of more bytes, or with blanks, is none.
const MAX_KEY: usize = 250;

/// The servers between which the keys are shared.
#[derive(Debug)]
struct Servers(Vec<Client>);

impl Servers {
    /// Names the servers and asks each whether it is there.
    async fn open(addresses: &[&str], options: &MemcachedOptions) -> Result<Servers, StoreError> {
        let clients: Vec<Client> =
            addresses.iter().map(|at| Client::new(at, options.patience)).collect();
        if clients.is_empty() {
            let why = "no server is named";
            return Err(StoreError::new(StoreErrorKind::Unavailable, "open", why));
        }
        for client in &clients {
            client.now("open").await?;
        }
        Ok(Servers(clients))
    }

    /// The server of a key: the one that draws the highest lot with it, as pymemcache draws them.
    fn of(&self, name: &str) -> Option<&Client> {
        self.0.iter().max_by_key(|client| {
            let lot = murmur::hash(format!("{}-{name}", client.at).as_bytes());
            (lot, client.at.as_str())
        })
    }

    async fn ask(
        &self,
        call: &'static str,
        name: &str,
        question: Vec<u8>,
    ) -> Result<Answer, StoreError> {
        let server = self.of(name).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Unavailable, call, "no server is named")
        })?;
        server.ask(call, question).await
    }

    /// The item under a key, if there is one. A connection that broke is made again for it.
    async fn get(&self, call: &'static str, name: &str) -> Result<Option<Answer>, StoreError> {
        let answer = crate::again(|| self.ask(call, name, command::get(name))).await?;
        Ok((answer.code == Code::Done).then_some(answer))
    }
}

/// Whether Memcached takes this for a key. Others would be taken for commands.
fn is_key(name: &str) -> bool {
    name.len() <= MAX_KEY && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn no_key(call: &'static str) -> StoreError {
    let why = "Memcached takes keys of up to 250 characters without blanks";
    StoreError::new(StoreErrorKind::Unreadable, call, why)
}

/// An end in whole seconds of Unix time, rounded up. Memcached takes a number above 30 days for that, and knows none after
/// January 2038: what ends later stays until there is no room for it, 0.
fn unix(end: Timestamp) -> i64 {
    const MONTH: i64 = 30 * 24 * 60 * 60;
    let seconds = end.as_second().saturating_add(i64::from(end.subsec_nanosecond() > 0));
    if seconds > i64::from(i32::MAX) { 0 } else { seconds.max(MONTH + 1) }
}
