//! What the session layer adds to a request, without a network, and what Django's form costs: the least of many rounds, in
//! nanoseconds.
//!
//! `cargo run --release -p wayfarer --no-default-features --example cost`, and after `--` a part of a name for that line alone.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use http::{Request, Response, header};
use tower_layer::Layer;
use tower_service::Service;
use wayfarer::{
    CookieKeys, DjangoCodec, DjangoKeys, Session, SessionLayer,
    session::{django::SALT, jiff::Timestamp},
    store::MemoryStore,
};

type Body = bytes::Bytes;

/// A handler, as small as one can be.
#[derive(Clone)]
struct Handler<F>(F);

impl<F, T> Service<Request<()>> for Handler<F>
where
    F: FnMut(Request<()>) -> T,
    T: Future<Output = ()>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<T>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Answer<T> {
        Answer(Box::pin(self.0(request)))
    }
}

struct Answer<T>(std::pin::Pin<Box<T>>);

impl<T: Future<Output = ()>> Future for Answer<T> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context).map(|()| Ok(Response::new(Body::from("hello"))))
    }
}

/// Nothing here ever waits, so one poll is enough.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn request(cookie: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    // As axum leaves it: routing has put something there.
    request.extensions_mut().insert(());
    if let Some(value) = cookie.and_then(|cookie| cookie.parse().ok()) {
        request.headers_mut().insert(header::COOKIE, value);
    }
    request
}

/// The least time of a piece of work, in nanoseconds, over rounds of a thousand.
fn least<T, R>(name: &str, mut prepare: impl FnMut() -> T, mut work: impl FnMut(T) -> R) {
    if std::env::args().nth(1).is_some_and(|only| !name.contains(&only)) {
        return;
    }
    let mut least = f64::INFINITY;
    for _ in 0..300 {
        let pieces: Vec<T> = (0..1000).map(|_| prepare()).collect();
        let start = Instant::now();
        for piece in pieces {
            let _ = std::hint::black_box(work(piece));
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e6);
    }
    println!("{name:<28} {least:>8.0}");
}

fn measure<S>(name: &str, service: &mut S, cookie: Option<&str>)
where
    S: Service<Request<()>, Response = Response<Body>>,
{
    least(name, || request(cookie), |request| now(service.call(request)));
}

/// What a log-in leaves, and a small cart.
const SESSION: &str = concat!(
    r#"{"_auth_user_id":"4217","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","#,
    r#""_auth_user_hash":"a3f1c2d4e5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90","#,
    r#""cart":[{"sku":"tea-01","n":2},{"sku":"cup-07","n":1}],"language":"zh-hans","#,
    r#""last_page":"/shop","n":0,"csrf":"Zk3vQ9xT2mB7"}"#
);

fn sessions() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let keys = CookieKeys::new(&[7; 32])?;
    let layer = SessionLayer::builder(MemoryStore::new()).cookie_keys(keys).build()?;

    let entries: BTreeMap<&str, serde_json::Value> = serde_json::from_str(SESSION)?;
    let seed = Handler(move |request: Request<()>| {
        let entries = entries.clone();
        async move {
            if let Some(session) = request.extensions().get::<Session>() {
                let _ = session.update(entries).await;
            }
        }
    });
    let response = now(layer.layer(seed).call(request(None)));
    let response = response.transpose()?.ok_or("the memory store never waits")?;
    let set = response.headers().get(header::SET_COOKIE).ok_or("a write sets a cookie")?;
    let cookie = set.to_str()?.split(';').next().map(str::to_owned);
    let cookie = cookie.as_deref();
    let mut number = 0;
    let write = Handler(move |request: Request<()>| {
        number += 1;
        async move {
            if let Some(session) = request.extensions().get::<Session>() {
                let _ = session.insert("n", number).await;
            }
        }
    });
    let read = Handler(|request: Request<()>| async move {
        if let Some(session) = request.extensions().get::<Session>() {
            let _ = std::hint::black_box(session.get::<String>("_auth_user_id").await);
        }
    });
    let bare = Handler(|_: Request<()>| async {});

    measure("without the layer, no cookie", &mut bare.clone(), None);
    measure("without it, with a cookie", &mut bare.clone(), cookie);
    measure("untouched, no cookie", &mut layer.layer(bare.clone()), None);
    measure("untouched, with a cookie", &mut layer.layer(bare), cookie);
    measure("read, memory", &mut layer.layer(read), cookie);
    measure("write, memory", &mut layer.layer(write), cookie);
    Ok(())
}

/// The form in Django's table, of a session of 298 bytes.
fn django() -> Result<(), Box<dyn std::error::Error>> {
    let codec = DjangoCodec::new(&DjangoKeys::new("a key of a project")?, SALT)?;
    let stored = codec.encode(SESSION, Timestamp::now());
    println!("{} bytes, {} as Django stores them", SESSION.len(), stored.len());
    least("django, encode", || (), |()| codec.encode(SESSION, Timestamp::UNIX_EPOCH));
    least("django, decode", || (), |()| codec.decode(&stored));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    django()?;
    sessions()
}
