//! What the session layer does to a request: it opens the session, lets the handler work, and finishes the session before
//! the response head goes out.
//!
//! Start with [`SessionService::call`](tower_service::Service::call) and [`SessionFuture::poll`](Future::poll).

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use tower_service::Service;
use wayfarer_session::{CookieChange, Error, ErrorKind, Finished, Outcome, Session};

use crate::{cookie::Form, layer::Config};

/// What [`SessionLayer`](crate::SessionLayer) makes of a service.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> SessionService<S> {
    pub(crate) fn new(inner: S, config: Arc<Config>) -> SessionService<S> {
        SessionService { inner, config }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: From<&'static str>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SessionFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let style = &self.config.cookie;
        let form = style.form(request.uri(), request.headers());
        let session = self.config.manager.open(style.find(form, request.headers()));
        request.extensions_mut().insert(session.clone());
        SessionFuture {
            step: Step::Handling { inner: self.inner.call(request) },
            ending: Ending { session, form, config: Arc::clone(&self.config) },
        }
    }
}

type Saving = Pin<Box<dyn Future<Output = Result<Finished, Error>> + Send>>;

pin_project! {
    /// A response whose session is finished before its head goes out.
    pub struct SessionFuture<F, B> {
        #[pin]
        step: Step<F, B>,
        ending: Ending,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<F, B> {
        // The handler works.
        Handling { #[pin] inner: F },
        // The store is asked. Only requests that used their session come here.
        Saving { saving: Saving, response: Option<Response<B>> },
    }
}

impl<F, B, E> Future for SessionFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: From<&'static str>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.step.as_mut().project() {
                StepProjection::Handling { inner } => {
                    let response = ready!(inner.poll(context))?;
                    let outcome = outcome(response.status());
                    match this.ending.session.finish_now(outcome).transpose() {
                        Some(finished) => {
                            return Poll::Ready(Ok(this.ending.end(response, finished)));
                        }
                        None => {
                            let session = this.ending.session.clone();
                            let saving = Box::pin(async move { session.finish(outcome).await });
                            this.step.set(Step::Saving { saving, response: Some(response) });
                        }
                    }
                }
                StepProjection::Saving { saving, response } => {
                    let finished = ready!(saving.as_mut().poll(context));
                    // The response is there until this point is reached, once.
                    let response = response.take().unwrap_or_else(|| Response::new("".into()));
                    return Poll::Ready(Ok(this.ending.end(response, finished)));
                }
            }
        }
    }
}

/// A response that failed on the server saves nothing.
fn outcome(status: StatusCode) -> Outcome {
    if status.is_server_error() { Outcome::Discard } else { Outcome::Keep }
}

/// What is needed to end a response.
struct Ending {
    session: Session,
    form: Form,
    config: Arc<Config>,
}

impl Ending {
    fn end<B: From<&'static str>>(
        &self,
        mut response: Response<B>,
        finished: Result<Finished, Error>,
    ) -> Response<B> {
        match finished {
            Ok(finished) => {
                self.write_head(&finished, response.headers_mut());
                response
            }
            Err(error) => refuse(&error),
        }
    }

    fn write_head(&self, finished: &Finished, headers: &mut HeaderMap) {
        let style = &self.config.cookie;
        let cookie = match &finished.cookie {
            CookieChange::Keep => None,
            CookieChange::Set { value, max_age } => {
                style.set(self.form, value, *max_age, self.config.clock.now())
            }
            CookieChange::Remove => style.remove(self.form),
        };
        if finished.accessed || cookie.is_some() {
            vary_by_cookie(headers);
        }
        if let Some(cookie) = cookie {
            headers.append(header::SET_COOKIE, cookie);
            // A cache that kept this response would hand one visitor's session to another.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

fn vary_by_cookie(headers: &mut HeaderMap) {
    let values = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let mut names = values.flat_map(|value| value.split(',')).map(str::trim);
    if !names.any(|name| name == "*" || name.eq_ignore_ascii_case("cookie")) {
        headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    }
}

/// The answer where the session could not be saved: what the handler said is not true then.
fn refuse<B: From<&'static str>>(error: &Error) -> Response<B> {
    let (status, text) = match error.kind() {
        ErrorKind::Interrupted => {
            tracing::info!(%error, "a session was interrupted");
            (StatusCode::BAD_REQUEST, "Your session ended while the request was being worked on.\n")
        }
        _ => {
            tracing::error!(%error, "a session was not saved");
            (StatusCode::INTERNAL_SERVER_ERROR, "The session could not be saved.\n")
        }
    };
    let mut response = Response::new(B::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    vary_by_cookie(headers);
    response
}
