//! A running server, and a plain way to ask it.

use std::{net::SocketAddr, path::Path};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle};
use wayfarer_embedded::{Options, Scope, SiteSpec, Wayfarer};
use wayfarer_event::Micros;
use wayfarer_server::{ServeError, Server, config::Http};

/// A server on a port of its own.
pub(crate) struct House {
    pub(crate) wayfarer: Wayfarer,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl House {
    /// Opens the folder and serves it.
    pub(crate) async fn open(folder: &Path) -> House {
        House::with(folder, Http::default()).await
    }

    pub(crate) async fn with(folder: &Path, http: Http) -> House {
        let wayfarer = Wayfarer::open(folder, Options::default()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(wayfarer.clone(), http);
        let shutdown = async {
            let _ = stopped.await;
        };
        let serving = wayfarer_server::Serving::new(server, listener).unwrap();
        let served = tokio::spawn(serving.run(shutdown));
        House { wayfarer, address, stop, served }
    }

    /// Stops serving and closes the folder.
    pub(crate) async fn close(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        self.wayfarer.close().await.unwrap();
    }

    /// The full address of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Makes a site and a token for it.
    pub(crate) async fn token(&self, spec: SiteSpec, scope: Scope) -> String {
        let now = Micros::from(self.wayfarer.now());
        let control = self.wayfarer.control();
        control.put_site(&spec, now).await.unwrap();
        control.create_token(&spec.name, scope, now).await.unwrap().token
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.send(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(request("GET", path, headers, "")).await
    }

    /// Posts events with a token.
    pub(crate) async fn post(
        &self,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.ask(request("POST", "/api/v1/events", &all, body)).await
    }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}
