//! `GET /script.js`: the browser tracker, for pages that no tracking layer serves it to.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};

use crate::pages::assets::{Asset, answer};

/// Public: pages on other hosts load it.
pub(crate) async fn get(headers: HeaderMap) -> Response {
    let script =
        Asset { content_type: "text/javascript; charset=utf-8", text: wayfarer_track::SCRIPT };
    let mut response = answer(&script, &headers);
    response.headers_mut().insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}
