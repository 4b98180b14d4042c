//! The codec against values that Django wrote: a few of our own choice, and all shared vectors where they are there.

use super::*;

const SECRET: &str = "test-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz";
const OLD: &str = "old-secret-key-zyxwvutsrqponmlkjihgfedcba-9876543210";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn codec(secret: &str, fallbacks: &[&str], salt: &str) -> DjangoCodec {
    let keys = DjangoKeys::new(secret).unwrap();
    let keys = fallbacks.iter().fold(keys, |keys, key| keys.with_fallback(key));
    DjangoCodec::new(&keys, salt).unwrap()
}

fn database() -> DjangoCodec {
    codec(SECRET, &[], SALT)
}

/// `{"a":1}` as Django 5.2 signs it at the start of 2026.
const A_IS_1: &str = "eyJhIjoxfQ:1vb66i:HArqcfhj3FC082WZEQiyrJ0nQb6mKVbE0Ylpjo2xOVg";

#[test]
fn a_value_is_written_as_django_writes_it() {
    assert_eq!(database().encode(r#"{"a":1}"#, at(1_767_225_600)), A_IS_1);
    let cookie = codec(SECRET, &[], COOKIE_SALT).encode(r#"{"a":1}"#, at(1_767_225_600));
    assert_eq!(cookie, "eyJhIjoxfQ:1vb66i:yjvgsmTztUOEtZe7JEFGqd1v0uhNZ9j9zUAFYV3Ewis");
}

#[test]
fn a_compressed_value_of_django_reads() {
    let value = ".eJyrVkpUslJKpBAo1QIArdoaXA:1vb66i:tC6UyzoB9kqIJsQ7DcKN3JQvQvFQA3wawSYFvU5ZQOY";
    let decoded = database().decode(value).unwrap();
    assert_eq!(&*decoded.json, format!("{{\"a\":\"{}\"}}", "a".repeat(64)));
    assert_eq!(decoded.signed_at, at(1_767_225_600));
}

#[test]
fn only_the_keys_and_the_salt_that_signed_open_a_value() {
    assert_eq!(codec(OLD, &[SECRET], SALT).decode(A_IS_1).map(|d| d.json.len()), Ok(7));
    assert_eq!(codec(OLD, &[], SALT).decode(A_IS_1).unwrap_err(), Refused::BadSignature);
    let cookies = codec(SECRET, &[], COOKIE_SALT);
    assert_eq!(cookies.decode(A_IS_1).unwrap_err(), Refused::BadSignature);
    for text in ["", ":", "::::", "abc", "é:é:é", &A_IS_1[1..], &format!("{A_IS_1}=")] {
        assert_eq!(database().decode(text).unwrap_err(), Refused::BadSignature, "{text}");
    }
}

#[test]
fn an_age_is_judged_to_the_fraction() {
    let two_weeks = SignedDuration::from_secs(1_209_600);
    let limit = at(1_768_435_200);
    let fresh = |now| database().decode_fresh(A_IS_1, two_weeks, now).map(drop);
    assert_eq!(fresh(limit), Ok(()));
    assert_eq!(fresh(limit + SignedDuration::from_micros(1)), Err(Refused::TooOld));
    assert_eq!(fresh(at(0)), Ok(()), "the future is fresh");
}

#[test]
fn a_bomb_is_refused_before_it_unpacks() {
    let bomb = database().encode(&format!("{{\"a\":\"{}\"}}", "a".repeat(1 << 20)), at(0));
    assert!(bomb.len() < 1 << 12, "it is packed: {}", bomb.len());
    let small = database().with_max_bytes(1 << 16);
    assert_eq!(small.decode(&bomb).unwrap_err(), Refused::TooLarge);
    assert!(database().decode(&bomb).is_ok());
}

#[test]
fn no_debug_shows_a_key_or_a_value() {
    let keys = DjangoKeys::new(SECRET).unwrap().with_fallback(OLD);
    let shown = format!("{keys:?} {:?} {:?}", database(), database().decode(A_IS_1).unwrap());
    assert!(!shown.contains("secret") && !shown.contains("\"a\""), "{shown}");
    assert_eq!(DjangoKeys::new("").unwrap_err().kind(), ErrorKind::Config);
}

/// The shared vectors of these kinds, or none and a line that says so.
fn vectors(kinds: &[&str]) -> Vec<serde_json::Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/django/vectors.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("no shared vectors at {path}: only the values above were tried");
        return Vec::new();
    };
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vectors = all["vectors"].as_array().unwrap().iter();
    let of_kind = vectors.filter(|vector| kinds.contains(&vector["kind"].as_str().unwrap()));
    let of_kind: Vec<_> = of_kind.cloned().collect();
    assert!(!of_kind.is_empty());
    of_kind
}

fn codec_of(vector: &serde_json::Value) -> DjangoCodec {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let none = Vec::new();
    let fallbacks = vector["fallbacks"].as_array().unwrap_or(&none).iter().map(text);
    let keys = DjangoKeys::new(&text(&vector["secret_key"])).unwrap();
    let keys = fallbacks.fold(keys, |keys, key| keys.with_fallback(&key));
    DjangoCodec::new(&keys, &text(&vector["salt"])).unwrap()
}

#[test]
fn every_shared_value_is_written_and_read_as_by_django() {
    for vector in vectors(&["encode"]) {
        let (codec, id) = (codec_of(&vector), &vector["id"]);
        let (json, encoded) =
            (vector["json"].as_str().unwrap(), vector["encoded"].as_str().unwrap());
        let now = at(vector["now"].as_i64().unwrap());
        let decoded = codec.decode(encoded).unwrap();
        assert_eq!((&*decoded.json, decoded.signed_at), (json, now), "{id}");
        let written = codec.encode(json, now);
        // Another zlib than Python's packs in other bytes; Django reads them as well.
        if vector["byte_exact"] == true {
            assert_eq!(written, encoded, "{id}");
        }
        assert_eq!(&*codec.decode(&written).unwrap().json, json, "{id}");
        let data = codec.decode_data(encoded).unwrap();
        assert_eq!(data.text(), json, "{id}: nothing is lost between");
    }
}

#[test]
fn every_shared_value_is_accepted_or_refused_as_by_django() {
    for vector in vectors(&["decode"]) {
        let decoded = codec_of(&vector).decode(vector["value"].as_str().unwrap());
        assert_eq!(decoded.is_ok(), vector["accepted"] == true, "{vector}: {decoded:?}");
        match decoded {
            Ok(decoded) => {
                let session: serde_json::Value = serde_json::from_str(&decoded.json).unwrap();
                assert_eq!(session, vector["session"], "{}", vector["id"]);
            }
            Err(refused) => {
                let bad_signature = vector["error"] == "BadSignature";
                assert_eq!(refused == Refused::BadSignature, bad_signature, "{}", vector["id"]);
            }
        }
    }
}

#[test]
fn every_shared_cookie_is_accepted_or_refused_as_by_django() {
    for vector in vectors(&["signed_cookie_load"]) {
        let max_age = SignedDuration::from_secs(vector["max_age"].as_i64().unwrap());
        let micros = (vector["now"].as_f64().unwrap() * 1e6) as i64;
        let now = Timestamp::from_microsecond(micros).unwrap();
        let decoded =
            codec_of(&vector).decode_fresh(vector["value"].as_str().unwrap(), max_age, now);
        assert_eq!(decoded.is_ok(), vector["accepted"] == true, "{}: {decoded:?}", vector["id"]);
    }
}

#[test]
fn every_shared_auth_hash_is_the_same() {
    for vector in vectors(&["auth_hash"]) {
        let keys = DjangoKeys::new("another").unwrap();
        let keys = keys.with_fallback(vector["secret_key"].as_str().unwrap());
        let password = vector["password_field"].as_str().unwrap();
        let expected = vector["hash"].as_str().unwrap();
        assert_eq!(keys.fallback_auth_hashes(password).collect::<Vec<_>>(), [expected]);
        assert_ne!(keys.auth_hash(password), expected);
    }
}
