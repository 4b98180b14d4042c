//! Real programs for tests: a browser, a Python interpreter, later database servers.
//!
//! Everything here starts a program on a port of its own in a temporary folder, waits for it to say that it is ready, and
//! stops it when the value is dropped. Nothing is skipped when a program is missing: the error is the line that installs it.
//! Tests that use this crate live in modules called `real`, which `cargo xtask test --fast` leaves out.
//!
//! - [`Browser`]: headless Chromium, driven over WebDriver.
//! - [`python()`]: the interpreter that has the packages of the tests, DuckDB among them.

mod browser;
mod python;

pub use browser::Browser;
pub use python::python;
