//! An HTTP client that keeps its connection and posts one body after the other.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::event::Source;

/// What the client needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

/// What a load came to.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pub(crate) acknowledged: u64,
    /// Answers other than 202, or 202 for a part.
    pub(crate) refused: u64,
    /// From sending to the answer's last byte.
    pub(crate) waits_ms: Vec<f64>,
}

/// The part of the answer that counts.
#[derive(Deserialize)]
struct Receipt {
    accepted: u64,
}

/// Posts until the time is up, and waits for the last answer.
pub(crate) async fn post(
    target: Target,
    mut source: Source,
    batch: usize,
    until: Instant,
) -> Result<Posted> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut posted = Posted::default();
    while Instant::now() < until {
        let body = body(&mut source, batch);
        let asked = Instant::now();
        sender.ready().await?;
        let response = sender.send_request(request(&target, body)?).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        posted.waits_ms.push(asked.elapsed().as_secs_f64() * 1e3);
        let accepted = if status == StatusCode::ACCEPTED { accepted(&answer)? } else { 0 };
        posted.acknowledged += accepted;
        if accepted < batch as u64 {
            posted.refused += 1;
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    drop(sender);
    connection.await??;
    Ok(posted)
}

fn body(source: &mut Source, batch: usize) -> String {
    if batch > 1 {
        return source.batch(batch);
    }
    let mut body = String::with_capacity(400);
    source.json(&mut body);
    body
}

fn request(target: &Target, body: String) -> Result<Request<Full<Bytes>>> {
    Ok(Request::post("/api/v1/events")
        .header(header::HOST, target.address.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {}", target.token))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?)
}

fn accepted(answer: &[u8]) -> Result<u64> {
    let receipt: Receipt = serde_json::from_slice(answer)
        .with_context(|| format!("the server answers {}", String::from_utf8_lossy(answer)))?;
    Ok(receipt.accepted)
}
