//! A small shop: how an application uses Wayfarer.
//!
//! Read it in this order:
//! 1. [`router`] below: the layers around the routes.
//! 2. `cart.rs`: a value in the session, changed safely.
//! 3. `account.rs`: users, log-in, log-out.
//! 4. `checkout.rs`: an event of our own, with what it was worth.
//! 5. `home.rs`: insights flow back into the page.
//! 6. `drawer.rs`: what the session did in each request, told at the foot of every page.
//!
//! The rest is what every shop has: a catalogue, words in two languages, templates. Everything works without JavaScript.
//! `wayfarer demo` runs this shop among simulated visitors; `cargo run -p wayfarer-example-shop --example run` runs it alone.

mod about;
mod account;
mod cart;
mod catalogue;
mod checkout;
mod drawer;
mod home;
mod page;
mod product;
mod words;

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    http::header,
    middleware::from_fn,
    response::IntoResponse,
    routing::{get, post},
};
use wayfarer::{
    CookieKeys, Error, SessionLayer, SignalBus,
    auth::AuthLayer,
    event::InsightSource,
    store::SessionStore,
    track::{SignalTracker, Tracker, TrackingLayer},
};

/// What the shop is built from.
#[derive(Clone)]
pub struct ShopOptions {
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionStore>,
    /// Signs the session cookie. Keep it, or everybody is a stranger after a restart.
    pub cookie_keys: CookieKeys,
    /// Takes the shop's events. Keep a clone, and close it when the shop closes.
    pub tracker: Tracker,
    /// Says what the models say.
    pub insights: Arc<dyn InsightSource>,
    /// Address of the dashboard, for the link to it.
    pub dashboard: Option<String>,
}

impl fmt::Debug for ShopOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShopOptions").field("tracker", &self.tracker).finish_non_exhaustive()
    }
}

/// What handlers share. It lies in the router's state.
#[derive(Debug)]
struct Shop {
    dashboard: Option<String>,
}

/// The shop. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, so that the tracking layer sees where a
/// visitor comes from. Call it inside a runtime: it spawns a task.
///
/// # Errors
/// When the session layer cannot be built.
pub fn router(options: ShopOptions) -> Result<Router, Error> {
    let ShopOptions { sessions, cookie_keys, tracker, insights, dashboard } = options;

    // Log-ins, log-outs and the lives of sessions become events.
    let signals = SignalBus::new();
    signals.connect(Arc::new(SignalTracker::new(tracker.clone())));

    let sessions = SessionLayer::builder(sessions)
        .cookie_keys(cookie_keys)
        .cookie_name("shop")
        .signals(signals)
        // A visitor is known from the first page on, at no cost: see the drawer.
        .early_subject(true)
        // The shop runs on http://127.0.0.1. Leave this out where there is TLS.
        .development()
        .build()?;
    // Sessions that ran out are forgotten, as long as the process runs.
    tokio::spawn(sessions.manager().clone().purge_every(Duration::from_secs(600)));

    // Pages, beacons and the script of the browser's tracker; and `session.insights()` for handlers.
    let tracking =
        TrackingLayer::new(tracker).insights(insights).script("/wf/script.js", "/wf/events");

    let routes = Router::new()
        .route("/", get(home::show))
        .route("/category/{slug}", get(home::show_category))
        .route("/product/{slug}", get(product::show))
        .route("/about", get(about::show))
        .route("/cart", get(cart::show))
        .route("/cart/add", post(cart::add))
        .route("/cart/remove", post(cart::remove))
        .route("/checkout", get(checkout::show).post(checkout::pay))
        .route("/thanks", get(checkout::thanks))
        .route("/login", get(account::show).post(account::log_in))
        .route("/logout", post(account::log_out))
        .route("/style.css", get(style))
        .fallback(page::not_found)
        .with_state(Arc::new(Shop { dashboard }));

    // The last layer is the outermost: a request passes the session layer first, and the tracking layer inside it.
    Ok(routes
        .layer(from_fn(drawer::hand_out))
        .layer(AuthLayer::new(account::Accounts))
        .layer(tracking)
        .layer(sessions)
        .layer(from_fn(drawer::fill_in))
        .layer(from_fn(words::remember)))
}

async fn style() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=600")];
    (headers, include_str!("../assets/style.css"))
}

/// The program of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
