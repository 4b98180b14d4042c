//! `POST /api/v1/events`: where events come in.
//!
//! The way of a batch: a place among those being taken in, the token, the origin, the body (unpacked within a bound), the
//! rate, the collector, the disk. Only then the answer.

use std::io::Read;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use wayfarer_collect::{BodyError, DoorKind, parse_body};
use wayfarer_embedded::{Grant, Scope, Sender};
use wayfarer_event::{Client, Receipt, limit};

use crate::{
    Server,
    access::{Peer, bearer, grant, origin_is_allowed, origin_is_known},
    errors::ApiError,
};

/// How long a browser may remember the answer to its question before the first post, in seconds.
const PREFLIGHT_S: &str = "7200";

/// The token, where no header can be set: beacons.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Beacon {
    token: Option<String>,
    t: Option<String>,
}

pub(crate) async fn post(
    State(server): State<Server>,
    peer: Peer,
    Query(query): Query<Beacon>,
    request: Request,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let answer = match take(&server, &peer, &query, request).await {
        Ok(receipt) => answer(receipt),
        Err(error) => error.into_response(),
    };
    with_cors(answer, origin)
}

/// May a page of this origin post? Asked by browsers first where a token stands in a header.
pub(crate) async fn preflight(State(server): State<Server>, headers: HeaderMap) -> Response {
    let origin = headers.get(header::ORIGIN);
    let known = origin
        .and_then(|origin| origin.to_str().ok())
        .is_some_and(|origin| origin_is_known(origin, &server));
    if !known {
        return ApiError::forbidden("this origin belongs to no site").into_response();
    }
    let allow = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, content-encoding"),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S),
    ];
    with_cors((StatusCode::NO_CONTENT, allow).into_response(), origin.cloned())
}

/// Lets the page read the answer. It is told nothing but what became of its own events, so an origin that was refused may
/// read why.
fn with_cors(mut response: Response, origin: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// 202 when something was taken or declined, 400 when every event was refused.
fn answer(receipt: Receipt) -> Response {
    let refused = receipt.accepted == 0 && receipt.declined == 0;
    let status = if refused { StatusCode::BAD_REQUEST } else { StatusCode::ACCEPTED };
    (status, Json(receipt)).into_response()
}

async fn take(
    server: &Server,
    peer: &Peer,
    query: &Beacon,
    request: Request,
) -> Result<Receipt, ApiError> {
    let busy = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too many are sending").retry(1);
    let _place = server.posts().try_acquire().map_err(|_| busy())?;
    let grant = sender(server, query, request.headers())?;
    let (parts, body) = request.into_parts();
    let bytes = read(body, &parts.headers, server.http().max_body_bytes).await?;
    let content_type = text(&parts.headers, header::CONTENT_TYPE);
    let raws = parse_body(&bytes, content_type).map_err(|e| body_error(&e))?;
    drop(bytes);
    server.rates().take(&grant, peer.0, raws.len()).map_err(|after_s| {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too many events").retry(after_s)
    })?;
    let client = client(peer, &parts.headers);
    let sender = match grant.scope {
        Scope::Browser => Sender { kind: DoorKind::Browser, client: Some(&client) },
        Scope::Server => Sender { kind: DoorKind::Server, client: None },
    };
    Ok(server.wayfarer().collect(&grant.site, raws, sender).await?)
}

/// Who sends, if the token is good and the page may use it.
fn sender(server: &Server, query: &Beacon, headers: &HeaderMap) -> Result<Grant, ApiError> {
    let token = bearer(headers)
        .or(query.token.as_deref())
        .or(query.t.as_deref())
        .ok_or_else(|| ApiError::unauthorized("a token is needed: Authorization: Bearer …"))?;
    let grant = grant(server, token)?;
    match (grant.scope, headers.get(header::ORIGIN)) {
        (_, None) => Ok(grant),
        (Scope::Server, Some(_)) => {
            Err(ApiError::forbidden("a server token does not belong into a page: take it back"))
        }
        (Scope::Browser, Some(origin)) => match origin.to_str() {
            Ok(origin) if origin_is_allowed(origin, &grant.site) => Ok(grant),
            _ => Err(ApiError::forbidden("this origin is not one of the site's hosts")),
        },
    }
}

fn body_error(error: &BodyError) -> ApiError {
    match error {
        BodyError::ContentType => {
            ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string())
        }
        BodyError::TooMany => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        _ => ApiError::bad_request(error.to_string()),
    }
}

/// The body, unpacked, within the bound.
async fn read(body: Body, headers: &HeaderMap, most: usize) -> Result<Bytes, ApiError> {
    let packed = match text(headers, header::CONTENT_ENCODING) {
        None | Some("identity") => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => {
            let text = "the body is packed in a way that is not read here, send gzip or none";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
    };
    let bytes = match Limited::new(body, most).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(ApiError::too_large(most)),
        Err(_) => return Err(ApiError::bad_request("the body broke off")),
    };
    if packed { unpack(&bytes, most) } else { Ok(bytes) }
}

/// Unpacks one byte more than the bound at the most, so that a small body cannot become a large one here.
fn unpack(packed: &[u8], most: usize) -> Result<Bytes, ApiError> {
    let mut unpacked = Vec::new();
    let bounded = flate2::read::MultiGzDecoder::new(packed).take(most as u64 + 1);
    std::io::BufReader::new(bounded)
        .read_to_end(&mut unpacked)
        .map_err(|_| ApiError::bad_request("the body is no gzip"))?;
    if unpacked.len() > most {
        return Err(ApiError::too_large(most));
    }
    Ok(unpacked.into())
}

/// What the connection says of the browser at its end.
fn client(peer: &Peer, headers: &HeaderMap) -> Client {
    let is_one = |name| text(headers, name) == Some("1");
    let agent = text(headers, header::USER_AGENT).unwrap_or_default();
    let end = agent.floor_char_boundary(limit::USER_AGENT);
    Client {
        ip: peer.0,
        user_agent: agent.get(..end).map(ToOwned::to_owned),
        dnt: is_one(header::DNT),
        gpc: is_one(HeaderName::from_static("sec-gpc")),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
