//! An axum application under load: requests are handed to its router as a server would, without a network.

use anyhow::{Context, Result, ensure};
use axum::{Router, body::Body};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt};
use wayfarer_bench_measure::{Sample, Stopwatch};

use crate::{
    case::{Case, Store},
    contender::{Contender, Overlap, Writers},
    overlap::{self, Stage},
};

/// A router that serves the routes of [`crate::case`].
pub(crate) struct AxumApp {
    pub(crate) system: &'static str,
    pub(crate) store: Option<Store>,
    pub(crate) set_up: String,
    pub(crate) router: Router,
    pub(crate) stage: Stage,
    /// What the router's pools and tasks live on.
    pub(crate) runtime: Runtime,
    /// The cookie of a session that has been seeded.
    pub(crate) cookie: HeaderValue,
}

impl AxumApp {
    /// Wraps a router, and seeds a session in it if it keeps any.
    pub(crate) fn new(
        (system, store, set_up): (&'static str, Option<Store>, String),
        (router, stage): (Router, Stage),
        runtime: Runtime,
    ) -> Result<AxumApp> {
        let cookie = match store {
            Some(_) => runtime.block_on(seed(&router))?,
            None => HeaderValue::from_static("id=somebody-who-was-here-before"),
        };
        Ok(AxumApp { system, store, set_up, router, stage, runtime, cookie })
    }
}

/// A runtime as applications have it: two workers.
pub(crate) fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).enable_all().build()?)
}

impl Contender for AxumApp {
    fn system(&self) -> &str {
        self.system
    }

    fn store(&self) -> Option<Store> {
        self.store
    }

    fn base(&self) -> &str {
        "axum"
    }

    fn set_up(&self) -> String {
        self.set_up.clone()
    }

    fn sample(&mut self, case: Case, requests: u64) -> Result<Sample> {
        let cookie = case.has_cookie().then(|| self.cookie.clone());
        let uri = Uri::from_static(case.path());
        let mut router = self.router.clone();
        // In a task, where a server has its requests: what blocks on the runtime is no worker, and each answer that it waits
        // for would have to wake another thread.
        let asking = self.runtime.spawn(async move {
            let watch = Stopwatch::start();
            let mut failures = 0;
            for _ in 0..requests {
                let request = request(uri.clone(), cookie.as_ref());
                let response = router.call(request).await?;
                failures += u64::from(response.status() != StatusCode::OK);
            }
            Ok(watch.stop(requests, failures))
        });
        self.runtime.block_on(asking)?
    }

    fn writers(&mut self, crowd: Writers) -> Result<Option<Sample>> {
        let says_nothing = matches!(self.store, None | Some(Store::Memory | Store::Cookie));
        if says_nothing {
            return Ok(None);
        }
        let router = self.router.clone();
        self.runtime.block_on(write_together(router, crowd)).map(Some)
    }

    fn overlap(&mut self, parallel: u32) -> Result<Option<Overlap>> {
        // What requests do at once to a session in a cookie is the browser's to merge, and it keeps the last one.
        let says_nothing = matches!(self.store, None | Some(Store::Cookie));
        if says_nothing || self.system.starts_with("bare") {
            return Ok(None);
        }
        let (router, stage) = (self.router.clone(), self.stage.clone());
        self.runtime.block_on(overlap::run(router, stage, parallel)).map(Some)
    }
}

async fn write_together(router: Router, crowd: Writers) -> Result<Sample> {
    let mut cookies = Vec::new();
    for _ in 0..crowd.sessions {
        cookies.push(seed(&router).await?);
    }
    let watch = Stopwatch::start();
    let tasks = cookies.into_iter().map(|cookie| {
        let mut router = router.clone();
        tokio::spawn(async move {
            let mut failures = 0;
            for _ in 0..crowd.writes {
                let response =
                    router.call(request(Uri::from_static("/write"), Some(&cookie))).await?;
                failures += u64::from(response.status() != StatusCode::OK);
            }
            anyhow::Ok(failures)
        })
    });
    let mut failures = 0;
    for task in tasks.collect::<Vec<_>>() {
        failures += task.await??;
    }
    Ok(watch.stop(u64::from(crowd.sessions) * u64::from(crowd.writes), failures))
}

/// A request as a server makes it.
pub(crate) fn request(uri: Uri, cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    request
}

/// Sends one request.
pub(crate) async fn send(
    router: &Router,
    path: &str,
    cookie: Option<&HeaderValue>,
) -> Result<Response<Body>> {
    Ok(router.clone().oneshot(request(path.parse()?, cookie)).await?)
}

/// Makes a session that holds the payload, and gives its cookie.
pub(crate) async fn seed(router: &Router) -> Result<HeaderValue> {
    let response = send(router, "/seed", None).await?;
    ensure!(response.status() == StatusCode::OK, "/seed answers {}", response.status());
    let set = response.headers().get(header::SET_COOKIE).context("/seed sets no cookie")?;
    let pair = set.to_str()?.split(';').next().unwrap_or_default();
    Ok(HeaderValue::from_str(pair)?)
}
