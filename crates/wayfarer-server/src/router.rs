//! The one list of addresses.

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use wayfarer_embedded::{Goal, Segment};

use crate::{Server, access::Owner, api, headers, local, pages};

/// The most bytes of a question through the socket: requests of reports and the like. Files come as streams.
const LOCAL_BODY: usize = 1 << 20;

/// Every address that the server answers over TCP.
pub fn router(server: Server) -> Router {
    public().layer(middleware::from_fn(headers::secure)).with_state(server)
}

/// Every address that the socket in the data folder answers: the same, and what only the folder's owner may do.
pub(crate) fn local_router(server: Server) -> Router {
    public()
        .merge(local::routes::routes().layer(DefaultBodyLimit::max(LOCAL_BODY)))
        .layer(Extension(Owner))
        .layer(middleware::from_fn(headers::secure))
        .with_state(server)
}

fn public() -> Router<Server> {
    Router::new()
        // for trackers and servers
        .route("/api/v1/events", post(api::events::post).options(api::events::preflight))
        .route("/api/v1/insights", get(api::insights::get))
        .route("/script.js", get(api::script::get))
        // for programs that read
        .route("/api/v1/report/{name}", get(api::report::get))
        .merge(api::saved::routes::<Goal>())
        .merge(api::saved::routes::<Segment>())
        .route("/api/v1/live", get(api::live::get))
        .route("/healthz", get(api::health::get))
        // for people
        .route("/", get(pages::dashboard::get))
        .route("/assets/{name}", get(pages::assets::get))
        .fallback(pages::not_found)
}
