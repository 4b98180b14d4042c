//! The way of a request through the tracking layer.

use std::{
    error::Error as StdError,
    fmt,
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;
use wayfarer_event::{InsightSource, Micros};
use wayfarer_session::RequestContext;

use super::{Facts, Settings, beacon, page, script};
use crate::{Track, Tracker};

/// The service that [`TrackingLayer`](super::TrackingLayer) makes.
#[derive(Clone)]
pub struct TrackingService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> TrackingService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> TrackingService<S> {
        TrackingService { inner, settings }
    }
}

impl<S> fmt::Debug for TrackingService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackingService").finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for TrackingService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<S::Future> {
        match &self.settings.paths {
            Some(paths) if request.uri().path() == paths.script => {
                let response = script::answer(request.method(), request.headers());
                ResponseFuture::own(ready(response))
            }
            Some(paths) if request.uri().path() == paths.events => {
                let settings = self.settings.clone();
                ResponseFuture::own(beacon::answer(request, settings))
            }
            _ => self.pass_on(request),
        }
    }
}

impl<S> TrackingService<S> {
    /// Lets the service answer, with a [`Track`] in the request, and keeps an eye on what comes back.
    fn pass_on<B>(&mut self, request: Request<B>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>>,
    {
        let (mut parts, body) = request.into_parts();
        let tracker = self.settings.tracker.clone();
        let facts = Arc::new(Facts::of(&parts, &self.settings));
        if let Some(session) = facts.session() {
            session.put_extension::<Arc<RequestContext>>(facts.context.clone());
            if let Some(source) = &self.settings.insights {
                session.put_extension::<Arc<dyn InsightSource>>(source.clone());
            }
        }
        let page = page::is_asked_for(&parts).then(|| Page {
            started: tracker.now(),
            tracker: tracker.clone(),
            facts: facts.clone(),
            is_navigation: page::is_navigation(&parts),
        });
        let paths = self.settings.paths.clone();
        parts.extensions.insert(Track::new(tracker, facts, paths));
        let inner = self.inner.call(Request::from_parts(parts, body));
        ResponseFuture::inner(inner, page)
    }
}

/// What is needed to record a page once it is answered.
struct Page {
    started: Micros,
    tracker: Tracker,
    facts: Arc<Facts>,
    is_navigation: bool,
}

impl Page {
    fn answered<B>(self, response: &mut Response<B>) {
        if page::is_answered(self.is_navigation, response) {
            page::record(&self.tracker, &self.facts, self.started, response);
        }
    }
}

pin_project! {
    /// The answer of a [`TrackingService`].
    pub struct ResponseFuture<F> {
        #[pin]
        answer: Answering<F>,
    }
}

pin_project! {
    #[project = AnsweringProjection]
    enum Answering<F> {
        /// The service's answer.
        Inner { #[pin] inner: F, page: Option<Page> },
        /// The layer's own.
        Own { own: OwnAnswer },
    }
}

type OwnAnswer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl<F> ResponseFuture<F> {
    fn inner(inner: F, page: Option<Page>) -> ResponseFuture<F> {
        ResponseFuture { answer: Answering::Inner { inner, page } }
    }

    fn own(own: impl Future<Output = Response<Bytes>> + Send + 'static) -> ResponseFuture<F> {
        ResponseFuture { answer: Answering::Own { own: Box::pin(own) } }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<Bytes>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().answer.project() {
            AnsweringProjection::Own { own } => {
                own.as_mut().poll(cx).map(|response| Ok(response.map(R::from)))
            }
            AnsweringProjection::Inner { inner, page } => {
                let mut response = ready!(inner.poll(cx))?;
                if let Some(page) = page.take() {
                    page.answered(&mut response);
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}
