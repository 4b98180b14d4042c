//! The browser's tracker as the layer serves it.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// The browser's tracker: the source of the npm package `wayfarer-tracker`, as it is served.
pub const SCRIPT: &str = include_str!("../script.js");

/// The two paths that the layer answers itself.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(super) script: String,
    pub(super) events: String,
}

impl Paths {
    /// The element that loads the tracker in a page.
    pub(crate) fn tag(&self) -> String {
        let mut tag = String::from("<script defer src=\"");
        escape(&mut tag, &self.script);
        tag.push_str("\" data-api=\"");
        escape(&mut tag, &self.events);
        tag.push_str("\"></script>");
        tag
    }
}

fn escape(into: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' => _ = write!(into, "&#{};", u32::from(character)),
            other => into.push(other),
        }
    }
}

/// Answers a request for the script. Browsers keep it for an hour, then ask whether it changed.
pub(super) fn answer(method: &Method, headers: &HeaderMap) -> Response<Bytes> {
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, Bytes::new());
    }
    let tag = etag();
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| {
        value.as_bytes().windows(tag.len()).any(|part| part == tag.as_bytes())
    });
    let mut response = if known {
        plain(StatusCode::NOT_MODIFIED, Bytes::new())
    } else {
        plain(StatusCode::OK, Bytes::from_static(SCRIPT.as_bytes()))
    };
    let headers = response.headers_mut();
    let javascript = HeaderValue::from_static("text/javascript; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, javascript);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn plain(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Changes whenever the script does.
fn etag() -> String {
    const HASH: u64 = fnv1a(SCRIPT.as_bytes());
    format!("\"{HASH:016x}\"")
}

const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}
