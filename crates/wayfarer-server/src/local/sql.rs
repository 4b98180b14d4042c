//! SQL for the owner of the folder: asked here, or through the socket. The rows of an answer travel as a stream of Arrow's
//! IPC format, batch by batch.

use std::{mem, sync::Arc};

use arrow_buffer::Buffer;
use arrow_ipc::{reader::StreamDecoder, writer::StreamWriter};
use arrow_schema::ArrowError;
use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use http::Response as HttpResponse;
use http_body_util::BodyStream;
use hyper::body::Incoming;
use wayfarer_embedded::Wayfarer;
use wayfarer_query::{Answer, Error, Limits};

use super::{FolderError, client::protocol, routes::OwnerError};
use crate::{Server, errors::ApiError};

/// Answers a query over everything that was acknowledged before the call.
pub(super) async fn answer(
    wayfarer: &Wayfarer,
    sql: &str,
    limits: &Limits,
) -> Result<Answer, Error> {
    let view = Arc::new(wayfarer.lake().view());
    wayfarer_query::query(view, wayfarer.visit_rule(), sql, limits).await
}

/// Whether what went wrong is what was asked, and no limit or disk.
pub(super) fn is_wrong_usage(error: &Error) -> bool {
    matches!(error, Error::Query(_))
}

/// The server's side.
pub(super) async fn route(
    State(server): State<Server>,
    Json((sql, limits)): Json<(String, Limits)>,
) -> Result<Response, OwnerError> {
    let answer = answer(server.wayfarer(), &sql, &limits).await.map_err(no)?;
    let body = send(answer).map_err(|error| OwnerError(ApiError::broken(&error).in_full()))?;
    Ok(body.into_response())
}

fn no(error: Error) -> OwnerError {
    OwnerError(match &error {
        Error::Read(_) => ApiError::broken(&error).in_full(),
        _ if is_wrong_usage(&error) => ApiError::bad_request(error.to_string()),
        _ => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    })
}

fn send(answer: Answer) -> Result<Body, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &answer.schema)?;
    let batches = answer.batches.into_iter().map(Some).chain([None]);
    let pieces = batches.map(move |batch| {
        match batch {
            Some(batch) => writer.write(&batch)?,
            None => writer.finish()?,
        }
        Ok::<_, ArrowError>(Bytes::from(mem::take(writer.get_mut())))
    });
    Ok(Body::from_stream(stream::iter(pieces)))
}

/// The client's side: the answer that [`route`] sends.
pub(super) async fn receive(sent: HttpResponse<Incoming>) -> Result<Answer, FolderError> {
    let mut body = BodyStream::new(sent.into_body());
    let (mut decoder, mut batches) = (StreamDecoder::new(), Vec::new());
    while let Some(frame) = body.next().await {
        let data = frame.map_err(protocol)?.into_data().unwrap_or_default();
        let mut data = Buffer::from(data);
        while !data.is_empty() {
            batches.extend(decoder.decode(&mut data).map_err(protocol)?);
        }
    }
    decoder.finish().map_err(protocol)?;
    let schema =
        decoder.schema().ok_or_else(|| protocol("it ended before the names of columns"))?;
    Ok(Answer { schema, batches })
}
