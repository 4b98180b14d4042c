//! Which answer is a page that somebody sees, and how it is recorded and named.
//!
//! One load of a page is one `page_view`. The layer makes it where it can know of the load: a browser's GET for a document
//! that is answered with HTML. It names the event in `Server-Timing: wf;desc="<id>"`, which the browser's tracker reads; a
//! page without that name the tracker counts itself. So whatever is not counted here is not lost: pages that a script
//! fetched and shows, pages fetched ahead, pages out of a shared cache.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};
use wayfarer_event::{Micros, name};

use super::Facts;
use crate::Tracker;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// Headers by which browsers say that nobody looks at the answer yet.
const PURPOSE: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

/// Whether this request may be the load of a page.
pub(super) fn is_asked_for(parts: &request::Parts) -> bool {
    let headers = &parts.headers;
    parts.method == Method::GET && !is_ahead(headers) && is_document(headers)
}

/// Whether the browser itself says that it loads a document.
pub(super) fn is_navigation(parts: &request::Parts) -> bool {
    parts.headers.contains_key(SEC_FETCH_DEST) && is_asked_for(parts)
}

fn is_ahead(headers: &HeaderMap) -> bool {
    PURPOSE.iter().any(|name| {
        headers.get(*name).is_some_and(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            [b"prefetch".as_slice(), b"preview"]
                .iter()
                .any(|purpose| value.windows(purpose.len()).any(|part| part == *purpose))
        })
    })
}

/// Browsers say what they fetch for; who says nothing (an old browser, plain http, a robot) is taken at its word unless a
/// script asks.
fn is_document(headers: &HeaderMap) -> bool {
    match headers.get(SEC_FETCH_DEST) {
        Some(destination) => destination == "document",
        None => !headers.contains_key(REQUESTED_WITH),
    }
}

/// Whether this answer is a page: an HTML document of its own, made for this visitor.
///
/// `304 Not Modified` does not say of what: it is a page where the browser said that it loads one.
pub(super) fn is_answered<B>(is_navigation: bool, response: &Response<B>) -> bool {
    let headers = response.headers();
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return is_navigation && !is_shared(headers);
    }
    let has_document = status.is_success() || status.is_client_error() || status.is_server_error();
    let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    has_document && !is_empty && is_html(headers) && !is_download(headers) && !is_shared(headers)
}

fn is_html(headers: &HeaderMap) -> bool {
    starts_with(headers, &header::CONTENT_TYPE, b"text/html")
        || starts_with(headers, &header::CONTENT_TYPE, b"application/xhtml+xml")
}

fn is_download(headers: &HeaderMap) -> bool {
    starts_with(headers, &header::CONTENT_DISPOSITION, b"attachment")
}

fn starts_with(headers: &HeaderMap, name: &HeaderName, start: &[u8]) -> bool {
    headers
        .get(name)
        .and_then(|value| value.as_bytes().get(..start.len()))
        .is_some_and(|value| value.eq_ignore_ascii_case(start))
}

/// A cache between us and the visitor may keep the answer: then one answer is many loads, and its name would be everybody's.
fn is_shared(headers: &HeaderMap) -> bool {
    headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).any(
        |value| {
            value.split(',').map(str::trim).any(|directive| {
                directive.eq_ignore_ascii_case("public")
                    || directive
                        .get(..8)
                        .is_some_and(|start| start.eq_ignore_ascii_case("s-maxage"))
            })
        },
    )
}

/// Records the page and names it in the answer.
pub(super) fn record<B>(
    tracker: &Tracker,
    facts: &Facts,
    started: Micros,
    response: &mut Response<B>,
) {
    if facts.is_declined() {
        tracker.decline(1);
        return;
    }
    let mut event = facts.event(name::PAGE_VIEW);
    event.status = Some(response.status().as_u16());
    let micros = tracker.now().0.saturating_sub(started.0).max(0);
    event.latency_ms = Some(micros as f64 / 1000.0);
    event.ts = Some(started);
    event.id = tracker.new_id();
    if let Some(id) = &event.id
        && let Ok(value) = HeaderValue::try_from(format!("wf;desc=\"{id}\""))
    {
        response.headers_mut().append(SERVER_TIMING, value);
    }
    tracker.record(event);
}
