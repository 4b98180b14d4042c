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

/// Writes the lines of a log again and again, its years shifted by one a repetition, so that no line is there twice.
fn repeat(log: &Path, lines: u64, into: &Path) -> Result<()> {
    let at = || format!("could not read {}", log.display());
    let mut original = Vec::new();
    for line in BufReader::new(File::open(log).with_context(at)?).split(b'\n') {
        original.push(line.with_context(at)?);
    }
    ensure!(!original.is_empty(), "{} is empty", log.display());
    let mut out = BufWriter::new(File::create(into)?);
    for n in 0..lines as usize {
        let (repetition, place) = (n / original.len(), n % original.len());
        let line = original.get(place).context("the log has changed")?;
        out.write_all(&shifted(line, repetition))?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// The line with its year moved back: `[17/May/2015:10:05:03 +0000]` becomes `[17/May/2014:…`.
fn shifted(line: &[u8], years: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let moved = || {
        let begin = text.find('[')? + "[17/May/".len();
        let year: usize = text.get(begin..begin + 4)?.parse().ok()?;
        // Years before 1970 are no Unix time; the repetitions then share a year, at another second of the minute.
        let back = years % 40;
        let second = begin + 4 + ":10:05:".len();
        let stamp = (text.get(second..second + 2)?.parse::<usize>().ok()? + years / 40) % 60;
        let (head, between) = (text.get(..begin)?, text.get(begin + 4..second)?);
        Some(format!("{head}{:04}{between}{stamp:02}{}", year - back, text.get(second + 2..)?))
    };
    moved().map_or_else(|| line.to_vec(), String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repetition_has_times_of_its_own() {
        let line = br#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#;
        assert_eq!(shifted(line, 0), line);
        assert!(shifted(line, 2).starts_with(b"1.2.3.4 - - [17/May/2013:10:05:03 +0000]"));
        assert!(shifted(line, 41).starts_with(b"1.2.3.4 - - [17/May/2014:10:05:04 +0000]"));
        assert_eq!(shifted(b"no time", 3), b"no time");
    }
}
