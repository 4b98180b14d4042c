//! **Unsafe**: the session key in the address, for clients that have neither cookies nor headers. Do not copy this unless you
//! must.
//!
//! A key in an address is in the browser's history, in bookmarks, in logs of proxies, and in every link that is passed on; who
//! has the link is logged in. Wayfarer offers no such transport; this shows what writing one takes, and how little of the
//! danger `Referrer-Policy` and short lives take away.
//!
//! `cargo run -p wayfarer --example unsafe_key_in_url`

use std::{borrow::Cow, time::Duration};

use axum::{Router, routing::get};
use http::{HeaderMap, HeaderValue, header};
use wayfarer::{
    Arrived, CookieChange, CookieKeys, Error, KeyTransport, RequestHead, Route, Session,
    SessionLayer, session::jiff::Timestamp, store::MemoryStore,
};

/// The key in the parameter `session` of the address. A redirect carries it on; nothing else does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnsafeKeyInUrl;

const PARAMETER: &str = "session=";

impl KeyTransport for UnsafeKeyInUrl {
    fn read<'r>(&self, request: RequestHead<'r>) -> Arrived<'r> {
        let query = request.uri.query().unwrap_or_default();
        let key = query.split('&').find_map(|pair| pair.strip_prefix(PARAMETER));
        Arrived { key: key.map(Cow::Borrowed), route: Route(0) }
    }

    fn write(&self, change: &CookieChange, _: Route, _: Timestamp, headers: &mut HeaderMap) {
        // The least that can be done: no other site is told the address.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let CookieChange::Set { value, .. } = change else { return };
        let Some(to) = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()) else {
            return;
        };
        let sign = if to.contains('?') { '&' } else { '?' };
        if let Ok(mut to) = HeaderValue::try_from(format!("{to}{sign}{PARAMETER}{value}")) {
            to.set_sensitive(true);
            headers.insert(header::LOCATION, to);
        }
    }

    fn varies_by(&self) -> HeaderValue {
        // The address is part of what a cache looks up by; nothing else matters.
        HeaderValue::from_static("Accept")
    }

    fn carry(&self, _: &str, _: &mut HeaderMap) {
        // A client carries it in the address.
    }
}

/// The application.
pub(crate) fn app(secret: &[u8]) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(MemoryStore::new())
        .cookie_keys(CookieKeys::new(secret)?)
        .transport(UnsafeKeyInUrl)
        // A link that was passed on should soon open nothing.
        .idle(Duration::from_secs(10 * 60))
        .build()?;
    let start = |session: Session| async move {
        let _ = session.insert("step", 1).await;
        axum::response::Redirect::to("/step")
    };
    let step =
        |session: Session| async move { format!("{:?}", session.get::<u32>("step").await.ok()) };
    Ok(Router::new().route("/", get(start)).route("/step", get(step)).layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut secret = [0; 32];
    wayfarer::session::Random::fill(&wayfarer::session::SystemRandom, &mut secret)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app(&secret)?).await?;
    Ok(())
}
