//! `cargo xtask ci`: what must hold before anything lands, the quick checks first.

use anyhow::Result;

use crate::{run, test, tidy};

/// Format, clippy, docs, tidy, tests.
pub(crate) fn ci() -> Result<()> {
    run::run(&mut run::cargo(&["fmt", "--all", "--check"]))?;
    tidy::tidy()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run::run(&mut run::cargo(&clippy))?;
    let docs = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    run::run(
        run::cargo(&docs).env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"),
    )?;
    test::test(test::Scope::Everything)
}
