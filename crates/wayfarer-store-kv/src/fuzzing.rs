//! For the fuzz targets: what lies on servers, and what they answer, without the servers.

use crate::{held, memcached};

/// Reads what lies under a key of a native session.
///
/// # Panics
/// When what was read is not what is written of it.
pub fn record(bytes: &[u8]) {
    let Some(found) = held::decode(bytes) else { return };
    let again = held::decode(&held::encode(found.version, &found.record));
    assert_eq!(again, Some(found), "it does not come back");
}

/// Reads the answers of a Memcached, one after another, to the end.
pub async fn memcached_answer(bytes: &[u8]) {
    memcached::fuzz_answers(bytes).await;
}
