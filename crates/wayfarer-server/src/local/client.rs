//! The command line's side of the socket: one connection a question, plain HTTP/1.1 with JSON.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    pin::Pin,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::{Method, Request as HttpRequest, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, sync::mpsc};
use wayfarer_embedded::{
    Answer, Check, Compacted, Erasure, ErasureRequest, ExportRequest, Exported, ImportCounts,
    ImportEvent, ImportRequest, Inputs, NewToken, Request, Saved, Scope, SiteSpec, Status,
    TokenInfo,
};

use super::{
    FolderError, frames,
    routes::{ExportLine, ImportLine, TokenRequest},
    socket,
};
use crate::errors::ErrorBody;

/// The largest answer that is read whole, in bytes.
const LARGEST: usize = 256 << 20;
/// The longest line of an answer that comes in lines, in bytes.
const LONGEST_LINE: usize = 64 << 20;
/// Pieces of a file that wait to be sent.
const WAITING: usize = 4;

type Body = BoxBody<Bytes, io::Error>;

/// A way to the server that holds a folder.
#[derive(Clone, Debug)]
pub struct Client {
    folder: PathBuf,
}

impl Client {
    /// Finds the server that holds this folder, and checks that it is of this version.
    ///
    /// # Errors
    /// [`FolderError::Unreachable`] when nobody answers, [`FolderError::There`] for another version.
    pub async fn connect(folder: &Path) -> Result<Client, FolderError> {
        let client = Client { folder: folder.to_owned() };
        let theirs = client.status().await?.version;
        let ours = env!("CARGO_PKG_VERSION");
        if theirs == ours {
            return Ok(client);
        }
        let message = format!("the server is wayfarer {theirs}, this is {ours}: use the same");
        Err(FolderError::There { message, wrong_usage: false })
    }

    /// See [`Folder::report`](super::Folder::report).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn report(&self, request: &Request) -> Result<Answer, FolderError> {
        self.ask(Method::POST, "/local/report", Some(request)).await
    }

    /// See [`Folder::query`](super::Folder::query).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    #[cfg(feature = "sql")]
    pub async fn query(
        &self,
        sql: &str,
        limits: &super::SqlLimits,
    ) -> Result<super::SqlAnswer, FolderError> {
        let answer = self.send(Method::POST, "/local/query", json(&(sql, limits))?).await?;
        super::sql::receive(answer).await
    }

    /// See [`Folder::status`](super::Folder::status).
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn status(&self) -> Result<Status, FolderError> {
        self.ask(Method::GET, "/local/status", NOTHING).await
    }

    /// See [`Folder::sites`](super::Folder::sites).
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn sites(&self) -> Result<Vec<SiteSpec>, FolderError> {
        self.ask(Method::GET, "/local/sites", NOTHING).await
    }

    /// See [`Folder::put_site`](super::Folder::put_site).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn put_site(&self, site: &SiteSpec) -> Result<(), FolderError> {
        self.ask(Method::POST, "/local/sites", Some(site)).await
    }

    /// See [`Folder::tokens`](super::Folder::tokens).
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>, FolderError> {
        self.ask(Method::GET, "/local/tokens", NOTHING).await
    }

    /// See [`Folder::create_token`](super::Folder::create_token).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn create_token(&self, site: &str, scope: Scope) -> Result<NewToken, FolderError> {
        let wanted = TokenRequest { site: site.to_owned(), scope };
        self.ask(Method::POST, "/local/tokens", Some(&wanted)).await
    }

    /// See [`Folder::revoke_token`](super::Folder::revoke_token).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, FolderError> {
        self.ask(Method::POST, "/local/tokens/revoke", Some(id)).await
    }

    /// See [`Folder::saved`](super::Folder::saved).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn saved<T: Saved>(&self, site: &str) -> Result<Vec<T>, FolderError> {
        self.ask(Method::POST, &format!("/local/{}s/list", T::KIND), Some(site)).await
    }

    /// See [`Folder::save`](super::Folder::save).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn save<T: Saved>(&self, site: &str, one: &T) -> Result<(), FolderError> {
        self.ask(Method::POST, &format!("/local/{}s/save", T::KIND), Some(&(site, one))).await
    }

    /// See [`Folder::forget`](super::Folder::forget).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn forget<T: Saved>(&self, site: &str, name: &str) -> Result<bool, FolderError> {
        self.ask(Method::POST, &format!("/local/{}s/forget", T::KIND), Some(&(site, name))).await
    }

    /// See [`Folder::compact`](super::Folder::compact).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn compact(&self) -> Result<Compacted, FolderError> {
        self.ask(Method::POST, "/local/compact", NOTHING).await
    }

    /// See [`Folder::check`](super::Folder::check).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn check(&self) -> Result<Check, FolderError> {
        self.ask(Method::POST, "/local/check", NOTHING).await
    }

    /// See [`Folder::erase`](super::Folder::erase).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn erase(&self, request: &ErasureRequest) -> Result<Erasure, FolderError> {
        self.ask(Method::POST, "/local/erase", Some(request)).await
    }

    /// See [`Folder::export`](super::Folder::export).
    ///
    /// # Errors
    /// When the server says no or does not answer.
    pub async fn export(&self, request: &ExportRequest) -> Result<RemoteExport, FolderError> {
        let answer = self.send(Method::POST, "/local/export", json(request)?).await?;
        Ok(RemoteExport { lines: Lines::new(answer) })
    }

    /// See [`Folder::import`](super::Folder::import).
    ///
    /// # Errors
    /// When the server says no or goes away, or a file cannot be read.
    pub async fn import(
        &self,
        request: &ImportRequest,
        inputs: Inputs,
        mut observe: impl FnMut(ImportEvent),
    ) -> Result<ImportCounts, FolderError> {
        let wanted = serde_json::to_string(request).map_err(protocol)?;
        let (pieces, body) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || send_all(inputs, &pieces));
        let post = HttpRequest::builder()
            .method(Method::POST)
            .uri("/local/import")
            .header(header::HOST, "localhost")
            .header("wayfarer-import", ascii(&wanted))
            .body(BodyExt::boxed(StreamBody::new(received(body))))
            .map_err(protocol)?;
        let mut lines = Lines::new(accepted(self.exchange(post).await?).await?);
        while let Some(line) = lines.next().await? {
            match line {
                ImportLine::Event(event) => observe(event),
                ImportLine::Done(counts) => return Ok(counts),
                ImportLine::Failed(body) => return Err(body.into()),
            }
        }
        Err(FolderError::Protocol("it ended in the middle of an import".to_owned()))
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        question: Option<&(impl Serialize + ?Sized)>,
    ) -> Result<A, FolderError> {
        let body = question.map_or_else(|| Ok(empty()), json)?;
        let answer = self.send(method, path, body).await?;
        let bytes = whole(answer).await?;
        serde_json::from_slice(&bytes).map_err(protocol)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Response<Incoming>, FolderError> {
        let request = HttpRequest::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(protocol)?;
        accepted(self.exchange(request).await?).await
    }

    /// One connection, one question, one answer. The answer may begin before the question has ended.
    async fn exchange(
        &self,
        request: HttpRequest<Body>,
    ) -> Result<Response<Incoming>, FolderError> {
        let stream: UnixStream = socket::connect(&self.folder).map_err(|e| self.unreachable(e))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| self.broken(e))?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|e| self.broken(e))
    }

    fn unreachable(&self, source: io::Error) -> FolderError {
        FolderError::Unreachable { folder: self.folder.display().to_string(), source }
    }

    fn broken(&self, error: hyper::Error) -> FolderError {
        self.unreachable(io::Error::other(error))
    }
}

/// No question besides the address.
const NOTHING: Option<&()> = None;

/// An export that a server sends.
#[derive(Debug)]
pub struct RemoteExport {
    lines: Lines,
}

impl RemoteExport {
    /// The next events; `None` at the end.
    ///
    /// # Errors
    /// When the lake cannot be read on, or the server went away.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Exported>>, FolderError> {
        match self.lines.next().await? {
            Some(ExportLine::Events(events)) => Ok(Some(events)),
            Some(ExportLine::End) => Ok(None),
            Some(ExportLine::Failed(body)) => Err(body.into()),
            None => Err(FolderError::Protocol("it ended in the middle of an export".to_owned())),
        }
    }
}

impl From<ErrorBody> for FolderError {
    fn from(body: ErrorBody) -> FolderError {
        FolderError::There { message: body.error, wrong_usage: body.wrong_usage }
    }
}

/// An answer that comes as one JSON value a line.
#[derive(Debug)]
struct Lines {
    body: BodyStream<Incoming>,
    rest: BytesMut,
    /// How much of `rest` is known to hold no end of a line.
    searched: usize,
}

impl Lines {
    fn new(answer: Response<Incoming>) -> Lines {
        Lines { body: BodyStream::new(answer.into_body()), rest: BytesMut::new(), searched: 0 }
    }

    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FolderError> {
        use futures_util::StreamExt as _;
        loop {
            let unseen = self.rest.get(self.searched..).unwrap_or_default();
            if let Some(place) = unseen.iter().position(|&byte| byte == b'\n') {
                let line = self.rest.split_to(self.searched + place + 1);
                self.searched = 0;
                return serde_json::from_slice(&line).map(Some).map_err(protocol);
            }
            self.searched = self.rest.len();
            if self.rest.len() > LONGEST_LINE {
                return Err(FolderError::Protocol("a line of it is too long".to_owned()));
            }
            match self.body.next().await {
                Some(frame) => {
                    let data = frame.map_err(protocol)?.into_data().unwrap_or_default();
                    self.rest.extend_from_slice(&data);
                }
                None => return Ok(None),
            }
        }
    }
}

/// The answer, if the server says yes.
async fn accepted(answer: Response<Incoming>) -> Result<Response<Incoming>, FolderError> {
    if answer.status() == StatusCode::OK {
        return Ok(answer);
    }
    let status = answer.status();
    let body = whole(answer).await?;
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => Err(body.into()),
        Err(_) => Err(FolderError::Protocol(format!("status {status}"))),
    }
}

async fn whole(answer: Response<Incoming>) -> Result<Bytes, FolderError> {
    let body = http_body_util::Limited::new(answer.into_body(), LARGEST);
    let collected = body.collect().await.map_err(|e| FolderError::Protocol(e.to_string()))?;
    Ok(collected.to_bytes())
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<Body, FolderError> {
    Ok(full(serde_json::to_vec(value).map_err(protocol)?.into()))
}

fn empty() -> Body {
    full(Bytes::new())
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

pub(super) fn protocol(error: impl std::fmt::Display) -> FolderError {
    FolderError::Protocol(error.to_string())
}

/// JSON with nothing but ASCII, for a header.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

type Pieces = mpsc::Receiver<Bytes>;

fn received(pieces: Pieces) -> Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send + Sync>> {
    Box::pin(stream::unfold(pieces, |mut pieces| async {
        pieces.recv().await.map(|piece| (Ok(Frame::data(piece)), pieces))
    }))
}

/// Sends every file. The reason why one cannot be read goes the same way, so that it comes back as the answer.
fn send_all(inputs: Inputs, pieces: &mpsc::Sender<Bytes>) {
    if let Err(error) = send_files(inputs, pieces) {
        let _ = pieces.blocking_send(frames::failed(&error.to_string()));
    }
}

fn send_files(inputs: Inputs, pieces: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let mut buffer = vec![0; frames::PIECE];
    for input in inputs {
        let mut input = input?;
        pieces.blocking_send(frames::begin()).map_err(gone)?;
        loop {
            let length = match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                length => length?,
            };
            let read = buffer.get(..length).unwrap_or_default();
            if read.is_empty() {
                break;
            }
            pieces.blocking_send(frames::piece(read)).map_err(gone)?;
        }
        pieces.blocking_send(frames::end()).map_err(gone)?;
    }
    pieces.blocking_send(frames::finish()).map_err(gone)
}

#[expect(dead_code, reason = "checks at compile time that the body of a request can be sent")]
fn body_is_send(body: Body) -> impl HttpBody + Send {
    body
}
