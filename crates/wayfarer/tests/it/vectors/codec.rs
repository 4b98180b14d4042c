//! Values: signed text, signed cookies, hashes of credentials, pickles.

use std::sync::Arc;

use serde_json::Value;
use wayfarer::{
    CookieChange, CookieSessions, DjangoCodec, DjangoKeys, ManualClock,
    session::{
        MemoryStore, Outcome, Record, SessionManager, SessionStore, StoreKey,
        django::{PickleCodec, Refused},
        jiff::{SignedDuration, Timestamp},
    },
};

use super::{bytes, instant, text};

pub(super) fn codec(vector: &Value) -> DjangoCodec {
    let none = Vec::new();
    let keys = DjangoKeys::new(text(vector, "secret_key")).unwrap();
    let fallbacks = vector["fallbacks"].as_array().unwrap_or(&none).iter();
    let keys = fallbacks.fold(keys, |keys, key| keys.with_fallback(key.as_str().unwrap()));
    DjangoCodec::new(&keys, text(vector, "salt")).unwrap()
}

pub(super) async fn encode(vector: &Value) {
    let (codec, id) = (codec(vector), &vector["id"]);
    let (json, encoded) = (text(vector, "json"), text(vector, "encoded"));
    let now = instant(&vector["now"]);
    let decoded = codec.decode(encoded).unwrap();
    assert_eq!((&*decoded.json, decoded.signed_at), (json, now), "{id}");
    let written = codec.encode(json, now);
    // Another zlib than Python's packs in other bytes; Django reads them as well.
    if vector["byte_exact"] == true {
        assert_eq!(written, encoded, "{id}");
    }
    assert_eq!(&*codec.decode(&written).unwrap().json, json, "{id}");
    assert_eq!(with_one_more(&codec, encoded).await, appended(json), "{id}: nothing is lost");
}

/// What lies in the store after a request has set one more key of the session that Django wrote.
async fn with_one_more(codec: &DjangoCodec, encoded: &str) -> String {
    let (store, key) = (MemoryStore::new(), StoreKey::new("0123456789abcdefghijklmnopqrstuv"));
    let record = Record {
        data: encoded.as_bytes().into(),
        expires_at: Timestamp::MAX,
        subject: None,
        user: None,
    };
    let _ = store.create(&key, &record, Timestamp::UNIX_EPOCH).await.unwrap();
    let manager = SessionManager::builder(store.clone()).django(codec.clone());
    let session = manager.subject_entry(false).build().unwrap().open(Some(key.expose()));
    session.insert("our own", 1).await.unwrap();
    let _ = session.finish(Outcome::Keep).await.unwrap();
    // Whatever end the session says that it has, the record is there until it is purged.
    let stored = store.load(&key, Timestamp::MIN).await.unwrap().unwrap();
    let value = String::from_utf8(stored.record.data.to_vec()).unwrap();
    codec.decode(&value).unwrap().json.to_string()
}

fn appended(json: &str) -> String {
    let open = json.strip_suffix('}').unwrap();
    format!("{open}{}\"our own\":1}}", if open == "{" { "" } else { "," })
}

pub(super) fn decode(vector: &Value) {
    let decoded = codec(vector).decode(text(vector, "value"));
    assert_eq!(decoded.is_ok(), vector["accepted"] == true, "{vector}: {decoded:?}");
    match decoded {
        Ok(decoded) => {
            let session: Value = serde_json::from_str(&decoded.json).unwrap();
            assert_eq!(session, vector["session"], "{}", vector["id"]);
        }
        Err(refused) => {
            let bad_signature = vector["error"] == "BadSignature";
            assert_eq!(refused == Refused::BadSignature, bad_signature, "{}", vector["id"]);
        }
    }
}

pub(super) async fn signed_cookie(vector: &Value) {
    let (codec, accepted) = (codec(vector), vector["accepted"] == true);
    let (value, now) = (text(vector, "value"), instant(&vector["now"]));
    let max_age = SignedDuration::from_secs(vector["max_age"].as_i64().unwrap());
    let decoded = codec.decode_fresh(value, max_age, now);
    let expected = match vector["error"].as_str() {
        None => None,
        Some("SignatureExpired") => Some(Refused::TooOld),
        Some("BadSignature") => Some(Refused::BadSignature),
        other => panic!("{other:?}"),
    };
    assert_eq!(decoded.err(), expected, "{vector}");

    let manager = SessionManager::in_cookies(CookieSessions::signed()).django(codec);
    let manager = manager.subject_entry(false).clock(Arc::new(ManualClock::new(now)));
    let session = manager.build().unwrap().open(Some(value));
    let a: Option<Value> = session.get("a").await.unwrap();
    assert_eq!(a.as_ref(), vector["session"].get("a"), "{vector}");
    let change = session.finish(Outcome::Keep).await.unwrap().cookie;
    let expected = if accepted { CookieChange::Keep } else { CookieChange::Remove };
    assert_eq!(change, expected, "{vector}");
}

pub(super) fn auth_hash(vector: &Value) {
    let (secret, password) = (text(vector, "secret_key"), text(vector, "password_field"));
    let hash = text(vector, "hash");
    assert_eq!(DjangoKeys::new(secret).unwrap().auth_hash(password), hash);
    let another = DjangoKeys::new("another").unwrap().with_fallback(secret);
    let under_fallbacks: Vec<String> = another.fallback_auth_hashes(password).collect();
    assert_eq!(under_fallbacks == [hash], vector["fallback_hash_equal"] == true);
    assert_ne!(another.auth_hash(password), hash);
}

pub(super) fn cache_value(vector: &Value) {
    let (codec, id) = (PickleCodec::new(), &vector["id"]);
    let Some(pickle) = vector["hex"].as_str().map(bytes) else {
        // Django stores a bare integer as text and pickles a bare bool; a session is neither.
        assert!(codec.decode(vector["stored_as"].to_string().as_bytes()).is_err());
        assert!(codec.decode(&bytes(text(vector, "bool_hex"))).is_err());
        return;
    };
    let session = codec.decode(&pickle).unwrap_or_else(|why| panic!("{id}: {why}"));
    assert_eq!(codec.encode(&session).unwrap(), pickle, "{id}");
    if vector["json_safe"] == true {
        assert_eq!(codec.encode(text(vector, "json")).unwrap(), pickle, "{id}");
    }
    for (protocol, older) in vector["protocols"].as_object().into_iter().flatten() {
        let older = codec.decode(&bytes(older.as_str().unwrap())).unwrap();
        assert_eq!(older, session, "{id} in protocol {protocol}");
    }
}

pub(super) fn cache_value_refused(vector: &Value) {
    assert!(PickleCodec::new().decode(&bytes(text(vector, "hex"))).is_err(), "{vector}");
}
