//! Wayfarer session stores in Redis, Valkey and Memcached.
//!
//! Start with [`RedisStore`] or [`MemcachedStore`], or with [`DjangoRedisStore`] or [`DjangoMemcachedStore`] to share
//! sessions with Django's `cache` and `cached_db` engines. A server of this kind forgets by itself what ran out; there is nothing to purge.
//!
//! `held` is what lies under a key of a native session, in every server.

#![cfg(any(feature = "memcached", feature = "redis"))]

#[cfg(all(feature = "fuzzing", feature = "memcached"))]
#[doc(hidden)]
pub mod fuzzing;
mod held;
#[cfg(feature = "memcached")]
mod memcached;
#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "memcached")]
pub use memcached::{DjangoMemcachedStore, MemcachedOptions, MemcachedStore};
#[cfg(feature = "redis")]
pub use redis::{DjangoRedisStore, RedisIdentity, RedisOptions, RedisStore};

use wayfarer_session::{StoreError, StoreErrorKind};

/// Where Django's `cache` engine keeps sessions, after the cache's own prefix and version.
const CACHE: &str = "django.contrib.sessions.cache";

/// Where the cache of its `cached_db` engine keeps them.
const CACHED_DB: &str = "django.contrib.sessions.cached_db";

/// Asks a question that changes nothing, and once more if there was no answer: a connection that broke is made again.
async fn again<T, F>(ask: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    match ask().await {
        Err(error) if error.kind() == StoreErrorKind::Unavailable => ask().await,
        answer => answer,
    }
}
