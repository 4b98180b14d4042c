//! The record in a row of tower-sessions-sqlx-store, in MessagePack.

use serde::Deserialize as _;
use time::OffsetDateTime;
use tower_sessions_core::session::Record;
use wayfarer::session::BoxError;

/// A row is read whole, so this bounds what one costs.
const MOST: usize = 8 << 20;

/// So deep serde_json reads lists in lists. What is deeper would take the stack of a thread.
const DEEPEST: usize = 128;

/// Reads a record, if it is live.
pub(crate) fn live(data: &[u8]) -> Result<Option<Record>, BoxError> {
    if data.len() > MOST {
        return Err(format!("the record has {} bytes, {MOST} are read", data.len()).into());
    }
    let mut reader = rmp_serde::Deserializer::from_read_ref(data);
    reader.set_max_depth(DEEPEST);
    let record = Record::deserialize(&mut reader)?;
    Ok((record.expiry_date > OffsetDateTime::now_utc()).then_some(record))
}
