//! Standard output. A reader that goes away (`wayfarer report … | head`) ends the command quietly: it has what it wanted.

use std::io::{self, Write as _};

use serde::Serialize;

/// Lets `write` write to standard output, and flushes it. A closed pipe is no error.
///
/// # Errors
/// Whatever else goes wrong with standard output, such as a full disk behind it.
pub(crate) fn stdout(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    unless_closed(write(&mut out).and_then(|()| out.flush()))
}

/// Writes `value` as one line of JSON.
///
/// # Errors
/// As [`stdout`].
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    stdout(|out| {
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Writes one line of text.
///
/// # Errors
/// As [`stdout`].
pub(crate) fn line(text: &str) -> io::Result<()> {
    stdout(|out| writeln!(out, "{text}"))
}

fn unless_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
