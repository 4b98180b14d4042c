//! `session.insights()`: asked of the source that a tracking layer put into the session.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, middleware::Next, routing::get};
use wayfarer::{
    Session, SessionInsights,
    event::{InsightError, InsightSource, Insights, Who},
    session::MemoryStore,
};

use crate::browser::{App, sessions};

#[derive(Default)]
struct Source(Mutex<Vec<Who>>);

#[wayfarer::async_trait]
impl InsightSource for Source {
    async fn insights(&self, who: &Who) -> Result<Insights, InsightError> {
        self.0.lock().unwrap().push(who.clone());
        Ok(Insights::default())
    }
}

fn routes() -> Router {
    Router::new()
        .route(
            "/insights",
            get(|s: Session| async move {
                s.insights()
                    .await
                    .map_or_else(|error| error.to_string(), |i| format!("{:?}", i.visits))
            }),
        )
        .route("/subject", get(|s: Session| async move { s.subject().unwrap().to_string() }))
}

#[tokio::test]
async fn without_a_source_it_says_what_is_missing() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let body = app.browser().get("/insights").await.body;
    assert!(body.contains("add a TrackingLayer"), "{body}");
}

#[tokio::test]
async fn the_source_is_asked_about_the_subject_and_no_store_is_called() {
    let source = Arc::new(Source::default());
    let put = {
        let source: Arc<dyn InsightSource> = source.clone();
        axum::middleware::from_fn(move |session: Session, request: Request, next: Next| {
            session.put_extension(Arc::clone(&source));
            next.run(request)
        })
    };
    let store = MemoryStore::new();
    let layer = sessions(store.clone()).early_subject(true).build().unwrap();
    let app = App::start(routes().layer(put).layer(layer)).await;
    let browser = app.browser();
    let subject = browser.get("/subject").await.body;
    assert_eq!(browser.get("/insights").await.body, "0");
    assert_eq!(*source.0.lock().unwrap(), [Who::Session(subject)]);
    assert_eq!(format!("{store:?}"), "MemoryStore { slots: 0 }");
}
