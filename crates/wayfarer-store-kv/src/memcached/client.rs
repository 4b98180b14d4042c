//! One Memcached server, asked by its meta protocol: many questions on one connection, each with one answer, in order.
//!
//! One task writes questions, another reads answers. Both queues are bounded, and so is an answer. A connection that breaks
//! fails the questions that wait for it; the next question makes another.

use std::{collections::HashMap, io, time::Duration};

use jiff::Timestamp;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};
use wayfarer_session::{StoreError, StoreErrorKind};

/// So many questions wait for being written, and as many for their answers.
const QUEUE: usize = 256;

/// An answer's first line is shorter.
const LINE: u64 = 2048;

/// No server of ours gives a larger value.
const LARGEST: usize = 64 << 20;

/// A server, and the connection to it, once there is one.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) at: String,
    patience: Duration,
    link: Mutex<Option<Link>>,
}

/// A connection.
#[derive(Clone, Debug)]
struct Link {
    questions: mpsc::Sender<Question>,
    /// Closed when the reader has ended.
    waiting: mpsc::Sender<Waiting>,
    clock: ServerClock,
}

/// What the server said that it was, and when it said so.
#[derive(Clone, Copy, Debug)]
struct ServerClock {
    seconds: i64,
    asked: Instant,
}

#[derive(Debug)]
struct Question {
    bytes: Vec<u8>,
    waiting: Waiting,
}

type Waiting = oneshot::Sender<Result<Answer, Refused>>;

/// What a server answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: Code,
    /// The state of the item: another number after each change.
    pub(super) cas: u64,
    /// What kind of value it is, by the writer's own numbers.
    pub(super) flags: u32,
    /// How many seconds it lives; -1: for ever.
    pub(super) ttl: i64,
    pub(super) value: Vec<u8>,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Code {
    /// It is done, or here is what was asked for.
    #[default]
    Done,
    /// There is nothing under the key.
    Missing,
    /// Something else lies there than was expected.
    Exists,
}

/// The server's own words for why it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("it answers {0:?}")]
pub(super) struct Refused(String);

/// A question that got no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}: is it running, and can it be reached from here?")]
    Connect(io::Error),
    #[error("the connection broke")]
    Broke,
    #[error(transparent)]
    Refused(Refused),
}

impl Client {
    pub(super) fn new(at: &str, patience: Duration) -> Client {
        Client { at: at.to_owned(), patience, link: Mutex::new(None) }
    }

    /// Asks a question: a command line with what belongs to it.
    pub(super) async fn ask(
        &self,
        call: &'static str,
        bytes: Vec<u8>,
    ) -> Result<Answer, StoreError> {
        let work = async {
            let link = self.link().await?;
            let (waiting, answered) = oneshot::channel();
            let question = Question { bytes, waiting };
            link.questions.send(question).await.map_err(|_| Failed::Broke)?;
            answered.await.map_err(|_| Failed::Broke)?.map_err(Failed::Refused)
        };
        self.within(call, work).await
    }

    /// The time by the server's clock, to a second or two.
    pub(super) async fn now(&self, call: &'static str) -> Result<Timestamp, StoreError> {
        let clock = self.within(call, async { Ok(self.link().await?.clock) }).await?;
        let since = i64::try_from(clock.asked.elapsed().as_secs()).unwrap_or(i64::MAX);
        let now = Timestamp::from_second(clock.seconds.saturating_add(since));
        now.map_err(|error| StoreError::new(StoreErrorKind::Unreadable, call, error))
    }

    /// Gives `work` up when it takes too long, and with it a connection that does not answer.
    async fn within<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, StoreError> {
        let Ok(done) = tokio::time::timeout(self.patience, work).await else {
            *self.link.lock().await = None;
            let why = format!("Memcached at {}: no answer within {:?}", self.at, self.patience);
            return Err(StoreError::new(StoreErrorKind::Unavailable, call, why));
        };
        done.map_err(|failed| {
            let kind = match &failed {
                Failed::Refused(Refused(words)) if words.contains("too large") => {
                    StoreErrorKind::TooLarge
                }
                _ => StoreErrorKind::Unavailable,
            };
            StoreError::new(kind, call, format!("Memcached at {}: {failed}", self.at))
        })
    }

    /// The connection, made if there is none that stands.
    async fn link(&self) -> Result<Link, Failed> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.waiting.is_closed()) {
            return Ok(link.clone());
        }
        let made = Link::open(&self.at).await.map_err(Failed::Connect)?;
        Ok(link.insert(made).clone())
    }
}

impl Link {
    async fn open(at: &str) -> io::Result<Link> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let clock = ServerClock::ask(&mut reader, &mut writer).await?;
        let (questions, asked) = mpsc::channel(QUEUE);
        let (waiting, to_answer) = mpsc::channel(QUEUE);
        tokio::spawn(write(asked, waiting.clone(), writer));
        tokio::spawn(async move {
            // Whoever waits still is told by the end of their channel.
            let _ = read(to_answer, reader).await;
        });
        Ok(Link { questions, waiting, clock })
    }
}

impl ServerClock {
    async fn ask(
        reader: &mut BufReader<OwnedReadHalf>,
        writer: &mut OwnedWriteHalf,
    ) -> io::Result<ServerClock> {
        let asked = Instant::now();
        writer.write_all(b"stats\r\n").await?;
        let mut stats = HashMap::new();
        loop {
            let line = line(reader).await?;
            let Some((name, value)) = line.strip_prefix("STAT ").and_then(|s| s.split_once(' '))
            else {
                break;
            };
            if stats.len() < 1000 {
                stats.insert(name.to_owned(), value.to_owned());
            }
        }
        let seconds = stats.get("time").and_then(|time| time.parse().ok());
        let seconds = seconds.ok_or_else(|| invalid("it does not tell the time"))?;
        Ok(ServerClock { seconds, asked })
    }
}

/// Writes questions as they come, those that wait together, until either end is closed.
async fn write(
    mut asked: mpsc::Receiver<Question>,
    waiting: mpsc::Sender<Waiting>,
    mut writer: OwnedWriteHalf,
) {
    while let Some(first) = asked.recv().await {
        let mut bytes = Vec::new();
        let mut next = Some(first);
        while let Some(question) = next {
            bytes.extend_from_slice(&question.bytes);
            if waiting.send(question.waiting).await.is_err() {
                return;
            }
            next = if bytes.len() < 64 * 1024 { asked.try_recv().ok() } else { None };
        }
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Reads an answer for each who waits, until the connection ends.
async fn read(
    mut waiting: mpsc::Receiver<Waiting>,
    mut reader: BufReader<OwnedReadHalf>,
) -> io::Result<()> {
    loop {
        let next = tokio::select! {
            biased;
            next = waiting.recv() => next,
            // Nobody waits: this is the end of the connection, or nonsense.
            _ = reader.fill_buf() => return Ok(()),
        };
        let Some(next) = next else { return Ok(()) };
        let answer = answer(&mut reader).await?;
        // Who asked may have gone.
        let _ = next.send(answer);
    }
}

/// Reads one answer. After an error the next answer cannot be found.
async fn answer(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Result<Answer, Refused>> {
    let line = line(reader).await?;
    if line.starts_with("SERVER_ERROR") {
        return Ok(Err(Refused(line)));
    }
    let mut answer = Answer::default();
    let mut words = line.split(' ');
    match words.next() {
        Some("VA") => {
            let length = words.next().and_then(|length| length.parse::<usize>().ok());
            let length = length.filter(|&length| length <= LARGEST);
            let length = length.ok_or_else(|| invalid("an answer that is too large"))?;
            answer.value = vec![0; length + 2];
            reader.read_exact(&mut answer.value).await?;
            answer.value.truncate(length);
        }
        Some("HD") => {}
        Some("EN" | "NF") => answer.code = Code::Missing,
        Some("EX" | "NS") => answer.code = Code::Exists,
        _ => return Err(invalid("an answer that Memcached does not give")),
    }
    for word in words {
        let mut rest = word.chars();
        match rest.next() {
            Some('c') => answer.cas = number(rest.as_str())?,
            Some('f') => answer.flags = number(rest.as_str())?,
            Some('t') => answer.ttl = number(rest.as_str())?,
            _ => {}
        }
    }
    Ok(Ok(answer))
}

/// Reads all answers that these bytes are.
#[cfg(feature = "fuzzing")]
pub(crate) async fn fuzz(mut bytes: &[u8]) {
    while answer(&mut bytes).await.is_ok() {}
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(LINE).read_until(b'\n', &mut line).await?;
    let line = String::from_utf8(line).map_err(io::Error::other)?;
    let ended = line.strip_suffix("\r\n").map(str::to_owned);
    ended.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

fn number<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| invalid("an answer with no number"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Names the commands.
pub(super) mod command {
    /// The item under a key, with its state, kind and life.
    pub(in super::super) fn get(name: &str) -> Vec<u8> {
        format!("mg {name} v c f t\r\n").into_bytes()
    }

    /// Stores an item where there is none.
    pub(in super::super) fn add(name: &str, value: &[u8], until: i64, flags: u32) -> Vec<u8> {
        set(name, value, &format!("ME T{until} F{flags}"))
    }

    /// Stores an item where one lies in this state.
    pub(in super::super) fn replace(
        name: &str,
        value: &[u8],
        until: i64,
        flags: u32,
        cas: u64,
    ) -> Vec<u8> {
        set(name, value, &format!("C{cas} T{until} F{flags}"))
    }

    fn set(name: &str, value: &[u8], how: &str) -> Vec<u8> {
        let mut bytes = format!("ms {name} {} c {how}\r\n", value.len()).into_bytes();
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// Lets an item live until then, and leaves its state.
    pub(in super::super) fn touch(name: &str, until: i64) -> Vec<u8> {
        format!("mg {name} T{until}\r\n").into_bytes()
    }

    /// Deletes an item, if it is in this state.
    pub(in super::super) fn delete(name: &str, cas: Option<u64>) -> Vec<u8> {
        let state = cas.map_or_else(String::new, |cas| format!(" C{cas}"));
        format!("md {name}{state}\r\n").into_bytes()
    }
}
