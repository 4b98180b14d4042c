//! What Django's `cache` and `cached_db` engines leave in Redis and Memcached, asked of the servers themselves.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use wayfarer::{
    session::{
        Record, Saved, SessionStore, StoreErrorKind, StoreKey, Version,
        django::PickleCodec,
        jiff::{SignedDuration, Timestamp},
    },
    store::{DjangoMemcachedStore, DjangoRedisStore, MemcachedOptions, RedisOptions},
};
use wayfarer_testkit::{Memcached, Redis};

use super::{bytes, text};

const PATIENCE: Duration = Duration::from_secs(60);
const MONTH: i64 = 30 * 24 * 60 * 60;

async fn in_redis(prefix: &str) -> DjangoRedisStore {
    let mut options = RedisOptions::default();
    options.prefix = Some(prefix.to_owned());
    options.patience = PATIENCE;
    DjangoRedisStore::open(&Redis::shared().unwrap().url(), options).await.unwrap()
}

/// One server alone, so that it is known which has the key.
async fn in_memcached(prefix: &str) -> DjangoMemcachedStore {
    let mut options = MemcachedOptions::default();
    options.prefix = Some(prefix.to_owned());
    options.patience = PATIENCE;
    DjangoMemcachedStore::open(&[memcached().as_str()], options).await.unwrap()
}

fn memcached() -> String {
    Memcached::shared().unwrap().addresses()[0].clone()
}

/// One command of Memcached's meta protocol, with what belongs to it: the line of the answer, and its value.
async fn ask_memcached(command: &str, value: &[u8]) -> (String, Vec<u8>) {
    let mut stream = BufReader::new(TcpStream::connect(memcached()).await.unwrap());
    let question = [command.as_bytes(), b"\r\n", value, b"\r\n"].concat();
    let question =
        if command.starts_with("ms ") { &question[..] } else { &question[..command.len() + 2] };
    stream.get_mut().write_all(question).await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let line = line.trim_end().to_owned();
    let mut value = Vec::new();
    if let Some(size) = line.strip_prefix("VA ") {
        value.resize(size.split(' ').next().unwrap().parse().unwrap(), 0);
        stream.read_exact(&mut value).await.unwrap();
    }
    (line, value)
}

fn session(end: Timestamp) -> Record {
    let data = PickleCodec::new().encode(r#"{"a": 1}"#).unwrap().into();
    Record { data, expires_at: end, subject: None, user: None }
}

pub(super) async fn key(vector: &Value) {
    let prefix = format!("{}:{}:", text(vector, "key_prefix"), vector["version"]);
    let key = StoreKey::new(text(vector, "session_key"));
    let now = Timestamp::now();
    let record = session(now + SignedDuration::from_hours(1));
    let redis = Redis::shared().unwrap();
    let stores: [(&str, Box<dyn SessionStore>); 2] = [
        ("cache", Box::new(in_redis(&prefix).await)),
        ("cached_db", Box::new(in_redis(&prefix).await.for_cached_db())),
    ];
    for (engine, store) in stores {
        let name = text(vector, engine);
        let _ = store.create(&key, &record, now).await.unwrap();
        assert_eq!(redis.command(&format!("EXISTS {name}")).unwrap(), "1", "{engine}");
        let _ = store.delete(&key, now).await.unwrap();
        assert_eq!(redis.command(&format!("EXISTS {name}")).unwrap(), "0", "{engine}");
    }
    let stores: [(&str, Box<dyn SessionStore>); 2] = [
        ("cache", Box::new(in_memcached(&prefix).await)),
        ("cached_db", Box::new(in_memcached(&prefix).await.for_cached_db())),
    ];
    for (engine, store) in stores {
        let question = format!("mg {} v f", text(vector, engine));
        let _ = store.create(&key, &record, now).await.unwrap();
        // The flags are 1, as pymemcache marks a pickle.
        let found = ask_memcached(&question, b"").await;
        assert_eq!(found, (format!("VA {} f1", record.data.len()), record.data.to_vec()));
        let _ = store.delete(&key, now).await.unwrap();
        assert_eq!(ask_memcached(&question, b"").await.0, "EN", "{engine}");
    }
}

/// The server forgets a session of ours when it forgets one that Django stored for so long.
pub(super) async fn timeout(vector: &Value) {
    let now = Timestamp::now();
    let prefix = format!("timeout{}:1:", vector["timeout"].as_i64().unwrap_or(-1));
    let name = |key: &str| format!("{prefix}django.contrib.sessions.cache{key}");
    let end = match vector["timeout"].as_i64() {
        Some(seconds) => now + SignedDuration::from_secs(seconds),
        None => Timestamp::MAX,
    };
    for store in [
        Box::new(in_redis(&prefix).await) as Box<dyn SessionStore>,
        Box::new(in_memcached(&prefix).await),
    ] {
        let _ = store.create(&StoreKey::new("ours"), &session(end), now).await.unwrap();
    }
    // Django's command, with the time moved from the vector's to ours where it is an instant.
    let of_django = vector["memcached_exptime"].as_i64().unwrap();
    let shift = now.as_second() - vector["now"].as_i64().unwrap();
    let exptime = if of_django > MONTH { of_django + shift } else { of_django };
    ask_memcached(&format!("ms {} 1 T{exptime} F1", name("theirs")), b"x").await;
    let ttl = async |key: &str| ask_memcached(&format!("mg {} t", name(key)), b"").await.0;
    assert_same(&ttl("ours").await, &ttl("theirs").await, "HD t", vector);

    let redis = Redis::shared().unwrap();
    match &vector["redis_ex"] {
        // Django deletes what is to live for no time.
        Value::Number(zero) if zero.as_i64() == Some(0) => {}
        Value::Null => drop(redis.command(&format!("SET {} x", name("theirs"))).unwrap()),
        ex => drop(redis.command(&format!("SET {} x EX {ex}", name("theirs"))).unwrap()),
    }
    let ttl = |key: &str| redis.command(&format!("TTL {}", name(key))).unwrap();
    assert_same(&ttl("ours"), &ttl("theirs"), "", vector);
}

/// Both are forgotten, or both live for ever or for so long that nobody sees the end, or as long as each other to some
/// seconds, which are those of the test.
fn assert_same(ours: &str, theirs: &str, before: &str, vector: &Value) {
    let seconds = |said: &str| said.strip_prefix(before).and_then(|said| said.parse::<i64>().ok());
    match (seconds(ours), seconds(theirs)) {
        (Some(ours), Some(-1)) => assert!(ours == -1 || ours > 40 * 365 * 24 * 60 * 60, "{vector}"),
        (Some(ours), Some(theirs)) => {
            assert!((ours - theirs).abs() <= 60, "{ours} {theirs} {vector}");
        }
        _ => assert_eq!(ours, theirs, "{vector}"),
    }
}

/// What another kind of value lies under the key of a session is no session, and is left as it is.
pub(super) async fn flags(vector: &Value) {
    let (flags, stored) = (&vector["flags"], bytes(text(vector, "stored")));
    let prefix = format!("flags{flags}:1:");
    let name = format!("{prefix}django.contrib.sessions.cachea");
    ask_memcached(&format!("ms {name} {} F{flags}", stored.len()), &stored).await;
    let (store, key, now) = (in_memcached(&prefix).await, StoreKey::new("a"), Timestamp::now());
    let error = store.load(&key, now).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreadable, "{vector}");
    let record = session(now + SignedDuration::from_hours(1));
    let saved = store.save(&key, &record, &Version::number(1), now).await;
    assert!(!matches!(saved, Ok(Saved::Stored(_))), "{saved:?}");
    let found = ask_memcached(&format!("mg {name} v f"), b"").await;
    assert_eq!(found, (format!("VA {} f{flags}", stored.len()), stored));
}
