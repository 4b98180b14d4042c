//! What the tests of every server begin with.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use wayfarer_session::{
    CookieKeys, Created, Record, Saved, SessionManager, SessionStore, StoreKey, SystemRandom,
    Version, django::PickleCodec,
};

/// Many saves of one session take their time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn native(store: impl SessionStore) -> SessionManager {
    let keys = CookieKeys::new(&[7; 32]).unwrap();
    SessionManager::builder(store).cookie_keys(keys).save_deadline(DEADLINE).build().unwrap()
}

pub(crate) fn django(store: impl SessionStore) -> SessionManager {
    SessionManager::builder(store)
        .django(PickleCodec::new())
        .save_deadline(DEADLINE)
        .build()
        .unwrap()
}

pub(crate) fn record(text: &str, now: Timestamp) -> Record {
    let expires_at = now + SignedDuration::from_hours(1);
    Record { data: text.as_bytes().into(), expires_at, subject: None, user: None }
}

pub(crate) async fn created(
    store: &impl SessionStore,
    key: &StoreKey,
    record: &Record,
    now: Timestamp,
) -> Version {
    match store.create(key, record, now).await.unwrap() {
        Created::Stored(version) => Ok(version),
        other => Err(other),
    }
    .unwrap()
}

pub(crate) async fn saved(
    store: &impl SessionStore,
    key: &StoreKey,
    record: &Record,
    expected: &Version,
    now: Timestamp,
) -> Version {
    match store.save(key, record, expected, now).await.unwrap() {
        Saved::Stored(version) => Ok(version),
        other => Err(other),
    }
    .unwrap()
}

/// What `Redis::ran` says of these.
pub(crate) fn commands(calls: &[(&str, u64)]) -> BTreeMap<String, u64> {
    calls.iter().map(|&(name, calls)| (name.to_owned(), calls)).collect()
}

pub(crate) fn key() -> StoreKey {
    let key = wayfarer_session::SessionKey::random(&SystemRandom).unwrap();
    StoreKey::new(key.at_rest().expose().chars().take(40).collect::<String>())
}

/// What the keys of one test begin with: the tests share a server.
pub(crate) fn prefix() -> String {
    format!("{}:", key().expose())
}

/// A time as every store keeps it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}
