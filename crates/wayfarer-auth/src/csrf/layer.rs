//! The layer that lets no request in that changes something without a token.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum_core::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use tower_layer::Layer;
use tower_service::Service;
use wayfarer_session::{MissingSession, Session};

use super::{Csrf, CsrfRefused, FIELD, HEADER, origin};
use crate::error::AuthError;

/// Checks every request that is not safe (`GET`, `HEAD`, `OPTIONS`, `TRACE`): it must come from a page of ours and bring a
/// token of its session, in the header [`HEADER`] or in the field [`FIELD`] of a form. Otherwise the answer is 403.
///
/// Goes inside the session layer. A form is read and put back whole, up to [`CsrfLayer::max_form`]; uploads
/// (`multipart/form-data`) send the token in the header. Where the key travels in a header, no other site can use the session
/// and this is not needed.
#[derive(Clone, Debug)]
pub struct CsrfLayer {
    rules: Arc<Rules>,
}

#[derive(Clone, Debug)]
struct Rules {
    trusted: Vec<String>,
    plain: bool,
    max_form: usize,
}

impl Default for CsrfLayer {
    fn default() -> CsrfLayer {
        CsrfLayer::new()
    }
}

impl CsrfLayer {
    /// For an application that is served over https.
    #[must_use]
    pub fn new() -> CsrfLayer {
        let rules = Rules { trusted: Vec::new(), plain: false, max_form: 1 << 20 };
        CsrfLayer { rules: Arc::new(rules) }
    }

    /// Also takes requests from pages of this origin, such as `https://pay.example`.
    #[must_use]
    pub fn trust(mut self, origin: impl Into<String>) -> CsrfLayer {
        Arc::make_mut(&mut self.rules).trusted.push(origin.into());
        self
    }

    /// For development: the application is served over http.
    #[must_use]
    pub fn plain_http(mut self) -> CsrfLayer {
        Arc::make_mut(&mut self.rules).plain = true;
        self
    }

    /// Looks for the token in forms of this many bytes at the most. The default is 1 MiB.
    #[must_use]
    pub fn max_form(mut self, bytes: usize) -> CsrfLayer {
        Arc::make_mut(&mut self.rules).max_form = bytes;
        self
    }
}

impl Rules {
    /// The request again, if it may go in.
    async fn check(&self, request: Request) -> Result<Request, Response> {
        if request.method().is_safe() {
            return Ok(request);
        }
        let session = request.extensions().get::<Session>().cloned();
        let csrf = Csrf::new(session.ok_or_else(|| MissingSession.into_response())?);
        let (uri, headers) = (request.uri(), request.headers());
        origin::check(uri, headers, &self.trusted, self.plain)
            .map_err(CsrfRefused::into_response)?;
        let (token, request) = self.token(request).await.map_err(CsrfRefused::into_response)?;
        let token = token.ok_or_else(|| CsrfRefused::NoToken.into_response())?;
        match csrf.verify(&token).await {
            Ok(true) => Ok(request),
            Ok(false) => Err(CsrfRefused::WrongToken.into_response()),
            Err(error) => Err(AuthError::Session(error).into_response()),
        }
    }

    /// The token that a request brings, and the request as it was.
    async fn token(&self, request: Request) -> Result<(Option<String>, Request), CsrfRefused> {
        let header = request.headers().get(HEADER).map(|value| value.to_str().unwrap_or_default());
        if let Some(token) = header {
            return Ok((Some(token.to_owned()), request));
        }
        if !is_form(request.headers()) {
            return Ok((None, request));
        }
        let (head, body) = request.into_parts();
        let whole = Limited::new(body, self.max_form).collect().await.map_err(|error| {
            let long = error.is::<LengthLimitError>();
            if long { CsrfRefused::TooLong } else { CsrfRefused::NoToken }
        })?;
        let bytes = whole.to_bytes();
        let token = std::str::from_utf8(&bytes).ok().and_then(field);
        Ok((token, Request::from_parts(head, Body::from(bytes))))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The token in a form. Letters and digits need no decoding, but some clients encode everything.
fn field(form: &str) -> Option<String> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == FIELD)?;
    Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
}

impl<S> Layer<S> for CsrfLayer {
    type Service = CsrfService<S>;

    fn layer(&self, inner: S) -> CsrfService<S> {
        CsrfService { inner, rules: Arc::clone(&self.rules) }
    }
}

/// What [`CsrfLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct CsrfService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Service<Request> for CsrfService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that was asked whether it is ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            match rules.check(request).await {
                Ok(request) => inner.call(request).await,
                Err(refused) => Ok(refused),
            }
        })
    }
}
