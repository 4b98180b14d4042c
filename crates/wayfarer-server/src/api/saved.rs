//! `/api/v1/goals` and `/api/v1/segments`: what reports can be asked with, listed, saved and forgotten.
//!
//! Whoever may read a site's reports may also change these, since they change no event. A browser sends `PUT` and `DELETE`
//! to another origin only after asking, and nobody answers that question here: no page can save in its visitor's name.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, put},
};
use serde::Deserialize;
use wayfarer_embedded::Saved;
use wayfarer_event::Micros;

use crate::{Server, access::Reader, errors::ApiError};

/// Whose.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Whose {
    site: String,
}

/// The addresses of one kind.
pub(crate) fn routes<T: Saved>() -> Router<Server> {
    let all = format!("/api/v1/{}s", T::KIND);
    Router::new()
        .route(&format!("{all}/{{name}}"), put(save::<T>).delete(forget::<T>))
        .route(&all, get(list::<T>))
}

async fn list<T: Saved>(
    State(server): State<Server>,
    reader: Reader,
    Query(whose): Query<Whose>,
) -> Result<Json<Vec<T>>, ApiError> {
    let site = reader.site(&whose.site)?;
    Ok(Json(server.wayfarer().control().saved(&site)?))
}

async fn save<T: Saved>(
    State(server): State<Server>,
    reader: Reader,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
    Json(one): Json<serde_json::Value>,
) -> Result<Json<T>, ApiError> {
    let site = reader.site(&whose.site)?;
    let mut one = one;
    if let Some(fields) = one.as_object_mut() {
        // The address says the name.
        fields.insert("name".to_owned(), name.into());
    }
    let one: T = serde_json::from_value(one).map_err(|e| ApiError::bad_request(e.to_string()))?;
    let now = Micros::from(server.wayfarer().now());
    server.wayfarer().control().save(&site, &one, now).await?;
    Ok(Json(one))
}

async fn forget<T: Saved>(
    State(server): State<Server>,
    reader: Reader,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, ApiError> {
    let site = reader.site(&whose.site)?;
    if server.wayfarer().control().forget::<T>(&site, &name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let problem = format!("there is no {} `{name}`", T::KIND);
    Err(ApiError::new(StatusCode::NOT_FOUND, problem))
}
