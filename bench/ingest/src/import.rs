//! Imports an access log, repeated until it is as long as wanted, beside GoAccess building its report from the same file.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Import, event::SITE, server};

pub(crate) fn run(options: &Import, folder: &Path) -> Result<Value> {
    let log = folder.join("access.log");
    repeat(&options.log, options.lines, &log)?;
    let bytes = std::fs::metadata(&log)?.len();
    let started = Instant::now();
    let name = log.to_string_lossy();
    let data = server::data(folder, "import");
    let arguments = ["import", &*name, "--site", SITE, "--format", "combined"];
    let counts = server::output(&options.wayfarer, &data, &arguments)?;
    let seconds = started.elapsed().as_secs_f64();
    let goaccess = goaccess(&log, folder)?;
    Ok(json!({
        "bench": "import",
        "lines": options.lines,
        "bytes": bytes,
        "wayfarer": { "seconds": seconds, "lines_per_second": options.lines as f64 / seconds, "counts": counts },
        "goaccess": goaccess.map(|seconds| json!({
            "seconds": seconds, "lines_per_second": options.lines as f64 / seconds,
        })),
        "times_goaccess": goaccess.map(|goaccess| goaccess / seconds),
    }))
}

/// How long GoAccess takes, where it is installed.
fn goaccess(log: &Path, folder: &Path) -> Result<Option<f64>> {
    let started = Instant::now();
    let run = Command::new("goaccess")
        .arg(log)
        .args(["--log-format=COMBINED", "--no-progress", "-o"])
        .arg(folder.join("goaccess.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match run {
        Ok(status) => {
            ensure!(status.success(), "goaccess ended with {status}");
            Ok(Some(started.elapsed().as_secs_f64()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("could not run goaccess"),
    }
}

/// Writes the lines of a log again and again, each repetition in a month of its own, so that none brings a line of another.
fn repeat(log: &Path, lines: u64, into: &Path) -> Result<()> {
    let at = || format!("could not read {}", log.display());
    let mut original = Vec::new();
    for line in BufReader::new(File::open(log).with_context(at)?).split(b'\n') {
        original.push(line.with_context(at)?);
    }
    ensure!(!original.is_empty(), "{} is empty", log.display());
    let most = (original.len() * MONTHS.len() * YEARS) as u64;
    ensure!(lines <= most, "{} can be repeated to {most} lines at the most", log.display());
    let mut out = BufWriter::new(File::create(into)?);
    for n in 0..lines as usize {
        let (repetition, place) = (n / original.len(), n % original.len());
        let line = original.get(place).context("the log has changed")?;
        out.write_all(&shifted(line, repetition))?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Months in years from 1971 on, before which there is no Unix time, to 2015, the year of the log.
const MONTHS: [&str; 12] =
    ["May", "Apr", "Mar", "Feb", "Jan", "Dec", "Nov", "Oct", "Sep", "Aug", "Jul", "Jun"];
const YEARS: usize = 45;

/// The line in another year or month: `[17/May/2015:10:05:03 +0000]` becomes `[17/May/2014:…`, and in the end `[17/Jun/1971:…`.
fn shifted(line: &[u8], repetition: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let moved = || {
        let month = text.find('[')? + "[17/".len();
        let (begin, end) = (month + "May/".len(), month + "May/2015".len());
        let year: usize = text.get(begin..end)?.parse().ok()?;
        let name = MONTHS.get(repetition / YEARS)?;
        let year = year - repetition % YEARS;
        Some(format!("{}{name}/{year:04}{}", text.get(..month)?, text.get(end..)?))
    };
    moved().map_or_else(|| line.to_vec(), String::into_bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_repetition_has_times_of_its_own() {
        let line = br#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#;
        assert_eq!(shifted(line, 0), line);
        assert!(shifted(line, 2).starts_with(b"1.2.3.4 - - [17/May/2013:10:05:03 +0000]"));
        assert!(shifted(line, 46).starts_with(b"1.2.3.4 - - [17/Apr/2014:10:05:03 +0000]"));
        let all: HashSet<_> = (0..540).map(|repetition| shifted(line, repetition)).collect();
        assert_eq!(all.len(), 540);
        assert_eq!(shifted(b"no time", 3), b"no time");
    }
}
