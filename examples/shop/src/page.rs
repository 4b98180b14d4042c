//! What all pages have in common: who is here, the frame around the content, and what to do when something fails.

use std::{convert::Infallible, sync::Arc};

use askama::Template;
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{StatusCode, request::Parts},
    response::{Html, IntoResponse, Response},
};
use wayfarer::{
    Error, Session,
    auth::{Auth, AuthError},
    track::Track,
};

use crate::{
    Shop,
    account::{Account, Accounts},
    cart::Cart,
    catalogue::{CATEGORIES, Category},
    words::{Lang, Words},
};

/// A request, as the shop's handlers want it. The session in it is lazy: it is looked up when somebody asks it something.
pub(crate) struct Visit {
    pub(crate) session: Session,
    pub(crate) auth: Auth<Accounts>,
    pub(crate) track: Track,
    pub(crate) lang: Lang,
    path: String,
    dashboard: Option<String>,
}

impl<S> FromRequestParts<S> for Visit
where
    S: Send + Sync,
    Arc<Shop>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Visit, Response> {
        let session = extract(parts, state).await?;
        let auth = extract(parts, state).await?;
        let track = extract(parts, state).await?;
        let lang =
            Lang::from_request_parts(parts, state).await.unwrap_or_else(|e: Infallible| match e {});
        let path = parts.uri.path().to_owned();
        let dashboard = Arc::<Shop>::from_ref(state).dashboard.clone();
        Ok(Visit { session, auth, track, lang, path, dashboard })
    }
}

async fn extract<T: FromRequestParts<S>, S: Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Response> {
    T::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)
}

impl Visit {
    /// The frame of a page, with what the session knows: the account and the cart.
    pub(crate) async fn frame(&self) -> Result<Frame, Failure> {
        let account = self.auth.user().await?;
        let items = Cart::of(&self.session).await?.count();
        Ok(Frame { account, items: Some(items), ..self.frame_without_session() })
    }

    /// The frame of a page that does not ask the session anything, and so costs no look-up.
    pub(crate) fn frame_without_session(&self) -> Frame {
        Frame {
            lang: self.lang,
            words: self.lang.words(),
            script: self.track.script_tag(),
            is_untracked: self.track.is_declined(),
            path: self.path.clone(),
            dashboard: self.dashboard.clone(),
            account: None,
            items: None,
        }
    }
}

/// What the layout of every page shows.
pub(crate) struct Frame {
    pub(crate) lang: Lang,
    pub(crate) words: &'static Words,
    /// The element that loads the browser's tracker.
    pub(crate) script: String,
    pub(crate) is_untracked: bool,
    pub(crate) path: String,
    pub(crate) dashboard: Option<String>,
    pub(crate) account: Option<Account>,
    /// Things in the cart; none where the page did not look.
    pub(crate) items: Option<u32>,
}

impl Frame {
    pub(crate) fn categories(&self) -> &'static [Category] {
        &CATEGORIES
    }

    /// Marks the link to the page that is shown, for eyes and screen readers.
    pub(crate) fn current(&self, path: &str) -> &'static str {
        if self.path == path { " aria-current=\"page\"" } else { "" }
    }
}

/// Renders a page.
pub(crate) fn render(page: &impl Template) -> Result<Html<String>, Failure> {
    Ok(Html(page.render()?))
}

/// Something failed that is not the visitor's fault.
#[derive(Debug)]
pub(crate) struct Failure(Box<dyn std::error::Error + Send + Sync>);

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure(error.into())
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Failure {
        Failure(error.into())
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Failure {
        Failure(error.into())
    }
}

/// The visitor learns that it failed, the log learns why.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "a page of the shop failed");
        let words = Lang::default().words();
        (StatusCode::INTERNAL_SERVER_ERROR, words.failed).into_response()
    }
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound {
    frame: Frame,
}

pub(crate) async fn not_found(visit: Visit) -> Result<Response, Failure> {
    let page = render(&NotFound { frame: visit.frame().await? })?;
    Ok((StatusCode::NOT_FOUND, page).into_response())
}
