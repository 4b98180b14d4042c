//! A session middleware of one's own: what a subclass of Django's `SessionMiddleware` does by overriding `process_request`
//! and `process_response`, as a hook.
//!
//! `cargo run -p wayfarer --example my_session_middleware`, then `curl -i http://localhost:8080/`.

use std::sync::Arc;

use axum::{Router, http::HeaderValue, routing::get};
use http::{StatusCode, request};
use wayfarer::{
    Answer, CookieChange, CookieKeys, CookieTransport, Error, ErrorKind, Exchange, KeyTransport,
    Save, Session, SessionHook, SessionLayer, async_trait, store::MemoryStore,
};

/// Has its say at every step of a request.
#[derive(Debug)]
pub(crate) struct MySessionMiddleware {
    /// Pages inside a frame of another site need a cookie that browsers send there.
    embedded: Arc<dyn KeyTransport>,
}

#[async_trait]
impl SessionHook for MySessionMiddleware {
    /// Another cookie below `/embed`.
    fn transport(&self, request: &request::Parts) -> Option<Arc<dyn KeyTransport>> {
        request.uri.path().starts_with("/embed").then(|| Arc::clone(&self.embedded))
    }

    /// `process_request`: answers for sessions that were blocked, and numbers the requests of the others.
    async fn on_request(&self, _: &mut request::Parts, session: &Session) -> Option<Answer> {
        if session.contains("blocked").await.ok()? {
            let mut answer = Answer::new("you are blocked\n".into());
            *answer.status_mut() = StatusCode::FORBIDDEN;
            return Some(answer);
        }
        let number = session.get::<u64>("requests").await.ok()?.unwrap_or(0) + 1;
        session.insert("requests", number).await.ok()?;
        None
    }

    /// `process_response`, before the save: a probe of the load balancer is worth no session; a page of the account is
    /// worth saving even if it failed.
    async fn before_save(&self, exchange: &mut Exchange<'_>, save: &mut Save) {
        match exchange.request.uri.path() {
            "/health" => *save = Save::Never,
            path if path.starts_with("/account") => *save = Save::Always,
            _ => {}
        }
    }

    /// `process_response`, after the save: on a shared machine the cookie goes when the browser is closed, and every response
    /// names the session by its public handle.
    async fn before_head(&self, exchange: &mut Exchange<'_>, key: &mut CookieChange) {
        if let CookieChange::Set { max_age, .. } = key
            && exchange.request.uri.path().starts_with("/kiosk")
        {
            *max_age = None;
        }
        let handle = exchange.session.handle();
        if let Some(name) = handle.and_then(|handle| HeaderValue::try_from(handle.as_str()).ok()) {
            exchange.response.headers.insert("x-session-handle", name);
        }
    }

    /// Somebody logged out in another tab: a page instead of a bare 400.
    async fn on_failure(&self, exchange: &mut Exchange<'_>, error: &Error) {
        if error.kind() == ErrorKind::Interrupted {
            let mut answer = Answer::new("you have logged out in another window\n".into());
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            exchange.answer(answer);
        }
    }
}

/// The application. `secret` is what its cookies are signed with.
///
/// # Errors
/// When the secret is under 32 bytes.
pub(crate) fn app(secret: &[u8]) -> Result<Router, Error> {
    let embedded = CookieTransport::new("embedded")?.same_site(wayfarer::SameSite::None);
    let middleware = MySessionMiddleware { embedded: Arc::new(embedded.partitioned()) };
    let sessions = SessionLayer::builder(MemoryStore::new())
        .cookie_keys(CookieKeys::new(secret)?)
        .hook(middleware)
        .development()
        .build()?;
    let number = |session: Session| async move {
        session
            .get::<u64>("requests")
            .await
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
            .map(|number| format!("request {} of this session\n", number.unwrap_or_default()))
    };
    let block =
        |session: Session| async move { session.insert("blocked", true).await.is_ok().to_string() };
    let leave = |session: Session| async move { session.flush().await.is_ok().to_string() };
    let pages = ["/", "/health", "/kiosk", "/embed", "/account"];
    let router =
        pages.into_iter().fold(Router::new(), |router, page| router.route(page, get(number)));
    let router = router
        .route("/account/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/block", get(block))
        .route("/leave", get(leave));
    Ok(router.layer(sessions))
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
