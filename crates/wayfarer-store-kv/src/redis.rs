//! Sessions in Redis 6.2 or Valkey, or newer; alone, or as a cluster.
//!
//! Every change is one step on the server, so that nobody comes between looking and writing: a script, or for a save of a session
//! without a user, in Valkey from 8.1 and Redis from 8.4 on, a plain `SET` with `IFEQ`, which costs the server much less.
//! `native` has our own sessions by its `scripts`, `django` those of Django's `cache` engine, `server` talks to the one
//! server or the many, with TLS by `tls`.

mod django;
mod native;
mod scripts;
mod server;
mod tls;

use std::{fmt, time::Duration};

use jiff::Timestamp;

pub use self::{django::DjangoRedisStore, native::RedisStore};

/// How to open a store in Redis.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisOptions {
    /// What every key begins with. The default is `wayfarer:` for our sessions, and for Django's `:1:`, which is its own
    /// default, `KEY_PREFIX:VERSION:`.
    pub prefix: Option<String>,
    /// How long a call waits for a connection, and then for its answer. The default is 5 seconds.
    pub patience: Duration,
    /// The certificates, in PEM, of the authorities that may vouch for a server at a `rediss://` address, and of no others. The
    /// default, `None`, is the system's authorities, or those of the file that the environment variable `SSL_CERT_FILE` names.
    pub ca_pem: Option<String>,
    /// Who we are, for a server at a `rediss://` address that wants to see a certificate (`tls-auth-clients yes`). The default is
    /// `None`.
    pub identity: Option<RedisIdentity>,
}

/// A certificate of one's own, for servers that let nobody in without one. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct RedisIdentity {
    certificate_pem: String,
    key_pem: String,
}

impl RedisIdentity {
    /// The certificate, with those that lead to its authority if there are any, and its key: the texts of PEM files, not their
    /// names. The key must not be encrypted.
    #[must_use]
    pub fn new(certificate_pem: impl Into<String>, key_pem: impl Into<String>) -> RedisIdentity {
        RedisIdentity { certificate_pem: certificate_pem.into(), key_pem: key_pem.into() }
    }
}

impl fmt::Debug for RedisIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisIdentity(…)")
    }
}

impl Default for RedisOptions {
    fn default() -> RedisOptions {
        RedisOptions {
            prefix: None,
            patience: Duration::from_secs(5),
            ca_pem: None,
            identity: None,
        }
    }
}

/// When Redis may forget what ends at `end`, in milliseconds of its own clock: some time later, since clocks differ. Until
/// then the end itself, which is in the value, is what counts.
fn forget_at(end: Timestamp) -> i64 {
    const GRACE: i64 = 60_000;
    end.as_millisecond().saturating_add(GRACE).max(1)
}
