//! Wayfarer session stores in Redis and Valkey.
//!
//! Start with [`RedisStore`], or with [`DjangoRedisStore`] to share sessions with Django's `cache` engine. A server of this kind forgets by itself what ran out; there is nothing to purge.

#[cfg(feature = "redis")]
mod held;
#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "redis")]
pub use redis::{DjangoRedisStore, RedisOptions, RedisStore};
