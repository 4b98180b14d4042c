//! Redis and Memcached stores from outside, on real servers.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

mod common;
mod memcached;
mod memcached_django;
mod redis;
mod redis_django;
