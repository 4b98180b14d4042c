//! The program of cargo-fuzz: `WAYFARER_FUZZ_TARGET=NAME cargo fuzz run any fuzz/corpus/NAME`. See `fuzz/README.md`.

#![no_main]

use std::sync::LazyLock;

use wayfarer_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("WAYFARER_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("WAYFARER_FUZZ_TARGET must be one of {}", known.join(", "));
        std::process::exit(2)
    })
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
