//! What the session layer does to a request: it opens the session, lets the handler work, and finishes the session before
//! the response head goes out.
//!
//! Start with [`SessionService::call`](tower_service::Service::call) and [`SessionFuture::poll`](Future::poll). A layer with
//! hooks goes by way of `hooked`.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use wayfarer_session::{Error, Finished, Session};

use crate::{
    ending::Ending,
    hook::Save,
    hooked,
    layer::Config,
    transport::{RequestHead, Route},
};

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
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: From<Bytes> + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SessionFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if !self.config.hooks.is_empty() {
            // The service that was asked whether it is ready is the one that is called.
            let next = self.inner.clone();
            let inner = mem::replace(&mut self.inner, next);
            let hooked = Box::pin(hooked::serve(Arc::clone(&self.config), inner, request));
            return SessionFuture { way: Way::Hooked { hooked } };
        }
        let config = Arc::clone(&self.config);
        let head = RequestHead { uri: request.uri(), headers: request.headers() };
        let arrived = config.transport.read(head);
        let (session, route) = (config.manager.open(arrived.key.as_deref()), arrived.route);
        request.extensions_mut().insert(session.clone());
        let step = Step::Handling { inner: self.inner.call(request) };
        SessionFuture { way: Way::Short { step, open: Open { session, route, config } } }
    }
}

/// What a request keeps of the layer until it is answered.
struct Open {
    session: Session,
    route: Route,
    config: Arc<Config>,
}

impl Open {
    fn ending(&self) -> Ending<'_> {
        let Config { transport, clock, .. } = &*self.config;
        Ending { route: self.route, transport: &**transport, clock: &**clock }
    }
}

type Saving = Pin<Box<dyn Future<Output = Result<Finished, Error>> + Send>>;

pin_project! {
    /// A response whose session is finished before its head goes out.
    pub struct SessionFuture<F, B>
    where
        F: Future,
    {
        #[pin]
        way: Way<F, B>,
    }
}

pin_project! {
    #[project = WayProjection]
    enum Way<F, B>
    where
        F: Future,
    {
        Short { #[pin] step: Step<F, B>, open: Open },
        // A layer with hooks.
        Hooked { hooked: Pin<Box<dyn Future<Output = F::Output> + Send>> },
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
    B: From<Bytes>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProjection::Hooked { hooked } => hooked.as_mut().poll(context),
            WayProjection::Short { step, open } => step.poll(open, context),
        }
    }
}

impl<F, B> Step<F, B> {
    fn poll<E>(
        mut self: Pin<&mut Self>,
        open: &Open,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<B>, E>>
    where
        F: Future<Output = Result<Response<B>, E>>,
        B: From<Bytes>,
    {
        loop {
            match self.as_mut().project() {
                StepProjection::Handling { inner } => {
                    let response = ready!(inner.poll(context))?;
                    let outcome = Save::after(response.status()).outcome();
                    if let Some(finished) = open.session.finish_now(outcome).transpose() {
                        return Poll::Ready(Ok(open.ending().end(
                            response,
                            finished,
                            &open.session,
                        )));
                    }
                    let session = open.session.clone();
                    let saving = Box::pin(async move { session.finish(outcome).await });
                    self.set(Step::Saving { saving, response: Some(response) });
                }
                StepProjection::Saving { saving, response } => {
                    let finished = ready!(saving.as_mut().poll(context));
                    // The response is there until this point is reached, once.
                    let response =
                        response.take().unwrap_or_else(|| Response::new(Bytes::new().into()));
                    return Poll::Ready(Ok(open.ending().end(response, finished, &open.session)));
                }
            }
        }
    }
}
