//! `GET /api/v1/insights?session=…|visitor=…`: what the models say of one visitor, for servers.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use wayfarer_embedded::Scope;
use wayfarer_event::{Insights, Who, limit};

use crate::{Server, access::Bearer, errors::ApiError};

/// Of whom insights are asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    session: Option<String>,
    visitor: Option<String>,
}

/// Only with a server token: what a person does is nobody else's business.
pub(crate) async fn get(
    State(server): State<Server>,
    Bearer(grant): Bearer,
    Query(question): Query<Question>,
) -> Result<Json<Insights>, ApiError> {
    if grant.scope != Scope::Server {
        return Err(ApiError::forbidden("insights are read with a server token"));
    }
    let who = match (question.session, question.visitor) {
        (Some(session), None) => Who::Session(session),
        (None, Some(visitor)) => Who::Visitor(visitor),
        _ => return Err(ApiError::bad_request("say either `session` or `visitor`")),
    };
    let (Who::Session(claimed) | Who::Visitor(claimed)) = &who;
    if claimed.is_empty() || claimed.len() > limit::IDENTITY {
        return Err(ApiError::bad_request("an id has 1 to 128 bytes"));
    }
    Ok(Json(server.wayfarer().insights(&grant.site.name, &who)?))
}
