//! An HTTP client that keeps its connection and posts one body after the other.
//!
//! It shares the processors with the server that it measures, so it does no more than it must: the head of a request is
//! written once, and of an answer it reads status, length and body.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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
    let mut connection = Connection::open(&target).await?;
    let mut posted = Posted::default();
    let mut body = String::new();
    while Instant::now() < until {
        body.clear();
        if batch > 1 {
            source.batch(batch, &mut body);
        } else {
            source.json(&mut body);
        }
        let asked = Instant::now();
        let status = connection.post(body.as_bytes()).await?;
        posted.waits_ms.push(asked.elapsed().as_secs_f64() * 1e3);
        let accepted = if status == 202 { accepted(connection.answer()?)? } else { 0 };
        posted.acknowledged += accepted;
        if accepted < batch as u64 {
            posted.refused += 1;
        }
        if status == 503 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(posted)
}

fn accepted(answer: &[u8]) -> Result<u64> {
    let receipt: Receipt = serde_json::from_slice(answer)
        .with_context(|| format!("the server answers {}", String::from_utf8_lossy(answer)))?;
    Ok(receipt.accepted)
}

/// A connection that is kept.
struct Connection {
    stream: TcpStream,
    /// The head of every request, up to the number of its bytes.
    head: String,
    request: Vec<u8>,
    /// The last answer, and where its body begins.
    answer: Vec<u8>,
    body: usize,
}

impl Connection {
    async fn open(target: &Target) -> Result<Connection> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /api/v1/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: ",
            target.address, target.token
        );
        Ok(Connection { stream, head, request: Vec::new(), answer: Vec::new(), body: 0 })
    }

    /// Posts a body, and reads the answer to its end. Says its status.
    async fn post(&mut self, body: &[u8]) -> Result<u16> {
        self.request.clear();
        self.request.extend(self.head.as_bytes());
        self.request.extend(body.len().to_string().as_bytes());
        self.request.extend(b"\r\n\r\n");
        self.request.extend(body);
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        let head = loop {
            if let Some(end) = self.answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let (status, length) = read_head(self.answer.get(..head).unwrap_or_default())?;
        self.body = head;
        while self.answer.len() < head + length {
            self.read().await?;
        }
        Ok(status)
    }

    /// The body of the last answer.
    fn answer(&self) -> Result<&[u8]> {
        self.answer.get(self.body..).context("there is no answer")
    }

    async fn read(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.answer).await?;
        ensure!(read > 0, "the server hung up");
        Ok(())
    }
}

/// Status and length of the body.
fn read_head(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let at = || format!("the server answers {head}");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).with_context(at)?;
    let mut headers = lines.filter_map(|line| line.split_once(": "));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok((status.parse()?, length.with_context(at)?.1.parse()?))
}
