//! What the tests share: a sink that remembers, a server on a port of its own, and a client without a browser.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use wayfarer_event::{EventSink, RawEvent, Receipt, SinkError};
use wayfarer_track::{Tracker, TrackerOptions};

/// Remembers every event, and accepts it if it may stand.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Vec<RawEvent>>);

impl Memory {
    /// Every event of this name so far.
    pub(crate) fn named(&self, name: &str) -> Vec<RawEvent> {
        self.0.lock().unwrap().iter().filter(|event| event.name == name).cloned().collect()
    }

    /// The names of all events so far.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|event| event.name.clone()).collect()
    }
}

#[async_trait]
impl EventSink for Memory {
    async fn send(&self, events: Vec<RawEvent>) -> Result<Receipt, SinkError> {
        for event in &events {
            event.check().expect("the layer sends only what may stand");
        }
        let accepted = events.len();
        self.0.lock().unwrap().extend(events);
        Ok(Receipt { accepted, ..Receipt::default() })
    }
}

pub(crate) fn tracker() -> (Tracker, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    (Tracker::new("shop", memory.clone(), TrackerOptions::default()), memory)
}

/// Serves until the test ends, and says where.
pub(crate) async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The name that the layer gave to the page.
    pub(crate) fn view(&self) -> Option<String> {
        let timing = self.headers.get("server-timing")?.to_str().unwrap();
        let id = timing.strip_prefix("wf;desc=\"").unwrap().strip_suffix('"').unwrap();
        Some(id.to_owned())
    }
}

pub(crate) async fn send(request: Request<Body>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::get(url);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request.body(Body::empty()).unwrap()).await
}

pub(crate) async fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let request = Request::post(url);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request.body(body.into()).unwrap()).await
}
