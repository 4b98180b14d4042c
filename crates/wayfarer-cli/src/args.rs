//! The table of the command line: what may be said, how it is explained. What the commands do stands in `cmd`,
//! one file each.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use wayfarer_embedded::Person;
use wayfarer_event::VisitorId;
use wayfarer_server::messages::Lang;

use crate::{cmd, rows};

/// Sessions, and what happens in them: collects events, keeps them, answers what people do.
#[derive(Debug, Parser)]
#[command(name = "wayfarer", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) common: Common,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// The data folder [default: ./wayfarer-data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common")]
    pub(crate) data: Option<PathBuf>,
    /// The database in which several nodes share a lake: postgres://…
    #[arg(long, global = true, value_name = "URL", help_heading = "Common")]
    pub(crate) catalog: Option<String>,
    /// The folder for files that these nodes share
    #[arg(
        long = "lake-files",
        global = true,
        value_name = "DIR",
        requires = "catalog",
        help_heading = "Common"
    )]
    pub(crate) lake_files: Option<PathBuf>,
    /// A configuration in TOML; every key also as WAYFARER_… in the environment
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "WAYFARER_CONFIG",
        hide_env_values = true,
        help_heading = "Common"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON and nothing else on standard output
    #[arg(long, global = true, help_heading = "Common")]
    pub(crate) json: bool,
    /// Language of messages: en or zh-CN [default: the environment's]
    #[arg(
        long,
        global = true,
        value_name = "LANG",
        env = "WAYFARER_LANG",
        hide_env_values = true,
        hide_possible_values = true,
        help_heading = "Common"
    )]
    pub(crate) lang: Option<Language>,
}

/// Of whom: an account, or a visitor.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(crate) struct Whom {
    /// An account, with what its visitors did before they logged in
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// A visitor, as reports show them: sixteen hexadecimal digits
    #[arg(long, value_name = "V", value_parser = visitor)]
    visitor: Option<VisitorId>,
}

impl Whom {
    /// The person, if one was named.
    pub(crate) fn person(self) -> Option<Person> {
        self.user.map(Person::User).or(self.visitor.map(Person::Visitor))
    }
}

/// Reads a visitor.
fn visitor(text: &str) -> Result<VisitorId, String> {
    let whole = text.parse().ok().filter(|_| text.len() == 16);
    whole
        .ok_or_else(|| "not a visitor: sixteen hexadecimal digits, as reports show them".to_owned())
}

/// A language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// English
    En,
    /// 简体中文
    #[value(name = "zh-CN", alias = "zh-cn", alias = "zh")]
    ZhCn,
}

impl From<Language> for Lang {
    fn from(language: Language) -> Lang {
        match language {
            Language::En => Lang::En,
            Language::ZhCn => Lang::ZhCn,
        }
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole loop on this machine: a shop with simulated visitors, collector, lake, dashboard
    #[cfg(feature = "demo")]
    Demo(cmd::demo::Demo),
    /// Serve collector, API and dashboard
    Serve(cmd::serve::Serve),
    /// Read log files into the lake; the same file twice adds nothing
    Import(cmd::import::Import),
    /// Answer a question from the lake
    Report(cmd::report::Report),
    /// Ask in SQL, over the tables events and visits (feature `sql`)
    Query(cmd::query::Query),
    /// Write events into a file
    Export(cmd::export::Export),
    /// Merge small files, and drop what sites no longer keep
    Compact(cmd::compact::Compact),
    /// Verify log, catalog and files against each other
    Check(cmd::check::Check),
    /// Erase a person: afterwards no byte of theirs is in the data folder
    Erase(cmd::erase::Erase),
    /// Show how the lake is, and the line that opens it in DuckDB
    Status(cmd::status::Status),
    /// Look into sessions and their stores: values, lists, purge, copy
    #[command(subcommand)]
    Session(cmd::session::Session),
    /// Make sites, tokens, goals and segments
    #[command(subcommand)]
    Admin(cmd::admin::Admin),
}

impl Cli {
    /// Reads the command line. Wrong usage ends the process with status 2 and says what is right.
    pub(crate) fn read() -> Cli {
        let matches = command().get_matches();
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The table with what other tables explain: reports, formats of logs, formats of exports.
pub(crate) fn command() -> clap::Command {
    Cli::command()
        .mut_subcommand("report", |report| report.after_help(reports()))
        .mut_subcommand("import", |import| import.after_help(log_formats()))
        .mut_subcommand("export", |export| export.after_help(export_formats()))
}

fn reports() -> String {
    let rows = wayfarer_analysis::reports().iter().map(|report| (report.name(), report.doc()));
    section("Reports", rows)
}

fn log_formats() -> String {
    let rows = wayfarer_collect::logs::FORMATS.iter().map(|format| (format.name, format.doc));
    section("Formats", rows)
}

fn export_formats() -> String {
    let rows = rows::FORMATS.iter().map(|format| (format.extension, format.doc));
    section("Formats", rows)
}

/// A section of the help: names and what they mean.
fn section<'a>(title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = format!("{title}:\n");
    for (name, doc) in rows {
        text.push_str(&format!("  {name:width$}  {doc}\n"));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Reads an address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "not an address and port, such as 127.0.0.1:8080".to_owned())
}
