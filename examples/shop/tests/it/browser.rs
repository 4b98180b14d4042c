//! The shop on a port of its own, and somebody who visits it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use wayfarer::{
    CookieKeys,
    event::{EventSink, InsightError, InsightSource, Insights, RawEvent, Receipt, SinkError, Who},
    store::MemoryStore,
    track::{Tracker, TrackerOptions},
};
use wayfarer_example_shop::{ShopOptions, router};

/// Remembers every event.
#[derive(Default)]
struct Events(Mutex<Vec<RawEvent>>);

#[async_trait]
impl EventSink for Events {
    async fn send(&self, events: Vec<RawEvent>) -> Result<Receipt, SinkError> {
        let accepted = events.len();
        self.0.lock().unwrap().extend(events);
        Ok(Receipt { accepted, ..Receipt::default() })
    }
}

/// Says what it was told to say, and remembers who was asked about.
#[derive(Default)]
pub(crate) struct Oracle {
    pub(crate) says: Mutex<Insights>,
    pub(crate) asked: Mutex<Vec<Who>>,
}

#[async_trait]
impl InsightSource for Oracle {
    async fn insights(&self, who: &Who) -> Result<Insights, InsightError> {
        self.asked.lock().unwrap().push(who.clone());
        Ok(self.says.lock().unwrap().clone())
    }
}

pub(crate) struct Shop {
    address: SocketAddr,
    tracker: Tracker,
    events: Arc<Events>,
    pub(crate) oracle: Arc<Oracle>,
}

impl Shop {
    pub(crate) async fn open() -> Shop {
        let (events, oracle) = (Arc::new(Events::default()), Arc::new(Oracle::default()));
        let tracker = Tracker::new("shop", events.clone(), TrackerOptions::default());
        let address = serve(tracker.clone(), oracle.clone()).await;
        Shop { address, tracker, events, oracle }
    }

    pub(crate) async fn events(&self) -> Vec<RawEvent> {
        self.tracker.flush().await;
        self.events.0.lock().unwrap().clone()
    }

    /// The events of this name.
    pub(crate) async fn named(&self, name: &str) -> Vec<RawEvent> {
        self.events().await.into_iter().filter(|event| event.name == name).collect()
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::of(self.address)
    }
}

/// Opens a shop with these ends until the test is over, and says where.
pub(crate) async fn serve(tracker: Tracker, insights: Arc<dyn InsightSource>) -> SocketAddr {
    let options = ShopOptions {
        sessions: Arc::new(MemoryStore::new()),
        cookie_keys: CookieKeys::new(&[7; 32]).unwrap(),
        tracker,
        insights,
        dashboard: Some("http://127.0.0.1:8080".to_owned()),
    };
    let service = router(options).unwrap().into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    pub(crate) html: String,
}

impl Page {
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        assert!(self.html.contains(text), "`{text}` is not in {}:\n{}", self.path, self.html);
    }

    #[track_caller]
    pub(crate) fn does_not_show(&self, text: &str) {
        assert!(!self.html.contains(text), "`{text}` is in {}", self.path);
    }
}

/// Somebody with a cookie jar, who follows redirects.
pub(crate) struct Visitor {
    client: Client<HttpConnector, Body>,
    address: SocketAddr,
    pub(crate) jar: BTreeMap<String, String>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

impl Visitor {
    /// Somebody new, with an empty jar.
    pub(crate) fn of(address: SocketAddr) -> Visitor {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Visitor { client, address, jar: BTreeMap::new(), headers: Vec::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.go(Method::GET, path, String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &str) -> Page {
        self.go(Method::POST, path, form.to_owned()).await
    }

    async fn go(&mut self, mut method: Method, path: &str, mut body: String) -> Page {
        let mut path = path.to_owned();
        loop {
            let page = self.ask(method, &path, body).await;
            let Some(next) = page.headers.get(header::LOCATION) else { return page };
            path = next.to_str().unwrap().to_owned();
            (method, body) = (Method::GET, String::new());
        }
    }

    async fn ask(&mut self, method: Method, path: &str, body: String) -> Page {
        let jar: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if !jar.is_empty() {
            request = request.header(header::COOKIE, jar.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let response = self.client.request(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        self.keep(&parts.headers);
        let html = body.collect().await.unwrap().to_bytes();
        let html = String::from_utf8(html.to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, path: path.to_owned(), html }
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
