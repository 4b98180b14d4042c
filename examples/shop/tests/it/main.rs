//! A visitor walks through the shop, over real HTTP and with a cookie jar, as a browser without JavaScript would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod browser;
mod insights;
mod walk;
