//! Tasks of this workspace, as `cargo xtask NAME`.
//!
//! | task | does |
//! | --- | --- |
//! | `test [--fast]` | installs what the tests need, runs every test, ends with `N passed, N failed` |
//! | `ci` | format, clippy, docs, tidy, then `test` |
//! | `tidy` | what no compiler checks: the arrows between crates, the length of files, the manifests |
//! | `show NAME` | the long proofs, as JSON under `target/show/` |
//!
//! A task is one file; [`main`] is the list of them.

mod ci;
mod run;
mod show;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask test [--fast] | ci | tidy | show NAME";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["test"] => test::test(test::Scope::Everything),
        ["test", "--fast"] => test::test(test::Scope::Fast),
        ["ci"] => ci::ci(),
        ["tidy"] => tidy::tidy(),
        ["show", name] => show::show(name),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
