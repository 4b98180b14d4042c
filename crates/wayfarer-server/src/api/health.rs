//! `GET /healthz`: whether events are taken.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use crate::Server;

/// 200 while events are taken, 503 while appends or seals fail. Says nothing more: anybody may ask.
pub(crate) async fn get(State(server): State<Server>) -> (StatusCode, Json<Value>) {
    if server.wayfarer().lake().status().trouble.is_some() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "trouble" })));
    }
    (StatusCode::OK, Json(json!({ "status": "ok" })))
}
