//! What the tests of every server begin with.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use wayfarer_session::{
    CookieKeys, Created, Met, Record, Saved, SessionManager, SessionStore, StoreKey, SystemRandom,
    Touched, Version, django::PickleCodec,
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

/// A save upon a touch, upon another save, after the end by our clock, and after the session was ended: each does what it should.
pub(crate) async fn are_told_apart(store: &impl SessionStore) {
    let (key, now) = (key(), now());
    let (one, two) = (record("1", now), record("2", now));
    created(store, &key, &one, now).await;
    let seen = store.load(&key, now).await.unwrap().unwrap();
    let end = seen.record.expires_at;
    let later = end + SignedDuration::from_hours(1);
    assert_eq!(store.touch(&key, end, later, now).await.unwrap(), Touched::Moved);
    let second = saved(store, &key, &two, &seen.version, now).await;
    let late = store.save(&key, &one, &seen.version, now).await.unwrap();
    assert_eq!(late, Saved::Conflict, "somebody has saved");
    let after = store.save(&key, &one, &second, end).await.unwrap();
    assert_eq!(after, Saved::Gone, "it ran out, and Redis has it still");
    let loaded = store.load(&key, now).await.unwrap().unwrap();
    assert_eq!((&*loaded.record.data, &loaded.version), (&b"2"[..], &second));
    assert_eq!(store.delete(&key, now).await.unwrap(), Met::Live);
    let late = store.save(&key, &one, &second, now).await.unwrap();
    assert_eq!(late, Saved::Gone, "it was ended");
    assert!(store.load(&key, now).await.unwrap().is_none());
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
