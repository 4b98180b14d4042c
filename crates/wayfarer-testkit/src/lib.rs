//! Real programs for tests: database servers, a browser, a Python interpreter, Django.
//!
//! Everything here starts a program on a port of its own in a temporary folder, waits for it to say that it is ready, and
//! stops it when the value is dropped, also when the test program dies. Nothing is skipped when a program is missing: the
//! error is the line that installs it. Tests that use this crate live in modules called `real`, which
//! `cargo xtask test --fast` leaves out.
//!
//! - [`Postgres`], [`MariaDb`], [`Redis`], [`RedisCluster`], [`Memcached`]: `shared()` is one server for the whole test
//!   program, `start()` one that a test may kill. `shared_valkey()` of the Redis ones is Valkey,
//!   `shared_with_tls()` a server with a certificate for `localhost`.
//! - [`Django`]: scripts in a Django project.
//! - [`sessions`]: what must hold of sessions in a real store, tried by many at once.
//! - [`Wire`]: counts the round trips between a program and a server.
//! - [`Browser`]: headless Chromium, driven over WebDriver.
//! - [`python()`]: the interpreter that has the packages of the tests, DuckDB among them.

mod browser;
pub mod django;
mod mariadb;
mod memcached;
mod postgres;
mod proofs;
mod python;
mod redis;
mod server;
pub mod sessions;
mod shared;
mod tls;
mod wire;

pub use browser::Browser;
pub use django::Django;
pub use mariadb::MariaDb;
pub use memcached::Memcached;
pub use postgres::Postgres;
pub use python::python;
pub use redis::{Redis, RedisCluster};
pub use tls::Identity;
pub use wire::Wire;
