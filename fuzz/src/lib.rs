//! Hostile bytes for every decoder of the workspace.
//!
//! A [`Target`] is a plain function over bytes. It may refuse what it is given; it may not panic, and it checks what must
//! hold of what it takes. Three things run the same functions: the test `tests/it`, over `corpus/NAME/*` and over random
//! mutations of it, in every test run; the same under `cargo xtask show sessions`, for longer; and `fuzz_targets/any.rs`
//! under cargo-fuzz. `src/bin/seeds.rs` writes the first entries of the corpora.

#![expect(
    clippy::expect_used,
    reason = "a target is a test: what it cannot go on without may end it"
)]

#[cfg(feature = "analytics")]
mod analytics;
pub mod mutate;
mod sessions;
mod signed;

pub use signed::{COOKIE_SECRET, DJANGO_SECRET, FixedRandom, NOW, django_signed};

/// A decoder, and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its corpus.
    pub name: &'static str,
    /// Gives it these bytes.
    ///
    /// # Panics
    /// When something is wrong with the decoder.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($(#[$cfg:meta])? $module:ident::$name:ident,)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[
            $($(#[$cfg])? Target { name: stringify!($name), run: $module::$name },)*
        ];
    };
}

targets! {
    sessions::ticket,
    sessions::cookie_header,
    sessions::django_value,
    sessions::django_signed_body,
    sessions::django_json,
    sessions::pickle,
    sessions::native_record,
    sessions::native_file,
    sessions::django_file,
    sessions::cache_entry,
    sessions::carried_cookie,
    sessions::carried_plain,
    sessions::kv_record,
    sessions::memcached_answer,
    sessions::sql_session_row,
    sessions::sql_django_row,
    sessions::sql_history_row,
    sessions::tower_cookie,
    sessions::tower_row,
    #[cfg(feature = "analytics")]
    analytics::event_body,
    #[cfg(feature = "analytics")]
    analytics::log_lines,
    #[cfg(feature = "analytics")]
    analytics::filter,
    #[cfg(feature = "analytics")]
    analytics::pattern,
    #[cfg(feature = "analytics")]
    analytics::wal,
}
