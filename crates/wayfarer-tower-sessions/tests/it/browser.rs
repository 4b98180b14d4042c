//! A browser without a network: it calls a router, and keeps every cookie that it is given.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[derive(Clone, Default)]
pub(crate) struct Browser(Arc<Mutex<BTreeMap<String, String>>>);

impl Browser {
    /// Asks for `path`, and gives status and body.
    pub(crate) async fn get(&self, app: &Router, path: &str) -> (StatusCode, String) {
        let cookies = self.cookies().into_iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let request = Request::get(path).header(header::COOKIE, cookies);
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        for set in response.headers().get_all(header::SET_COOKIE) {
            self.keep(set.to_str().unwrap());
        }
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn keep(&self, set: &str) {
        let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
        let removed = set.contains("Max-Age=0");
        let mut cookies = self.0.lock().unwrap();
        match removed {
            true => drop(cookies.remove(name)),
            false => drop(cookies.insert(name.to_owned(), value.to_owned())),
        }
    }

    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.cookies().into_keys().collect()
    }

    /// Another browser with the same cookies: a thief's, or the same one in another request.
    pub(crate) fn copy(&self) -> Browser {
        Browser(Arc::new(Mutex::new(self.cookies())))
    }
}
