//! An application on a real socket, and a browser that keeps its cookies.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use wayfarer::{CookieKeys, SessionLayer, SessionLayerBuilder, session::SessionStore};

/// An application that answers until the test ends.
pub(crate) struct App {
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl App {
    pub(crate) async fn start(router: Router) -> App {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        App { address, server }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser {
            address: self.address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            cookie: Arc::default(),
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.headers.get(header::SET_COOKIE).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Sends the session cookie that it was last given. Clones share it.
#[derive(Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    cookie: Arc<Mutex<Option<String>>>,
}

impl Browser {
    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    pub(crate) fn set_cookie(&self, cookie: Option<String>) {
        *self.cookie.lock().unwrap() = cookie;
    }

    /// Asks for `path` and keeps the cookie that comes back.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.keep(self.get_without_keeping(path).await)
    }

    /// Posts a body of this kind with the cookie, and keeps the cookie that comes back.
    pub(crate) async fn post(&self, path: &str, kind: &str, body: &str) -> Answer {
        let mut headers = self.headers();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        self.keep(self.send(Method::POST, path, headers, body).await)
    }

    fn keep(&self, answer: Answer) -> Answer {
        if let Some(pair) = answer.set_cookie().and_then(|text| text.split(';').next()) {
            let removed = pair.ends_with("=\"\"");
            self.set_cookie((!removed).then(|| pair.to_owned()));
        }
        answer
    }

    /// Asks for `path` with the cookie, and leaves the cookie as it is.
    pub(crate) async fn get_without_keeping(&self, path: &str) -> Answer {
        self.get_with(path, self.headers()).await
    }

    fn headers(&self) -> HeaderMap {
        let cookie = self.cookie().map(|cookie| HeaderValue::from_str(&cookie).unwrap());
        cookie.map(|cookie| (header::COOKIE, cookie)).into_iter().collect()
    }

    /// Asks for `path` with these headers and no other.
    pub(crate) async fn get_with(&self, path: &str, headers: HeaderMap) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }

    /// Sends a request with these headers and no other.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: &str,
    ) -> Answer {
        let address = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(address);
        request.headers_mut().unwrap().extend(headers);
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let response = self.client.request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

pub(crate) fn keys() -> CookieKeys {
    CookieKeys::new(&[7; 32]).unwrap()
}

/// Sessions on loopback, with the plain cookie `wayfarer`.
pub(crate) fn sessions(store: impl SessionStore) -> SessionLayerBuilder {
    SessionLayer::builder(store).cookie_keys(keys()).development()
}
