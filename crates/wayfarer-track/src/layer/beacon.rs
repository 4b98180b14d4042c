//! The beacons of the browser's tracker, taken first-party.
//!
//! A beacon comes with the visitor's own cookie, so the events are bound to its verified subject, and a browser can claim
//! nobody else's session. What a browser may say is the same as at the collector's door for browsers. The answer is given
//! when the accepted events are durable.

use std::{error::Error as StdError, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request,
};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};
use wayfarer_event::{Invalid, Micros, RawEvent, Receipt, Rejection, SinkError};
use wayfarer_session::Brought;

use super::{Facts, Settings};

/// The longest body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// The most events in a body.
const EVENTS_LIMIT: usize = 100;
/// The oldest event that is taken, in milliseconds: a day.
const AGE_LIMIT_MS: u64 = 24 * 60 * 60 * 1000;
/// Fields that a browser may not set.
const FORBIDDEN: [&str; 6] = ["site", "session", "visitor", "user", "ts", "client"];

/// Why a beacon is not taken at all.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("send events with POST")]
    Method,
    #[error("events of this site are not taken from pages of another site")]
    OtherSite,
    #[error("the body is longer than {BODY_LIMIT} bytes")]
    TooLong,
    #[error("the body broke off")]
    BrokeOff,
    #[error("the body is neither an event nor {{\"events\": […]}} in JSON")]
    Malformed,
    #[error("the body holds more than {EVENTS_LIMIT} events")]
    TooMany,
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::OtherSite => StatusCode::FORBIDDEN,
            Refusal::TooLong | Refusal::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BrokeOff | Refusal::Malformed => StatusCode::BAD_REQUEST,
            Refusal::Sink(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Refusal::Sink(SinkError::Busy { retry_after_s }) => Some(*retry_after_s),
            Refusal::Sink(_) => Some(10),
            _ => None,
        }
    }
}

/// Answers a request to the path of the beacons.
pub(super) async fn answer<B>(request: Request<B>, settings: Arc<Settings>) -> Response<Bytes>
where
    B: Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    match take(request, &settings).await {
        Ok(receipt) => {
            let nothing_taken = receipt.accepted + receipt.declined == 0;
            let is_bad = nothing_taken && !receipt.rejected.is_empty();
            let status = if is_bad { StatusCode::BAD_REQUEST } else { StatusCode::ACCEPTED };
            respond(status, &json!(receipt))
        }
        Err(refusal) => refuse(&refusal),
    }
}

async fn take<B>(request: Request<B>, settings: &Settings) -> Result<Receipt, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Refusal::Method);
    }
    if !is_same_site(&parts.headers) {
        return Err(Refusal::OtherSite);
    }
    let claims = read_claims(&read_body(body).await?)?;
    let visitor = Visitor::of(&parts, settings);
    if visitor.facts.is_declined() {
        settings.tracker.decline(claims.len());
        return Ok(Receipt { declined: claims.len(), ..Receipt::default() });
    }
    Ok(hand_over(claims, &visitor, settings).await?)
}

/// Browsers name the site of the page that sends; the older ones at least its origin.
fn is_same_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }
        (Some(_), None) => false,
        (None, _) => true,
    }
}

async fn read_body<B>(body: B) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLong),
        Err(_) => Err(Refusal::BrokeOff),
    }
}

/// One event, or `{"events": […]}`.
fn read_claims(body: &[u8]) -> Result<Vec<Value>, Refusal> {
    let mut body: Value = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    let claims = match body.get_mut("events").map(Value::take) {
        Some(Value::Array(events)) => events,
        Some(_) => return Err(Refusal::Malformed),
        None if body.is_object() => vec![body],
        None => return Err(Refusal::Malformed),
    };
    if claims.len() > EVENTS_LIMIT { Err(Refusal::TooMany) } else { Ok(claims) }
}

/// Whose beacon it is.
struct Visitor {
    facts: Facts,
    subject: Option<String>,
    now: Micros,
}

impl Visitor {
    fn of(parts: &request::Parts, settings: &Settings) -> Visitor {
        let facts = Facts::of(parts, settings);
        Visitor { subject: brought_subject(&facts), facts, now: settings.tracker.now() }
    }

    fn bind(&self, claim: Value) -> Result<RawEvent, String> {
        for field in FORBIDDEN {
            if claim.get(field).is_some() {
                return Err(Invalid::new(field, "cannot be set by a browser").to_string());
            }
        }
        let mut event: RawEvent =
            serde_json::from_value(claim).map_err(|error| error.to_string())?;
        event.check().map_err(|error| error.to_string())?;
        event.ts = Some(self.time(event.age_ms.take())?);
        event.session = self.subject.clone();
        event.client = Some(self.facts.client());
        let context = &self.facts.context;
        event.language = event.language.or_else(|| context.language.clone());
        if event.url.is_none() && event.host.is_none() {
            event.host = context.host.clone();
        }
        Ok(event)
    }

    fn time(&self, age_ms: Option<u64>) -> Result<Micros, String> {
        match age_ms.unwrap_or(0) {
            age if age > AGE_LIMIT_MS => {
                Err(Invalid::new("age_ms", "is more than a day").to_string())
            }
            age => Ok(self.now.plus(-(i64::try_from(age).unwrap_or(0) * 1000))),
        }
    }
}

/// Only a cookie that the browser brought says who it is. A subject that this answer would be the first to set is nobody
/// yet: a browser that keeps no cookies would be somebody new with every beacon.
fn brought_subject(facts: &Facts) -> Option<String> {
    let cookie = || facts.session().map_or(Brought::Nothing, |session| session.journal().cookie);
    if cookie() == Brought::Nothing {
        return None;
    }
    // Asking for the subject is what verifies the cookie.
    let subject = facts.subject();
    subject.filter(|_| cookie() == Brought::Genuine)
}

/// Sends the good events, and says of every other one why it is not.
async fn hand_over(
    claims: Vec<Value>,
    visitor: &Visitor,
    settings: &Settings,
) -> Result<Receipt, SinkError> {
    let (mut events, mut places, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    for (index, claim) in claims.into_iter().enumerate() {
        match visitor.bind(claim) {
            Ok(event) => {
                events.push(event);
                places.push(index);
            }
            Err(reason) => rejected.push(Rejection { index, reason }),
        }
    }
    settings.tracker.reject(rejected.len());
    if events.is_empty() {
        return Ok(Receipt { rejected, ..Receipt::default() });
    }
    let mut receipt = settings.tracker.deliver(events).await?;
    for rejection in &mut receipt.rejected {
        rejection.index = places.get(rejection.index).copied().unwrap_or(rejection.index);
    }
    receipt.rejected.extend(rejected);
    receipt.rejected.sort_by_key(|rejection| rejection.index);
    Ok(receipt)
}

fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let reason = match refusal {
        Refusal::Sink(error) => {
            tracing::warn!(%error, "a beacon could not be handed over");
            "events cannot be stored now, try again later".to_owned()
        }
        other => other.to_string(),
    };
    let mut response = respond(refusal.status(), &json!({ "error": reason }));
    if let Some(seconds) = refusal.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn respond(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
