//! Two services with the same store, cookie and keys: what `docs/two-services.md` says.

use std::{path::Path, time::Duration};

use axum::{Router, extract::Path as Segment, routing::get};
use wayfarer::{
    CookieKeys, Session, SessionLayer,
    store::{SqliteOptions, SqliteStore},
};

use crate::browser::App;

fn routes() -> Router {
    Router::new()
        .route(
            "/set/{name}",
            get(|s: Session, Segment(name): Segment<String>| async move {
                s.insert(&name, 1).await.unwrap();
            }),
        )
        .route("/keys", get(|s: Session| async move { s.keys().await.unwrap().join(" ") }))
        .route("/flush", get(|s: Session| async move { s.flush().await.unwrap() }))
        .route("/subject", get(|s: Session| async move { s.subject().is_some().to_string() }))
}

/// A service on the sessions in this file.
async fn service(file: &Path, keys: CookieKeys, idle: Duration) -> App {
    let store = SqliteStore::open(file, SqliteOptions::default()).await.unwrap();
    let sessions = SessionLayer::builder(store).cookie_keys(keys).idle(idle).development();
    App::start(routes().layer(sessions.build().unwrap())).await
}

fn keys(byte: u8) -> CookieKeys {
    CookieKeys::new(&[byte; 32]).unwrap()
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn what_one_stores_the_other_finds_and_what_one_ends_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.sqlite");
    let (shop, blog) = (service(&file, keys(1), DAY).await, service(&file, keys(1), DAY).await);
    let (at_shop, at_blog) = (shop.browser(), blog.browser());
    at_shop.get("/set/shop").await;
    at_blog.set_cookie(at_shop.cookie());
    assert_eq!(at_blog.get("/keys").await.body, "shop");
    let (one, other) = tokio::join!(at_shop.get("/set/cart"), at_blog.get("/set/draft"));
    assert!(one.status.is_success() && other.status.is_success());
    let mut names: Vec<_> = at_shop.get("/keys").await.body.split(' ').map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["cart", "draft", "shop"], "both keep theirs");
    at_blog.get("/flush").await;
    assert_eq!(at_shop.get("/keys").await.body, "", "over everywhere");
}

#[tokio::test]
async fn a_cookie_key_is_changed_in_three_steps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.sqlite");
    let first = || keys(1).with_fallback(&[2; 32]).unwrap();
    let second = || keys(2).with_fallback(&[1; 32]).unwrap();
    let steps = [(keys(1), keys(1)), (keys(1), first()), (first(), second()), (second(), second())];
    let mut cookie = None;
    for (step, (one, other)) in steps.into_iter().enumerate() {
        let (one, other) = (service(&file, one, DAY).await, service(&file, other, DAY).await);
        for app in [&one, &other] {
            let browser = app.browser();
            browser.set_cookie(cookie.clone());
            browser.get(&format!("/set/step{step}")).await;
            let names = browser.get("/keys").await.body;
            assert_eq!(names.split(' ').count(), step + 1, "in step {step}: {names}");
            cookie = browser.cookie();
        }
    }
    let last = service(&file, keys(2), DAY).await;
    let browser = last.browser();
    browser.set_cookie(cookie);
    assert_eq!(browser.get("/subject").await.body, "false", "nobody has been given a new ticket");
}

#[tokio::test]
async fn the_service_that_saves_sets_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.sqlite");
    let (short, long) =
        (service(&file, keys(1), DAY).await, service(&file, keys(1), 7 * DAY).await);
    let browser = short.browser();
    let age =
        |answer: &crate::browser::Answer| answer.set_cookie().unwrap().contains("Max-Age=86400;");
    assert!(age(&browser.get("/set/a").await));
    let other = long.browser();
    other.set_cookie(browser.cookie());
    assert!(!age(&other.get("/set/b").await));
}
