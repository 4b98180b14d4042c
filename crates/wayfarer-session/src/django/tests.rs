//! The codec against values that Django wrote. All shared vectors are run by the tests of the crate `wayfarer`.

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

#[test]
fn what_is_not_ascii_is_what_python_reads_and_stays_so() {
    // As a signer that does not escape writes it; Python reads each byte as a character.
    let foreign = database().encode(r#"{"a":"é"}"#, at(0));
    let read = database().decode(&foreign).unwrap().json;
    assert_eq!(&*read, r#"{"a":"\u00c3\u00a9"}"#);
    let again = database().decode(&database().encode(&read, at(0))).unwrap().json;
    assert_eq!(again, read);
    let no_escape = database().encode(r#"{"a":"\é"}"#, at(0));
    assert_eq!(database().decode(&no_escape).unwrap_err(), Refused::BadJson);
}
