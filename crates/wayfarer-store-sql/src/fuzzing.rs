//! For the fuzz targets: what rows of databases hold, without the databases.
//!
//! Anybody may have written a row, and SQLite takes any value in any column. The bytes of a target are the values of the
//! columns, between [`BETWEEN`]; an empty value is NULL.

#![expect(
    clippy::expect_used,
    reason = "a target is a test: what it cannot go on without may end it"
)]

use wayfarer_session::BoxError;

use crate::{
    database::{FromRow, Row, Value},
    django, history, native,
};

/// What stands between the values of a row.
pub const BETWEEN: u8 = 0x1f;

/// The columns of [`history`](history::values), as they are written.
const HISTORY: [&str; 7] = ["at", "kind", "handle", "subject", "user", "reason", "device"];

/// Values by the names of their columns.
struct Made<'a>(&'a [&'static str], Vec<&'a [u8]>);

impl<'a> Made<'a> {
    fn of(columns: &'a [&'static str], bytes: &'a [u8]) -> Made<'a> {
        Made(columns, bytes.splitn(columns.len(), |byte| *byte == BETWEEN).collect())
    }

    fn value(&self, column: &str) -> Result<&[u8], BoxError> {
        let at = self.0.iter().position(|name| *name == column).ok_or("no such column")?;
        Ok(self.1.get(at).copied().unwrap_or_default())
    }
}

impl Row for Made<'_> {
    fn number(&self, column: &str) -> Result<i64, BoxError> {
        Ok(self.text(column)?.parse()?)
    }

    fn text(&self, column: &str) -> Result<String, BoxError> {
        self.maybe_text(column)?.ok_or_else(|| "it is NULL".into())
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>, BoxError> {
        let text = std::str::from_utf8(self.value(column)?)?;
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, BoxError> {
        Ok(self.value(column)?.to_vec())
    }
}

/// Reads a row of history.
///
/// # Panics
/// When what was read does not come back as it is written.
pub fn history_row(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        Ok::<_, BoxError>(history::Told::from_row(&Made::of(&HISTORY, bytes))?.entry()?)
    };
    let Ok(entry) = read(bytes) else { return };
    let written: Vec<Vec<u8>> = history::values(&entry).iter().map(written).collect();
    let again = read(&written.join(&BETWEEN)).expect("what was written can be read");
    assert_eq!(again, entry, "it does not come back");
}

/// A value as a row has it.
fn written(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Text(text) | Value::Key(text) => text.as_bytes().to_vec(),
        Value::OwnText(text) => text.as_bytes().to_vec(),
        Value::MaybeText(text) => text.clone().unwrap_or_default().into_bytes(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Number(number) => number.to_string().into_bytes(),
    }
}

/// Reads a native session.
///
/// # Panics
/// When it is not what its columns say.
pub fn session_row(bytes: &[u8]) {
    let columns = ["key", "version", "expires_at", "subject", "user", "data"];
    let row = Made::of(&columns, bytes);
    let Ok(listed) = native::Keyed::from_row(&row).and_then(|row| Ok(row.listed()?)) else {
        return;
    };
    let record = listed.loaded.record;
    let written = [
        listed.key.expose().to_owned(),
        record.expires_at.as_microsecond().to_string(),
        record.subject.map(|subject| subject.to_string()).unwrap_or_default(),
        record.user.as_deref().unwrap_or_default().to_owned(),
    ];
    let stood = ["key", "expires_at", "subject", "user"].map(|column| row.maybe_text(column));
    for (written, stood) in written.into_iter().zip(stood) {
        let stood = stood.expect("it was read").unwrap_or_default();
        let same = written == stood || written.parse::<i64>().ok() == stood.parse().ok();
        assert!(same, "{stood:?} was read as {written:?}");
    }
    assert_eq!(&*record.data, row.bytes("data").expect("it was read"));
}

/// Reads a session of Django's table.
///
/// # Panics
/// When its end does not come back as it is written.
pub fn django_row(bytes: &[u8]) {
    let columns = ["session_key", "expire_date", "session_data"];
    let read = |bytes: &[u8]| {
        Ok::<_, BoxError>(django::Stored::from_row(&Made::of(&columns, bytes))?.listed()?)
    };
    let Ok(listed) = read(bytes) else { return };
    let (key, record) = (listed.key.expose(), listed.loaded.record);
    let parts = [key.as_bytes(), django::stamp(record.expires_at).as_bytes(), &record.data]
        .map(<[u8]>::to_vec);
    let again = read(&parts.join(&BETWEEN)).expect("what was written can be read");
    let micros = |at: jiff::Timestamp| at.as_microsecond();
    assert_eq!(micros(again.loaded.record.expires_at), micros(record.expires_at));
    assert_eq!((again.key.expose(), again.loaded.record.data), (key, record.data));
}
