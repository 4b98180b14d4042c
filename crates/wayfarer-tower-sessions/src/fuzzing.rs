//! For the fuzz targets: cookies and rows of tower-sessions, without browsers and databases.

#![expect(
    clippy::expect_used,
    reason = "a target is a test: what it cannot go on without may end it"
)]

use std::collections::HashMap;

use cookie::{Cookie, CookieJar, Key};
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tower_sessions_core::session::{Id, Record};

use crate::{OldCookie, record};

/// The one session that a cookie was ever sealed for.
const ID: Id = Id(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

fn key() -> Key {
    Key::from(&[7; 64])
}

fn sealed() -> [OldCookie; 2] {
    [OldCookie::plain("id").signed(key()), OldCookie::plain("id").private(key())]
}

/// What browsers send: the cookie of a session, plain, signed and encrypted.
#[must_use]
pub fn headers() -> [(&'static str, String); 3] {
    let cookie = || Cookie::new("id", ID.to_string());
    let (mut signed, mut private) = (CookieJar::new(), CookieJar::new());
    signed.signed_mut(&key()).add(cookie());
    private.private_mut(&key()).add(cookie());
    let of = |jar: CookieJar| jar.iter().map(|c| c.encoded().to_string()).collect::<String>();
    [("plain", cookie().to_string()), ("signed", of(signed)), ("private", of(private))]
}

/// Reads the header `Cookie` of a request.
///
/// # Panics
/// When a sealed cookie names a session that it was not sealed for.
pub fn cookie(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
    let _ = OldCookie::plain("id").find(&headers);
    for kind in sealed() {
        let found = kind.find(&headers);
        assert!(found.is_none_or(|id| id == ID), "a forged cookie opens {found:?}");
    }
}

/// A row of a session that lives for long.
///
/// # Panics
/// Never, as such a session can be written.
#[must_use]
pub fn a_row() -> Vec<u8> {
    let data = json!({ "a": 1, "b": [1.5, null, true], "axum-login.data": { "user_id": "ada" } });
    let data: HashMap<_, _> = data.as_object().cloned().unwrap_or_default().into_iter().collect();
    let expiry_date = OffsetDateTime::UNIX_EPOCH + Duration::weeks(52 * 1000);
    rmp_serde::to_vec(&Record { id: ID, data, expiry_date }).expect("it can be written")
}

/// Reads a row.
///
/// # Panics
/// When what was read does not come back as it is written.
pub fn row(bytes: &[u8]) {
    let Ok(Some(read)) = record::live(bytes) else { return };
    let written = rmp_serde::to_vec(&read).expect("what was read can be written");
    let again = record::live(&written).expect("what was written can be read");
    assert!(again.is_none_or(|again| again == read), "it does not come back: {read:?}");
}
