//! Sessions in cookies, over HTTP.

use axum::{Router, http::StatusCode, routing::get};
use wayfarer::{CookieKeys, CookieSessions, Session, SessionLayer};

use crate::browser::App;

fn app(cookies: CookieSessions) -> Router {
    let keys = CookieKeys::new(&[7; 32]).unwrap();
    let layer = SessionLayer::in_cookies(cookies).cookie_keys(keys).build().unwrap();
    Router::new()
        .route("/untouched", get(|| async {}))
        .route(
            "/add",
            get(|s: Session| async move { s.modify("n", add).await.unwrap().to_string() }),
        )
        .route("/out", get(|s: Session| async move { s.flush().await.unwrap() }))
        .route(
            "/fill",
            get(|s: Session| async move {
                let numbers = (0..2000_u32).map(|n| n.wrapping_mul(2_654_435_761));
                s.insert("noise", numbers.collect::<Vec<_>>()).await.unwrap();
            }),
        )
        .layer(layer)
}

fn add(n: Option<u32>) -> u32 {
    n.unwrap_or(0) + 1
}

#[tokio::test]
async fn a_browser_carries_its_session() {
    for cookies in [CookieSessions::signed(), CookieSessions::encrypted()] {
        let app = App::start(app(cookies)).await;
        let browser = app.browser();
        assert_eq!(browser.get("/untouched").await.set_cookie(), None);
        for n in 1..4 {
            let answer = browser.get("/add").await;
            assert_eq!(answer.body, n.to_string());
            let set = answer.set_cookie().unwrap();
            assert!(set.starts_with("__Host-wayfarer=") && set.contains("HttpOnly"), "{set}");
            assert!(answer.header("vary").is_some_and(|vary| vary.eq_ignore_ascii_case("cookie")));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        assert_eq!(browser.get("/untouched").await.set_cookie(), None);
        // What does not fit is an error of the request, and the session stays as it was.
        let too_large = browser.get("/fill").await;
        assert_eq!(too_large.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(too_large.set_cookie(), None);
        assert_eq!(browser.get("/add").await.body, "4");
        assert!(browser.get("/out").await.set_cookie().unwrap().contains("Max-Age=0"));
        assert_eq!(browser.get("/add").await.body, "1");
    }
}
