//! `wayfarer import`: log files into the lake.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, builder::PossibleValuesParser};
use indicatif::ProgressBar;
use wayfarer_collect::logs::{FORMATS, ImportCounts};
use wayfarer_embedded::{ImportEvent, ImportProgress, ImportRequest, Inputs, RejectedLine};
use wayfarer_server::{local::Folder, messages::grouped};

use crate::{
    desk::{Desk, with_folder},
    failure::{Failure, cannot_read, cannot_write},
    show::{output, progress},
};

/// Read log files into the lake; the same file twice adds nothing
///
/// A site that does not exist is made, with the days of --tz. Files may be packed with gzip or zstd; `-` is standard input. What was
/// imported before a failure stays, and the same command may be run again.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The files; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Whose events; a site that does not exist is made
    #[arg(long, value_name = "S")]
    site: String,
    /// The format of the files; see the list below
    #[arg(long, value_name = "F", default_value = "auto", value_parser = PossibleValuesParser::new(formats()), hide_possible_values = true)]
    format: String,
    /// Zone of times that are written without one; also of the days of a site that is made now [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    tz: Option<String>,
    /// Write refused lines into this file: name, number, reason and the line with addresses masked, with tabs between
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

fn formats() -> impl Iterator<Item = &'static str> {
    std::iter::once("auto").chain(FORMATS.iter().map(|format| format.name))
}

fn zone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("no time zone, such as Europe/Berlin".to_owned()),
    }
}

impl Import {
    /// Imports the files and prints the counts.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let (inputs, bytes) = self.inputs()?;
        let mut watch = Watch::new(&self, bytes)?;
        let request = ImportRequest {
            site: self.site.clone(),
            format: Some(self.format.clone()),
            timezone: self.tz.clone(),
        };
        let import = async |folder: &Folder| {
            Ok(folder.import(&request, inputs, |event| watch.see(event)).await?)
        };
        let counts = with_folder(desk.folder().await?, import).await;
        // Lines that were refused before a failure are worth as much as the others.
        let rejects = watch.finish();
        let counts = counts?;
        rejects?;
        say(&desk, &counts)
    }

    /// Looks at every file before the first is read, so that a wrong name costs nothing; each is opened when its turn comes,
    /// so there may be any number. The length is that of all of them together; unknown with standard input.
    fn inputs(&self) -> Result<(Inputs, Option<u64>), Failure> {
        let mut length = Some(0);
        for path in &self.files {
            let bytes = if is_stdin(path) {
                None
            } else {
                let (_, bytes) = open(path).map_err(|error| cannot_read(path, &error))?;
                Some(bytes)
            };
            length = length.zip(bytes).map(|(sum, bytes): (u64, u64)| sum.saturating_add(bytes));
        }
        let files = self.files.clone().into_iter();
        Ok((Box::new(files.map(|path| reader(&path))), length))
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn reader(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin()));
    }
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let (file, _) = open(path).map_err(named)?;
    Ok(Box::new(file))
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok((file, metadata.len()))
}

/// What is done with the news of an import: a bar, and the file of refused lines.
struct Watch<'a> {
    files: &'a [PathBuf],
    bar: ProgressBar,
    /// Which file is being read, how many bytes of it were taken, and how many those before it had.
    file: usize,
    taken: u64,
    before: u64,
    rejects: Option<(&'a Path, BufWriter<File>)>,
    failed: Option<io::Error>,
}

impl<'a> Watch<'a> {
    fn new(import: &'a Import, length: Option<u64>) -> Result<Watch<'a>, Failure> {
        let rejects = match import.rejects.as_deref() {
            Some(path) => {
                let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
                Some((path, BufWriter::new(file)))
            }
            None => None,
        };
        let bar = progress::bytes(length);
        Ok(Watch { files: &import.files, bar, file: 0, taken: 0, before: 0, rejects, failed: None })
    }

    fn see(&mut self, event: ImportEvent) {
        match event {
            ImportEvent::Progress(progress) => self.advance(progress),
            ImportEvent::Rejected(line) => self.reject(&line),
        }
    }

    fn advance(&mut self, progress: ImportProgress) {
        if progress.file != self.file {
            self.before += self.taken;
            self.file = progress.file;
        }
        self.taken = progress.bytes;
        self.bar.set_position(self.before + self.taken);
    }

    fn reject(&mut self, line: &RejectedLine) {
        let Some((_, out)) = &mut self.rejects else { return };
        let name = self.files.get(line.file).map(|path| path.display().to_string());
        let name = name.unwrap_or_default();
        let written = writeln!(out, "{name}\t{}\t{}\t{}", line.line, line.reason, line.text);
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let Some((path, mut out)) = self.rejects.take() else { return Ok(()) };
        let result = self.failed.take().map_or_else(|| out.flush(), Err);
        result.map_err(|error| cannot_write(path, &error))
    }
}

fn say(desk: &Desk, counts: &ImportCounts) -> Result<(), Failure> {
    if desk.json {
        return Ok(output::json(counts)?);
    }
    let count = |count: u64| grouped(i64::try_from(count).unwrap_or(i64::MAX)).into();
    let variables = [
        ("read", count(counts.read)),
        ("imported", count(counts.imported)),
        ("duplicates", count(counts.duplicates)),
        ("rejected", count(counts.rejected)),
        ("bots", count(counts.bots)),
        ("visitors", count(counts.visitors)),
        ("seconds", format!("{:.1}", counts.seconds).into()),
    ];
    Ok(output::line(&desk.words.with("cli-imported", &variables))?)
}
