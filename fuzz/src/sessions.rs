//! The decoders of sessions: cookies, records, files, what lies in caches and databases.

use std::{fs, future::Future, path::Path, sync::Arc};

use http::{HeaderMap, HeaderValue, Uri, header};
use wayfarer::{CookieTransport, KeyTransport as _, RequestHead};
use wayfarer_session::{
    CachedStore, CookieChange, CookieKeys, CookieSessions, DjangoCachedStore, DjangoFileOptions,
    DjangoFileStore, Durability, ErrorKind, FileStore, ManualClock, MemoryStore, Outcome, Raw,
    Record, Session, SessionKey, SessionManager, SessionStore, StoreErrorKind, StoreKey, Subject,
    Ticket, Version,
    django::{DjangoCodec, DjangoKeys, PickleCodec, SALT},
    jiff::SignedDuration,
};

use crate::signed::{COOKIE_SECRET, DJANGO_SECRET, FixedRandom, NOW, django_signed};

/// A decoder of a session may give so many bytes; the default is larger and tests nothing else.
const MOST: usize = 1 << 20;

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

/// Stores and sessions are asynchronous; none of these waits for anything but files.
fn now<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers needs nothing").block_on(work)
}

fn keys() -> CookieKeys {
    CookieKeys::new(&COOKIE_SECRET).expect("the secret is long enough")
}

fn codec() -> DjangoCodec {
    let keys = DjangoKeys::new(DJANGO_SECRET).expect("the key is not empty");
    DjangoCodec::new(&keys, SALT).expect("HMAC takes every key").with_max_bytes(MOST)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW))
}

fn record(data: &[u8]) -> Record {
    let expires_at = NOW + SignedDuration::from_hours(1);
    Record { data: data.into(), expires_at, subject: None, user: None }
}

/// Looks at all that a session says, and gives its keys, or why it cannot be read.
async fn read(session: &Session) -> Result<Vec<(String, Raw)>, ErrorKind> {
    let items = session.items().await.map_err(|error| error.kind())?;
    // The name of half a character, which no Rust text can hold, is not what it is found by.
    for (key, value) in items.iter().filter(|(key, _)| !key.contains('\u{fffd}')) {
        let got = session.get_raw(key).await.map_err(|error| error.kind())?;
        assert_eq!(got.as_ref(), Some(value), "an item is not what its key gives");
    }
    let _ = session.expiry_age().await.map_err(|error| error.kind())?;
    let _ = session.expiry_date().await.map_err(|error| error.kind())?;
    Ok(items)
}

/// A session that lies in this store: what can be read survives a change beside it, and what cannot is not overwritten.
async fn touched(store: &MemoryStore, key: &StoreKey, manager: SessionManager, cookie: &str) {
    let before = store.load(key, NOW).await.expect("memory does not fail");
    let session = manager.open(Some(cookie));
    let found = read(&session).await;
    let set = session.insert("a key of ours", 1).await;
    let finished = session.finish(Outcome::Keep).await;
    let after = store.load(key, NOW).await.expect("memory does not fail");
    match found {
        Err(_) => {
            assert!(set.is_err(), "what cannot be read was changed");
            assert_eq!(after.map(|l| l.record), before.map(|l| l.record), "it was overwritten");
        }
        Ok(items) if !items.is_empty() && finished.is_ok() => {
            let again = match finished.map(|finished| finished.cookie) {
                Ok(CookieChange::Set { value, .. }) => value,
                _ => cookie.to_owned(),
            };
            let Ok(now) = read(&manager.open(Some(&again))).await else {
                // Its own end may have come, now that it was saved.
                return;
            };
            for (key, value) in items.iter().filter(|(key, _)| key != "a key of ours") {
                let kept = now.iter().any(|(k, v)| k == key && v == value);
                assert!(kept || now.is_empty(), "{key:?} changed beside another key");
            }
        }
        Ok(_) => {}
    }
}

/// The native cookie, and the names that are made of subjects.
pub(crate) fn ticket(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(ticket) = Ticket::verify(text, &keys()) {
        assert_eq!(ticket.sign(&keys()), text, "a cookie is written in two ways");
    }
    if let Ok(subject) = text.parse::<Subject>() {
        assert_eq!(subject.to_string(), text, "a subject is written in two ways");
    }
}

/// Finding the cookie in its header, beside the plainest way to do it.
pub(crate) fn cookie_header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let transport = CookieTransport::new("id").expect("a name");
    let mut headers = HeaderMap::new();
    headers.append(header::COOKIE, value);
    let uri = Uri::from_static("/");
    let found = transport.read(RequestHead { uri: &uri, headers: &headers }).key;
    let name = b"__Host-id=";
    let plain = bytes.split(|byte| *byte == b';').find_map(|pair| {
        let value = pair.trim_ascii_start().strip_prefix(name)?;
        std::str::from_utf8(value.trim_ascii()).ok()
    });
    assert_eq!(found.as_deref(), plain);
}

/// A value of Django's as it comes.
pub(crate) fn django_value(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_decoded(text);
}

/// A body that Django signed.
pub(crate) fn django_signed_body(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_decoded(&django_signed(text));
    // The bytes themselves as JSON, and as what zlib packed.
    let json = String::from_utf8_lossy(bytes);
    check_decoded(&codec().encode(&json, NOW));
}

fn check_decoded(value: &str) {
    let Ok(decoded) = codec().decode(value) else { return };
    assert!(decoded.json.len() <= MOST, "it unpacks to {} bytes", decoded.json.len());
    assert!(decoded.json.is_ascii(), "Python would escape it");
    let again = codec().decode(&codec().encode(&decoded.json, NOW));
    assert_eq!(again.map(|again| again.json), Ok(decoded.json), "it does not come back");
}

/// JSON that Python's reader takes and others may not, in a session that is read and changed.
pub(crate) fn django_json(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Raw::from_json(&text);
    let value = codec().encode(&text, NOW);
    now(async {
        let (store, key) = (MemoryStore::new(), StoreKey::new(KEY));
        let made = store.create(&key, &record(value.as_bytes()), NOW).await;
        let _ = made.expect("memory does not fail");
        let manager = SessionManager::builder(store.clone()).django(codec()).clock(clock());
        let manager = manager.subject_entry(false).build().expect("a manager");
        // A signed value that is no session is an empty one to Django, and another key is taken.
        if codec().decode(&value).is_ok() {
            touched(&store, &key, manager, KEY).await;
        }
    });
}

/// A pickle in a cache of Django's.
pub(crate) fn pickle(bytes: &[u8]) {
    let codec = PickleCodec::new().with_max_bytes(MOST);
    if let Ok(json) = codec.decode(bytes) {
        let ours = codec.encode(&json).expect("what was read can be written");
        let again = codec.decode(&ours).expect("what was written can be read");
        assert_eq!(again, json, "it does not come back");
    }
    now(async {
        let (store, key) = (MemoryStore::new(), StoreKey::new(KEY));
        let _ = store.create(&key, &record(bytes), NOW).await.expect("memory does not fail");
        let manager = SessionManager::builder(store.clone()).django(codec).clock(clock());
        let manager = manager.subject_entry(false).build().expect("a manager");
        touched(&store, &key, manager, KEY).await;
    });
}

/// A native record in a store.
pub(crate) fn native_record(bytes: &[u8]) {
    now(async {
        let ticket = Ticket::random(&FixedRandom).expect("it does not fail");
        let cookie = ticket.sign(&keys());
        let key = SessionKey::random(&FixedRandom).expect("it does not fail").at_rest();
        let store = MemoryStore::new();
        let _ = store.create(&key, &record(bytes), NOW).await.expect("memory does not fail");
        let manager = SessionManager::builder(store.clone()).cookie_keys(keys()).clock(clock());
        let manager = manager.build().expect("a manager");
        touched(&store, &key, manager, &cookie).await;
    });
}

/// A file of the native store.
pub(crate) fn native_file(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("01");
    fs::create_dir(&place).expect("a folder");
    fs::write(place.join(KEY), bytes).expect("a file");
    let store = FileStore::with_durability(folder.path(), Durability::Normal);
    file(&store.expect("the folder is there"), &place.join(KEY), bytes);
}

/// A session file of Django's.
pub(crate) fn django_file(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("sessionid{KEY}"));
    fs::write(&path, bytes).expect("a file");
    let store = DjangoFileStore::open(folder.path(), &codec(), DjangoFileOptions::default());
    file(&store.expect("the folder is there"), &path, bytes);
}

/// A file is a session, or none, or unreadable and left as it is.
fn file(store: &dyn SessionStore, path: &Path, bytes: &[u8]) {
    now(async {
        let key = StoreKey::new(KEY);
        match store.load(&key, NOW).await {
            Ok(Some(loaded)) => assert!(loaded.record.data.len() <= bytes.len()),
            Ok(None) => {}
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unreadable, "{error}");
                let saved = store.save(&key, &record(b"x"), &Version::number(1), NOW).await;
                assert!(saved.is_err(), "what cannot be read was saved over: {saved:?}");
                assert_eq!(fs::read(path).ok().as_deref(), Some(bytes), "it was overwritten");
            }
        }
    });
}

/// What lies in a cache, in both forms. The durable store has no session, so nothing may come out of it that is not whole.
pub(crate) fn cache_entry(bytes: &[u8]) {
    now(async {
        let (fast, key) = (MemoryStore::new(), StoreKey::new(KEY));
        let _ = fast.create(&key, &record(bytes), NOW).await.expect("memory does not fail");
        let native = CachedStore::new(fast.clone(), MemoryStore::new()).expect("it compares");
        let _ = native.load(&key, NOW).await.expect("memory does not fail");
        let django = DjangoCachedStore::new(fast, MemoryStore::new(), &codec());
        let _ = django.expect("it compares").load(&key, NOW).await.expect("memory does not fail");
    });
}

/// A cookie that has the whole session in it, of each kind.
pub(crate) fn carried_cookie(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let kinds = [CookieSessions::signed(), CookieSessions::encrypted()];
    now(async {
        let natives = kinds.map(|kind| SessionManager::in_cookies(kind).cookie_keys(keys()));
        let django = SessionManager::in_cookies(CookieSessions::signed()).django(codec());
        for manager in natives.into_iter().chain([django.subject_entry(false)]) {
            let manager = manager.clock(clock()).build().expect("a manager");
            for value in [text, &django_signed(text)] {
                let _ = read(&manager.open(Some(value))).await;
            }
        }
    });
}

/// What lies behind the seal of such a cookie.
pub(crate) fn carried_plain(bytes: &[u8]) {
    wayfarer_session::fuzzing::carried(bytes);
}

/// What lies under a key in Redis or Memcached.
pub(crate) fn kv_record(bytes: &[u8]) {
    wayfarer_store_kv::fuzzing::record(bytes);
}

/// What a Memcached answers.
pub(crate) fn memcached_answer(bytes: &[u8]) {
    now(wayfarer_store_kv::fuzzing::memcached_answer(bytes));
}

/// A row of a native session in a SQL database.
pub(crate) fn sql_session_row(bytes: &[u8]) {
    wayfarer_store_sql::fuzzing::session_row(bytes);
}

/// A row of Django's table.
pub(crate) fn sql_django_row(bytes: &[u8]) {
    wayfarer_store_sql::fuzzing::django_row(bytes);
}

/// A row of the history of sessions.
pub(crate) fn sql_history_row(bytes: &[u8]) {
    wayfarer_store_sql::fuzzing::history_row(bytes);
}

/// The cookie of tower-sessions, as a browser brings it.
pub(crate) fn tower_cookie(bytes: &[u8]) {
    wayfarer_tower_sessions::fuzzing::cookie(bytes);
}

/// A row of tower-sessions' table.
pub(crate) fn tower_row(bytes: &[u8]) {
    wayfarer_tower_sessions::fuzzing::row(bytes);
}
