//! Against requests that another site makes in a user's name: a token that only our own pages know.
//!
//! The secret lies in the session, under the name and in the form that Django uses with `CSRF_USE_SESSIONS`; a page gets it
//! masked, differently each time (`token`). Requests that change something must bring a token, and come from an origin that
//! is ours (`origin`). [`CsrfLayer`] checks both; a handler asks [`Csrf`] for the token that its forms carry.

mod layer;
mod origin;
mod token;

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use wayfarer_session::{Error, MissingSession, Session};

pub use self::layer::{CsrfLayer, CsrfService};
use crate::{entries, error::AuthError};

/// The field of a form that carries the token, as in Django.
pub const FIELD: &str = "csrfmiddlewaretoken";

/// The header that carries the token where there is no form.
pub const HEADER: &str = "x-csrftoken";

/// Makes and checks the tokens of a session. An extractor of axum.
#[derive(Clone, Debug)]
pub struct Csrf(Session);

impl Csrf {
    /// The tokens of this session.
    #[must_use]
    pub fn new(session: Session) -> Csrf {
        Csrf(session)
    }

    /// A token for a form or a script: send it back in the field [`FIELD`] or the header [`HEADER`]. Makes the session's
    /// secret if there is none, so the session is then saved. Each call gives another text, so that compressed pages tell
    /// nothing of it.
    ///
    /// # Errors
    /// When the session cannot be loaded, or there is no randomness.
    pub async fn token(&self) -> Result<String, Error> {
        let known = self.secret().await?;
        let secret = match known {
            Some(secret) => secret,
            None => renew(&self.0).await?,
        };
        token::mask(&secret)
    }

    /// Whether `token` is one of this session's. Compares in constant time.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn verify(&self, token: &str) -> Result<bool, Error> {
        let secret = self.secret().await?;
        Ok(secret.is_some_and(|secret| token::matches(token, &secret)))
    }

    /// The session's secret, if it has one that can be one: older ones of Django are masked themselves.
    async fn secret(&self) -> Result<Option<String>, Error> {
        let noted = self.0.get::<String>(entries::CSRF).await?;
        Ok(noted.and_then(|noted| token::unmask(&noted)))
    }
}

/// Gives the session another secret, if it has one. After a log-in no form from before it is good any more.
pub(crate) async fn rotate(session: &Session) -> Result<(), AuthError> {
    if session.contains(entries::CSRF).await? {
        renew(session).await?;
    }
    Ok(())
}

async fn renew(session: &Session) -> Result<String, Error> {
    let secret = token::secret()?;
    session.insert(entries::CSRF, &secret).await?;
    Ok(secret)
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfRefused {
    /// It came from a page of another origin.
    #[error("the request comes from another site")]
    Origin,
    /// It says neither where it comes from nor what page it is from.
    #[error("the request does not say where it comes from")]
    NoOrigin,
    /// It brings no token.
    #[error("the request has no CSRF token")]
    NoToken,
    /// It brings a token that is not of this session. After a log-in older pages must be loaded again.
    #[error("the CSRF token is not of this session; load the page again")]
    WrongToken,
    /// Its form is too long to look for a token in.
    #[error("the form is too long; send the token in a header")]
    TooLong,
}

impl IntoResponse for CsrfRefused {
    fn into_response(self) -> Response {
        tracing::warn!(reason = %self, "a request was refused for lack of a CSRF token");
        (StatusCode::FORBIDDEN, format!("Refused: {self}.\n")).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Csrf {
    type Rejection = MissingSession;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Csrf, MissingSession> {
        parts.extensions.get::<Session>().cloned().map(Csrf).ok_or(MissingSession)
    }
}
