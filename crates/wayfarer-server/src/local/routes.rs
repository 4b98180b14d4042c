//! The server's side of the socket: what the owner of the folder may do without a token.

use std::io;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Request as HttpRequest, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use wayfarer_embedded::{
    Answer, Check, Compacted, Erasure, ErasureRequest, ExportRequest, Exported, Goal, ImportCounts,
    ImportEvent, ImportRequest, NewToken, Request, Saved, Scope, Segment, SiteSpec, Status,
    TokenInfo, Wayfarer,
};
use wayfarer_event::Micros;

#[cfg(feature = "sql")]
use super::sql::route as query;
use super::{EVENTS, frames};
use crate::{
    Server,
    errors::{ApiError, ErrorBody},
};

/// Pieces of a body that wait for the thread that reads them.
const WAITING: usize = 16;

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExportLine {
    Events(Vec<Exported>),
    Failed(ErrorBody),
    End,
}

/// A line of an import's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ImportLine {
    Event(ImportEvent),
    Failed(ErrorBody),
    Done(ImportCounts),
}

/// An answer that says no to the owner of the folder, and why in full.
pub(super) struct OwnerError(pub(super) ApiError);

impl From<wayfarer_embedded::Error> for OwnerError {
    fn from(error: wayfarer_embedded::Error) -> OwnerError {
        OwnerError(ApiError::from(error).in_full())
    }
}

impl IntoResponse for OwnerError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// Which token is wanted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenRequest {
    pub(super) site: String,
    pub(super) scope: Scope,
}

/// The routes that only the socket has.
pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/local/status", get(status))
        .route("/local/report", post(report))
        .route("/local/query", post(query))
        .route("/local/export", post(export))
        .route("/local/import", post(import))
        .route("/local/sites", get(sites).post(put_site))
        .route("/local/tokens", get(tokens).post(create_token))
        .route("/local/tokens/revoke", post(revoke_token))
        .merge(saved_routes::<Goal>())
        .merge(saved_routes::<Segment>())
        .route("/local/compact", post(compact))
        .route("/local/check", post(check))
        .route("/local/erase", post(erase))
}

async fn status(State(server): State<Server>) -> Json<Status> {
    Json(server.wayfarer().status())
}

async fn report(
    State(server): State<Server>,
    Json(request): Json<Request>,
) -> Result<Json<Answer>, OwnerError> {
    Ok(Json(server.wayfarer().report(request).await?))
}

/// A command line with SQL may ask a server without it.
#[cfg(not(feature = "sql"))]
async fn query() -> OwnerError {
    let text = "the server that holds the folder was built without SQL: build it with `--features sql`, or stop it and ask again";
    OwnerError(ApiError::new(axum::http::StatusCode::NOT_IMPLEMENTED, text))
}

async fn sites(State(server): State<Server>) -> Json<Vec<SiteSpec>> {
    Json(server.wayfarer().control().sites())
}

async fn put_site(
    State(server): State<Server>,
    Json(site): Json<SiteSpec>,
) -> Result<Json<()>, OwnerError> {
    let wayfarer = server.wayfarer();
    wayfarer.control().put_site(&site, Micros::from(wayfarer.now())).await?;
    Ok(Json(()))
}

async fn tokens(State(server): State<Server>) -> Json<Vec<TokenInfo>> {
    Json(server.wayfarer().control().tokens())
}

async fn create_token(
    State(server): State<Server>,
    Json(wanted): Json<TokenRequest>,
) -> Result<Json<NewToken>, OwnerError> {
    let wayfarer = server.wayfarer();
    let now = Micros::from(wayfarer.now());
    Ok(Json(wayfarer.control().create_token(&wanted.site, wanted.scope, now).await?))
}

async fn revoke_token(
    State(server): State<Server>,
    Json(id): Json<String>,
) -> Result<Json<bool>, OwnerError> {
    Ok(Json(server.wayfarer().control().revoke_token(&id).await?))
}

/// The addresses of goals, or of segments.
fn saved_routes<T: Saved>() -> Router<Server> {
    let to = |what: &str| format!("/local/{}s/{what}", T::KIND);
    Router::new()
        .route(&to("list"), post(saved::<T>))
        .route(&to("save"), post(save::<T>))
        .route(&to("forget"), post(forget::<T>))
}

async fn saved<T: Saved>(
    State(server): State<Server>,
    Json(site): Json<String>,
) -> Result<Json<Vec<T>>, OwnerError> {
    Ok(Json(server.wayfarer().control().saved(&site)?))
}

async fn save<T: Saved>(
    State(server): State<Server>,
    Json((site, one)): Json<(String, T)>,
) -> Result<Json<()>, OwnerError> {
    let wayfarer = server.wayfarer();
    wayfarer.control().save(&site, &one, Micros::from(wayfarer.now())).await?;
    Ok(Json(()))
}

async fn forget<T: Saved>(
    State(server): State<Server>,
    Json((site, name)): Json<(String, String)>,
) -> Result<Json<bool>, OwnerError> {
    Ok(Json(server.wayfarer().control().forget::<T>(&site, &name).await?))
}

async fn compact(State(server): State<Server>) -> Result<Json<Compacted>, OwnerError> {
    Ok(Json(server.wayfarer().compact().await?))
}

async fn check(State(server): State<Server>) -> Result<Json<Check>, OwnerError> {
    Ok(Json(server.wayfarer().check().await?))
}

async fn erase(
    State(server): State<Server>,
    Json(request): Json<ErasureRequest>,
) -> Result<Json<Erasure>, OwnerError> {
    Ok(Json(server.wayfarer().erase(&request).await?))
}

async fn export(
    State(server): State<Server>,
    Json(request): Json<ExportRequest>,
) -> Result<Response, OwnerError> {
    let export = server.wayfarer().export(&request)?;
    let lines = stream::unfold(Some(export), |export| async {
        let mut export = export?;
        match export.next_batch().await {
            Ok(Some(events)) => Some((ExportLine::Events(events), Some(export))),
            Ok(None) => Some((ExportLine::End, None)),
            Err(error) => Some((ExportLine::Failed(OwnerError::from(error).0.body()), None)),
        }
    });
    Ok(ndjson(lines))
}

async fn import(
    State(server): State<Server>,
    headers: HeaderMap,
    request: HttpRequest,
) -> Result<Response, OwnerError> {
    let wanted = headers.get("wayfarer-import").map(axum::http::HeaderValue::as_bytes);
    let wanted: ImportRequest = serde_json::from_slice(wanted.unwrap_or_default())
        .map_err(|_| ApiError::bad_request("the header `wayfarer-import` says nothing of use"))
        .map_err(OwnerError)?;
    let (lines, answer) = mpsc::channel(EVENTS);
    let (pieces, chunks) = mpsc::channel(WAITING);
    tokio::spawn(receive(request.into_body(), pieces));
    tokio::spawn(run_import(server.wayfarer().clone(), wanted, chunks, lines));
    Ok(ndjson(stream::unfold(answer, |mut answer| async {
        answer.recv().await.map(|line: ImportLine| (line, answer))
    })))
}

/// Hands the pieces of a body to the thread that reads them, as fast as it takes them.
async fn receive(body: Body, pieces: mpsc::Sender<Bytes>) {
    let mut body = body.into_data_stream();
    while let Some(Ok(piece)) = body.next().await {
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    // What is left unread is taken and thrown away: a client that still sends would else not come to read the answer.
    while let Some(Ok(_)) = body.next().await {}
}

async fn run_import(
    wayfarer: Wayfarer,
    wanted: ImportRequest,
    chunks: mpsc::Receiver<Bytes>,
    lines: mpsc::Sender<ImportLine>,
) {
    let (sender, mut events) = mpsc::channel(EVENTS);
    let told = lines.clone();
    let telling = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if told.send(ImportLine::Event(event)).await.is_err() {
                break;
            }
        }
    });
    let done = wayfarer.import(&wanted, frames::files(chunks), sender).await;
    let _ = telling.await;
    let line = match done {
        Ok(counts) => ImportLine::Done(counts),
        Err(error) => ImportLine::Failed(OwnerError::from(error).0.body()),
    };
    // A client that went away does not want to know.
    let _ = lines.send(line).await;
}

fn ndjson<T: Serialize + Send + 'static>(
    lines: impl stream::Stream<Item = T> + Send + 'static,
) -> Response {
    let text = lines.map(|line| {
        let mut bytes = serde_json::to_vec(&line).map_err(io::Error::other)?;
        bytes.push(b'\n');
        Ok::<_, io::Error>(bytes)
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(text)).into_response()
}
