//! The drawer at the foot of every page: what the session did in this request, from cookie to `Set-Cookie`.
//!
//! The session is saved after the handler, when the page is written already. So the page leaves a gap, and the outermost
//! layer fills it in once everything has happened. A form is answered with a redirect, which nobody sees: what happened
//! there travels in a cookie of a few seconds to the page that follows. The journal names keys and calls; no value and no
//! secret of the session is in it.

use askama::Template;
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use wayfarer::{Session, session::Brought};

use crate::words::{Lang, Words, cookie};

/// Where the drawer goes. The layout leaves it in every page.
const GAP: &str = "<!--drawer-->";
/// No page of the shop is longer.
const PAGE_LIMIT: usize = 1024 * 1024;
/// The cookie that carries a story over a redirect.
const CARRIER: &str = "drawer";

/// Inside the session layer: hands the session out with the answer.
pub(crate) async fn hand_out(session: Session, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(session);
    response
}

/// Outside the session layer: fills the gap in, or sends the story on with a redirect.
pub(crate) async fn fill_in(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let lang = Lang::from_request_parts(&mut parts, &()).await.unwrap_or_default();
    let before = Story::carried(&parts.headers);
    let name = format!("{} {}", parts.method, parts.uri.path());
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(session) = response.extensions().get::<Session>().cloned() else { return response };
    let story = Story::of(name, &session, response.headers());
    if response.status().is_redirection() {
        story.carry(response)
    } else if is_page(response.headers()) {
        let stories = before.into_iter().chain([story]).collect();
        with_drawer(response, Drawer { words: lang.words(), stories }).await
    } else {
        response
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

async fn with_drawer(response: Response, drawer: Drawer) -> Response {
    let (mut parts, body) = response.into_parts();
    let (Ok(page), Ok(html)) = (to_bytes(body, PAGE_LIMIT).await, drawer.render()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let page = String::from_utf8_lossy(&page).replacen(GAP, &html, 1);
    parts.headers.remove(header::CONTENT_LENGTH);
    if drawer.stories.len() > 1 {
        let gone = HeaderValue::from_static("drawer=; Path=/; Max-Age=0");
        parts.headers.append(header::SET_COOKIE, gone);
    }
    Response::from_parts(parts, Body::from(page))
}

/// What a session did in one request.
#[derive(Serialize, Deserialize)]
struct Story {
    request: String,
    cookie: String,
    calls: Vec<String>,
    bytes: Option<usize>,
    read: Vec<String>,
    changed: Vec<String>,
    saved: bool,
    set_cookie: Option<String>,
}

impl Story {
    fn of(request: String, session: &Session, headers: &HeaderMap) -> Story {
        let journal = session.journal();
        let set = journal.written.iter().map(|key| format!("+ {key}"));
        let removed = journal.removed.iter().map(|key| format!("− {key}"));
        let calls = journal.calls.iter().map(|call| format!("{} → {}", call.call, call.outcome));
        let cookie = match journal.cookie {
            Brought::Nothing => "nothing",
            Brought::Unopened => "unopened",
            Brought::Genuine => "genuine",
            Brought::Refused => "refused",
        };
        Story {
            request,
            cookie: cookie.to_owned(),
            calls: calls.collect(),
            bytes: journal.bytes,
            read: journal.read,
            changed: set.chain(removed).collect(),
            saved: journal.saved,
            set_cookie: set_cookie(headers),
        }
    }

    fn carry(&self, mut response: Response) -> Response {
        let json = serde_json::to_string(self).unwrap_or_default();
        let text = utf8_percent_encode(&json, NON_ALPHANUMERIC);
        let cookie = format!("{CARRIER}={text}; Path=/; Max-Age=10; HttpOnly; SameSite=Lax");
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Anybody can write a cookie: what cannot be read is no story.
    fn carried(headers: &HeaderMap) -> Option<Story> {
        let json = percent_decode_str(cookie(headers, CARRIER)?).decode_utf8().ok()?;
        serde_json::from_str(&json).ok()
    }
}

/// The header that gives the session cookie, with its secret blanked.
fn set_cookie(headers: &HeaderMap) -> Option<String> {
    let mut lines =
        headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let line = lines.find(|line| !line.starts_with("lang="))?;
    let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
    let (name, value) = pair.split_once('=')?;
    let value = if value.is_empty() { "" } else { "…" };
    Some(format!("{name}={value};{attributes}"))
}

#[derive(Template)]
#[template(path = "drawer.html")]
struct Drawer {
    words: &'static Words,
    /// The request of this page, and before it the one that led here.
    stories: Vec<Story>,
}

impl Drawer {
    fn cookie(&self, story: &Story) -> &'static str {
        match story.cookie.as_str() {
            "unopened" => self.words.cookie_unopened,
            "genuine" => self.words.cookie_genuine,
            "refused" => self.words.cookie_refused,
            _ => self.words.cookie_nothing,
        }
    }

    fn saved(&self, story: &Story) -> &'static str {
        if story.saved { self.words.saved_yes } else { self.words.saved_no }
    }

    fn calls(&self) -> usize {
        self.stories.iter().map(|story| story.calls.len()).sum()
    }

    fn changed(&self) -> usize {
        self.stories.iter().map(|story| story.changed.len()).sum()
    }

    fn set_cookies(&self) -> usize {
        self.stories.iter().filter(|story| story.set_cookie.is_some()).count()
    }
}
