//! What lies in Django's table, in its session files, and in both tiers of `cached_db`.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use wayfarer::{
    CookieChange, DjangoCodec, DjangoKeys, Expiry, ManualClock,
    session::{
        Clock, Created, Outcome, Record, Saved, SessionManager, SessionStore, StoreKey,
        django::SALT,
        jiff::{SignedDuration, Timestamp},
    },
    store::{
        DjangoCachedStore, DjangoFileOptions, DjangoFileStore, DjangoSqliteStore, MemoryStore,
        SqliteOptions,
    },
};

use super::{instant, text};

const SECRET: &str = "test-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz";

fn codec(secret: &str) -> DjangoCodec {
    DjangoCodec::new(&DjangoKeys::new(secret).unwrap(), SALT).unwrap()
}

/// A session of ours lies in the table as one of Django's does, and ends at the same instant.
pub(super) async fn row(vector: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let store = DjangoSqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    let clock = Arc::new(ManualClock::new(instant(&vector["now"])));
    let codec = codec(text(vector, "secret_key"));
    let of_django = codec.decode(text(vector, "session_data")).unwrap().json;
    let of_django: Value = serde_json::from_str(&of_django).unwrap();
    let manager = SessionManager::builder(store).django(codec).subject_entry(false);
    let manager = manager.clock(Arc::clone(&clock) as Arc<dyn Clock>).build().unwrap();

    let session = manager.open(None);
    session.insert("a", of_django["a"].clone()).await.unwrap();
    if let Some(end) = of_django["_session_expiry"].as_str() {
        session.set_expiry(Expiry::At(end.parse().unwrap())).await.unwrap();
    }
    let CookieChange::Set { value: key, .. } = session.finish(Outcome::Keep).await.unwrap().cookie
    else {
        panic!("no cookie");
    };
    assert_eq!(key.len(), text(vector, "session_key").len());
    let (data, expires, kind): (String, String, String) =
        sqlx::query_as("SELECT session_data, expire_date, typeof(expire_date) FROM django_session")
            .fetch_one(&mut SqliteConnection::connect(path.to_str().unwrap()).await.unwrap())
            .await
            .unwrap();
    assert_eq!(data, text(vector, "session_data"));
    assert_eq!(expires, text(vector, "expire_date_raw"));
    assert_eq!(kind, text(vector, "expire_date_type"));

    let end: Timestamp = format!("{}Z", expires.replace(' ', "T")).parse().unwrap();
    let at = [("1s_before", -1), ("exact", 0), ("1s_after", 1)];
    for (when, seconds) in at {
        clock.set(end + SignedDuration::from_secs(seconds));
        let live = manager.open(Some(&key)).contains("a").await.unwrap();
        assert_eq!(live, vector["live_at"][when] == true, "{}: {when}", vector["id"]);
    }
}

fn files(folder: &Path, secret: &str) -> DjangoFileStore {
    DjangoFileStore::open(folder, &codec(secret), DjangoFileOptions::default()).unwrap()
}

pub(super) async fn file(vector: &Value) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_second(1_767_225_600).unwrap();
    let (store, codec) =
        (files(folder.path(), text(vector, "secret_key")), codec(text(vector, "secret_key")));
    let (key, end) =
        (StoreKey::new(text(vector, "session_key")), now + SignedDuration::from_hours(336));
    let record = |json: &str| Record {
        data: codec.encode(json, now).into_bytes().into(),
        expires_at: end,
        subject: None,
        user: None,
    };
    let path = folder.path().join(text(vector, "filename"));
    let Created::Stored(version) = store.create(&key, &record("{}"), now).await.unwrap() else {
        panic!("the key is taken");
    };
    assert_eq!(fs::read_to_string(&path).unwrap(), text(vector, "content_after_create"));
    let saved = store.save(&key, &record(r#"{"a":1}"#), &version, now).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)), "{saved:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text(vector, "content"));
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(format!("{mode:#o}"), text(vector, "mode"));
}

pub(super) async fn file_of_a_bad_key(vector: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let manager = SessionManager::builder(files(folder.path(), SECRET)).django(codec(SECRET));
    let manager = manager.build().unwrap();
    let key = text(vector, "cookie_value");
    let session = manager.open(Some(key));
    assert_eq!(
        json!(session.keys().await.unwrap().len()),
        vector["session"].as_object().unwrap().len()
    );
    assert_eq!(vector["session_key_after"], Value::Null);
    session.insert("a", 1).await.unwrap();
    let change = session.finish(Outcome::Keep).await.unwrap().cookie;
    assert!(matches!(change, CookieChange::Set { value, .. } if value != key));
}

/// A file that Django wrote then, read later.
pub(super) async fn end_of_a_file(vector: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let (written_at, read_at) = (instant(&vector["written_at"]), instant(&vector["read_at"]));
    let json = match text(vector, "set_expiry") {
        "'unset'" => "{}",
        "0" => r#"{"_session_expiry":0}"#,
        "datetime.datetime(2026, 1, 1, 1, 0, tzinfo=datetime.timezone.utc)" => {
            r#"{"_session_expiry":"2026-01-01T01:00:00+00:00"}"#
        }
        other => panic!("{other}"),
    };
    let key = "0123456789abcdefghijklmnopqrstuv";
    let path = folder.path().join(format!("sessionid{key}"));
    fs::write(&path, codec(SECRET).encode(json, written_at)).unwrap();
    File::options().append(true).open(path).unwrap().set_modified(written_at.into()).unwrap();
    let found = files(folder.path(), SECRET).load(&StoreKey::new(key), read_at).await.unwrap();
    assert_eq!(found.is_some(), vector["live"] == true, "{vector}");
}

/// A row that somebody deleted while the cache still has the session.
pub(super) async fn cached_db(vector: &Value) {
    let (fast, durable, codec) = (MemoryStore::new(), MemoryStore::new(), codec(SECRET));
    let store = DjangoCachedStore::new(fast, durable.clone(), &codec).unwrap();
    let store = store.trust_for(Duration::from_secs(60));
    let (key, now) = (StoreKey::new("a"), Timestamp::from_second(1_767_225_600).unwrap());
    let record = |json: &str| Record {
        data: codec.encode(json, now).into_bytes().into(),
        expires_at: now + SignedDuration::from_hours(1),
        subject: None,
        user: None,
    };
    let Created::Stored(version) = store.create(&key, &record(r#"{"a":1}"#), now).await.unwrap()
    else {
        panic!("the key is taken");
    };
    let _ = durable.delete(&key, now).await.unwrap();
    match text(vector, "id") {
        "cached_db/row_deleted_but_cache_hit" => {
            let loaded = store.load(&key, now).await.unwrap().unwrap();
            let value = String::from_utf8(loaded.record.data.to_vec()).unwrap();
            let session: Value = serde_json::from_str(&codec.decode(&value).unwrap().json).unwrap();
            assert_eq!(session, vector["session_after_row_delete"]);
            // Here the trap has an end.
            let later = now + SignedDuration::from_secs(60);
            assert!(store.load(&key, later).await.unwrap().is_none());
        }
        "cached_db/save_after_row_delete" => {
            assert_eq!(vector["exception"], "UpdateError");
            let late = store.save(&key, &record(r#"{"a":2}"#), &version, now).await.unwrap();
            assert_eq!(late, Saved::Gone);
            assert!(store.load(&key, now).await.unwrap().is_none());
        }
        other => panic!("{other}"),
    }
}
