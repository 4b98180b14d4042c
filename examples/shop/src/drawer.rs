//! The drawer at the foot of every page: what the session did in this request, from cookie to `Set-Cookie`.
//!
//! The session is saved after the handler, when the page is written already. So the page leaves a gap, and the outermost
//! layer fills it in once everything has happened. The journal names keys and calls; the session's secret is not in it.

use askama::Template;
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use wayfarer::{Journal, Session, session::Brought};

use crate::words::{Lang, Words};
use axum::extract::FromRequestParts;

/// Where the drawer goes. The layout leaves it in every page.
const GAP: &str = "<!--drawer-->";
/// No page of the shop is longer.
const PAGE_LIMIT: usize = 1024 * 1024;

/// Inside the session layer: hands the session out with the answer.
pub(crate) async fn hand_out(session: Session, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(session);
    response
}

/// Outside the session layer: fills the gap in.
pub(crate) async fn fill_in(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let lang = lang(&mut parts).await;
    let response = next.run(Request::from_parts(parts, body)).await;
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    match response.extensions().get::<Session>().cloned() {
        Some(session) if is_page => with_drawer(response, &session, lang).await,
        _ => response,
    }
}

async fn lang(parts: &mut Parts) -> Lang {
    Lang::from_request_parts(parts, &()).await.unwrap_or_default()
}

async fn with_drawer(response: Response, session: &Session, lang: Lang) -> Response {
    let (mut parts, body) = response.into_parts();
    let drawer = Drawer {
        words: lang.words(),
        journal: session.journal(),
        set_cookie: set_cookie(&parts.headers),
    };
    let (Ok(page), Ok(drawer)) = (to_bytes(body, PAGE_LIMIT).await, drawer.render()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let page = String::from_utf8_lossy(&page).replacen(GAP, &drawer, 1);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(page))
}

/// The header that gives the session cookie, with its secret blanked.
fn set_cookie(headers: &header::HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let line = lines.into_iter().find(|line| !line.starts_with("lang="))?;
    let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
    let (name, value) = pair.split_once('=')?;
    let value = if value.is_empty() { "" } else { "…" };
    Some(format!("{name}={value};{attributes}"))
}

#[derive(Template)]
#[template(path = "drawer.html")]
struct Drawer {
    words: &'static Words,
    journal: Journal,
    set_cookie: Option<String>,
}

impl Drawer {
    fn cookie(&self) -> &'static str {
        match self.journal.cookie {
            Brought::Nothing => self.words.cookie_nothing,
            Brought::Unopened => self.words.cookie_unopened,
            Brought::Genuine => self.words.cookie_genuine,
            Brought::Refused => self.words.cookie_refused,
        }
    }

    fn saved(&self) -> &'static str {
        if self.journal.saved { self.words.saved_yes } else { self.words.saved_no }
    }

    /// What was set, then what was removed.
    fn changed(&self) -> Vec<String> {
        let set = self.journal.written.iter().map(|key| format!("+ {key}"));
        let removed = self.journal.removed.iter().map(|key| format!("− {key}"));
        set.chain(removed).collect()
    }
}
