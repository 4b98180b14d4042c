//! Configuration: a TOML file and `WAYFARER_…` variables, read as text, then checked once into [`Config`].
//!
//! Every key is one row of [`KEYS`], which feeds the documentation and the names of the variables: `max_body_bytes` is
//! `WAYFARER_MAX_BODY_BYTES`. A variable wins over the file. A key that is not in the table is refused by name.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use wayfarer_analysis::VisitRule;
use wayfarer_event::Micros;
use wayfarer_lake::{CatalogAt, SharedCatalog};

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// Every key.
pub const KEYS: &[Key] = &[
    Key { name: "data", default: "./wayfarer-data", doc: "the data folder" },
    Key {
        name: "catalog",
        default: "",
        doc: "the database in which several nodes share a lake, postgres://…; without it the data folder is the lake",
    },
    Key {
        name: "files",
        default: "as the catalog says",
        doc: "the folder for files that these nodes share; named by the first one",
    },
    Key { name: "listen", default: "127.0.0.1:8080", doc: "address and port to serve on" },
    Key {
        name: "hosts",
        default: "[]",
        doc: "names under which a proxy shows the dashboard; loopback names are always allowed",
    },
    Key {
        name: "proxies",
        default: "0",
        doc: "how many trusted proxies stand before the server: so many of the last addresses in X-Forwarded-For are \
              theirs or named by them",
    },
    Key {
        name: "max_body_bytes",
        default: "1048576",
        doc: "largest body of events, unpacked, in bytes",
    },
    Key {
        name: "browser_events_per_second",
        default: "50",
        doc: "events a second from one address with a browser token; ten seconds of them at once",
    },
    Key {
        name: "server_events_per_second",
        default: "20000",
        doc: "events a second with one server token; ten seconds of them at once",
    },
    Key {
        name: "max_posts",
        default: "256",
        doc: "batches of events that are taken in at one time",
    },
    Key { name: "max_live", default: "64", doc: "live streams that are open at one time" },
    Key {
        name: "visit_gap_minutes",
        default: "30",
        doc: "the longest pause inside a visit, in minutes",
    },
    Key { name: "report_threads", default: "all cores", doc: "threads that one report may use" },
    Key { name: "reports", default: "2", doc: "reports that run at one time" },
    Key {
        name: "resident_bytes",
        default: "268435456",
        doc: "most memory for decoded columns, which make reports fast when asked again, in bytes; 0 for none",
    },
    Key {
        name: "answer_bytes",
        default: "16777216",
        doc: "about how much memory for answers, for when the same is asked again and nothing has changed, in bytes; 0 for none",
    },
    Key {
        name: "seal_seconds",
        default: "10",
        doc: "age at which hot rows go into Parquet, in seconds",
    },
    Key {
        name: "hot_bytes",
        default: "167772160",
        doc: "most memory for rows not yet in Parquet, in bytes",
    },
];

/// What the file and the variables say, before it is checked.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    data: Option<PathBuf>,
    catalog: Option<String>,
    files: Option<PathBuf>,
    listen: Option<String>,
    hosts: Option<Vec<String>>,
    proxies: Option<usize>,
    max_body_bytes: Option<usize>,
    browser_events_per_second: Option<u32>,
    server_events_per_second: Option<u32>,
    max_posts: Option<usize>,
    max_live: Option<usize>,
    visit_gap_minutes: Option<u32>,
    report_threads: Option<usize>,
    reports: Option<usize>,
    resident_bytes: Option<usize>,
    answer_bytes: Option<usize>,
    seal_seconds: Option<u64>,
    hot_bytes: Option<usize>,
}

/// The configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where to serve.
    pub listen: SocketAddr,
    /// What the HTTP side keeps to.
    pub http: Http,
    /// What the folder is opened with.
    pub options: wayfarer_embedded::Options,
}

/// What the HTTP side keeps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Names under which a proxy shows the dashboard, in lower case.
    pub hosts: Vec<String>,
    /// Trusted proxies before the server.
    pub proxies: usize,
    /// Largest body of events, unpacked.
    pub max_body_bytes: usize,
    /// Events a second from one address with a browser token.
    pub browser_events_per_second: u32,
    /// Events a second with one server token.
    pub server_events_per_second: u32,
    /// Batches of events that are taken in at one time.
    pub max_posts: usize,
    /// Live streams that are open at one time.
    pub max_live: usize,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            hosts: Vec::new(),
            proxies: 0,
            max_body_bytes: 1 << 20,
            browser_events_per_second: 50,
            server_events_per_second: 20_000,
            max_posts: 256,
            max_live: 64,
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: PathBuf::from("./wayfarer-data"),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            http: Http::default(),
            options: wayfarer_embedded::Options::default(),
        }
    }
}

impl Config {
    /// Reads a file, if one is named, and the variables of the environment.
    ///
    /// # Errors
    /// When the file cannot be read, or a key or value cannot be used.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?,
            None => String::new(),
        };
        Config::parse(&text, environment)
    }

    /// Reads the text of a file and the variables of the environment. Variables that do not begin with `WAYFARER_`, or
    /// belong to the command line, are not looked at.
    ///
    /// # Errors
    /// When a key or value cannot be used.
    pub fn parse(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| ConfigError::Syntax(e.message().to_owned()))?;
        let variables: BTreeMap<String, String> = environment.into_iter().collect();
        for key in KEYS {
            let name = format!("WAYFARER_{}", key.name.to_ascii_uppercase());
            if let Some(value) = variables.get(&name) {
                table.insert(key.name.to_owned(), value_of(key.name, value));
            }
        }
        let raw: Raw = table
            .try_into()
            .map_err(|e: toml::de::Error| ConfigError::Syntax(e.message().to_owned()))?;
        raw.check()
    }
}

/// A variable as the file would hold it: paths, addresses and lists are text, all else is as TOML reads it.
fn value_of(key: &str, text: &str) -> toml::Value {
    match key {
        "data" | "catalog" | "files" | "listen" => toml::Value::String(text.to_owned()),
        "hosts" => toml::Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|host| !host.is_empty())
                .map(|host| toml::Value::String(host.to_owned()))
                .collect(),
        ),
        _ => {
            text.parse().map_or_else(|_| toml::Value::String(text.to_owned()), toml::Value::Integer)
        }
    }
}

impl Raw {
    fn check(self) -> Result<Config, ConfigError> {
        let config = Config::default();
        let listen = match &self.listen {
            Some(text) => {
                text.parse().map_err(|_| wrong("listen", "is no address such as 127.0.0.1:8080"))?
            }
            None => config.listen,
        };
        Ok(Config {
            http: self.http(&config.http)?,
            options: self.options(config.options)?,
            data: self.data.unwrap_or(config.data),
            listen,
        })
    }

    fn http(&self, default: &Http) -> Result<Http, ConfigError> {
        let hosts = self.hosts.clone().unwrap_or_default();
        Ok(Http {
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            proxies: self.proxies.unwrap_or(default.proxies),
            max_body_bytes: within(
                "max_body_bytes",
                self.max_body_bytes,
                default.max_body_bytes,
                1024..=1 << 28,
            )?,
            browser_events_per_second: within(
                "browser_events_per_second",
                self.browser_events_per_second,
                default.browser_events_per_second,
                1..=1_000_000,
            )?,
            server_events_per_second: within(
                "server_events_per_second",
                self.server_events_per_second,
                default.server_events_per_second,
                1..=10_000_000,
            )?,
            max_posts: within("max_posts", self.max_posts, default.max_posts, 1..=100_000)?,
            max_live: within("max_live", self.max_live, default.max_live, 1..=100_000)?,
        })
    }

    fn options(
        &self,
        mut options: wayfarer_embedded::Options,
    ) -> Result<wayfarer_embedded::Options, ConfigError> {
        let gap = within("visit_gap_minutes", self.visit_gap_minutes, 30, 1..=1440)?;
        options.visits = VisitRule { gap: i64::from(gap) * Micros::MINUTE, ..options.visits };
        options.report_threads =
            within("report_threads", self.report_threads, options.report_threads, 1..=1024)?;
        options.reports = within("reports", self.reports, options.reports, 1..=1024)?;
        options.lake.resident_bytes = within(
            "resident_bytes",
            self.resident_bytes,
            options.lake.resident_bytes,
            0..=1 << 40,
        )?;
        options.answer_bytes =
            within("answer_bytes", self.answer_bytes, options.answer_bytes, 0..=1 << 40)?;
        let seal = within("seal_seconds", self.seal_seconds, 10, 1..=86_400)?;
        options.lake.seal_after = Duration::from_secs(seal);
        let hot = within("hot_bytes", self.hot_bytes, options.lake.hot_bytes, 1 << 22..=1 << 40)?;
        options.lake.seal_bytes = options.lake.seal_bytes.min(hot / 3);
        options.lake.hot_bytes = hot;
        options.lake.catalog = catalog(self.catalog.as_deref(), self.files.clone())?;
        Ok(options)
    }
}

/// Where the catalog of the lake is: in the data folder, or in the database at an address.
///
/// # Errors
/// When the address is none of a database that nodes can share.
pub fn catalog(url: Option<&str>, files: Option<PathBuf>) -> Result<CatalogAt, ConfigError> {
    match url.filter(|url| !url.is_empty()) {
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(CatalogAt::Postgres(SharedCatalog { url: url.to_owned(), files }))
        }
        Some(_) => Err(wrong("catalog", "is no address such as postgres://user@host/database")),
        None if files.is_some() => {
            Err(wrong("files", "is for nodes that share a lake: name their `catalog` as well"))
        }
        None => Ok(CatalogAt::Folder),
    }
}

fn within<T: Copy + PartialOrd + fmt::Display>(
    key: &'static str,
    value: Option<T>,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, ConfigError> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    Err(wrong(key, format!("is {value}, it must be between {} and {}", range.start(), range.end())))
}

fn wrong(key: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Value { key, problem: problem.into() }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no TOML, or has a key that is not known, or a value of a wrong type.
    #[error("cannot read the configuration: {0}")]
    Syntax(String),
    /// A value cannot be used.
    #[error("the configuration's `{key}` {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong, so that key + problem reads as a sentence.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::parse(text, variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn every_key_may_stand_in_the_file_and_in_the_environment() {
        for key in KEYS {
            let variable = format!("WAYFARER_{}", key.name.to_ascii_uppercase());
            let value = match key.name {
                "data" => "/tmp/x",
                "catalog" => "postgres://a@db/lake",
                "files" => continue,
                "listen" => "127.0.0.1:1",
                "hosts" => "a.example, b.example",
                "hot_bytes" => "8000000",
                "max_body_bytes" => "2048",
                _ => "7",
            };
            parse("", &[(&variable, value)]).unwrap();
            let line = match value_of(key.name, value) {
                toml::Value::Array(_) => format!("{} = [\"a.example\"]", key.name),
                toml::Value::String(text) => format!("{} = \"{text}\"", key.name),
                _ => format!("{} = {value}", key.name),
            };
            parse(&line, &[]).unwrap();
        }
    }

    #[test]
    fn nodes_that_share_a_lake_name_its_catalog_and_its_files() {
        let text = "catalog = \"postgres://a@db/lake\"\nfiles = \"/mnt/lake\"";
        let config = parse(text, &[("WAYFARER_FILES", "/mnt/other")]).unwrap();
        let shared = SharedCatalog {
            url: "postgres://a@db/lake".to_owned(),
            files: Some("/mnt/other".into()),
        };
        assert_eq!(config.options.lake.catalog, CatalogAt::Postgres(shared));
        assert!(!format!("{config:?}").contains("a@db"), "an address may hold a password");
    }

    #[test]
    fn a_variable_wins_over_the_file() {
        let config =
            parse("listen = \"127.0.0.1:1\"\nproxies = 1", &[("WAYFARER_LISTEN", "[::1]:2")]);
        let config = config.unwrap();
        assert_eq!(config.listen.to_string(), "[::1]:2");
        assert_eq!(config.http.proxies, 1);
    }

    #[test]
    fn both_caches_have_their_bound() {
        let config = parse("resident_bytes = 1000", &[("WAYFARER_ANSWER_BYTES", "0")]).unwrap();
        assert_eq!((config.options.lake.resident_bytes, config.options.answer_bytes), (1000, 0));
        let config = parse("", &[]).unwrap();
        let of = |name| -> usize {
            let key = KEYS.iter().find(|key| key.name == name).unwrap();
            key.default.parse().unwrap()
        };
        assert_eq!(config.options.lake.resident_bytes, of("resident_bytes"));
        assert_eq!(config.options.answer_bytes, of("answer_bytes"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let message = |text| parse(text, &[]).unwrap_err().to_string();
        assert!(message("lisen = 1").contains("lisen"));
        assert!(message("listen = \"here\"").contains("`listen`"));
        assert!(message("catalog = \"lake.sqlite\"").contains("`catalog`"));
        assert!(message("files = \"/mnt\"").contains("name their `catalog`"));
        assert!(message("max_posts = 0").contains("between 1 and"));
        assert!(message("max_posts = \"many\"").contains("cannot read"));
        let error = parse("", &[("WAYFARER_MAX_POSTS", "many")]).unwrap_err();
        assert!(error.to_string().contains("cannot read"), "{error}");
    }
}
