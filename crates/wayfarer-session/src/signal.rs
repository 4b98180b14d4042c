//! Signals: notices of something in a session's or account's life, and the bus that carries them to receivers.
//!
//! A receiver runs inside the request that caused the signal, but can never break it: an error, a panic and a hang are
//! logged and left behind. Start with [`SignalBus::connect`].

use std::{
    fmt,
    future::{Future, poll_fn},
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    error::BoxError,
    key::{Handle, Subject},
};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignalKind {
    /// A session was stored for the first time.
    Created,
    /// A session got a new key. Its subject and its data stayed.
    Rotated,
    /// A session was emptied and deleted by its own request.
    Flushed,
    /// A session was found to have run out.
    Expired,
    /// A session was ended from outside.
    Revoked,
    /// A session ended while a request worked on it: what the request changed is not saved.
    Interrupted,
    /// A request brought a session cookie that is not ours, or damaged, and used it. Django's keys have no MAC: in django mode
    /// only what cannot be a key is refused.
    Refused,
    /// Somebody logged in.
    LoggedIn,
    /// Somebody logged out.
    LoggedOut,
    /// Somebody tried to log in and could not.
    LoginFailed,
    /// Something of the application's own.
    Custom(String),
}

impl SignalKind {
    /// Its name in snake case; for [`SignalKind::Custom`] the application's.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            SignalKind::Created => "created",
            SignalKind::Rotated => "rotated",
            SignalKind::Flushed => "flushed",
            SignalKind::Expired => "expired",
            SignalKind::Revoked => "revoked",
            SignalKind::Interrupted => "interrupted",
            SignalKind::Refused => "refused",
            SignalKind::LoggedIn => "logged_in",
            SignalKind::LoggedOut => "logged_out",
            SignalKind::LoginFailed => "login_failed",
            SignalKind::Custom(name) => name,
        }
    }
}

impl From<&str> for SignalKind {
    /// The kind of this name. A name that is none of ours is the application's.
    fn from(name: &str) -> SignalKind {
        let ours = [
            SignalKind::Created,
            SignalKind::Rotated,
            SignalKind::Flushed,
            SignalKind::Expired,
            SignalKind::Revoked,
            SignalKind::Interrupted,
            SignalKind::Refused,
            SignalKind::LoggedIn,
            SignalKind::LoggedOut,
            SignalKind::LoginFailed,
        ];
        let known = ours.into_iter().find(|kind| kind.as_str() == name);
        known.unwrap_or_else(|| SignalKind::Custom(name.to_owned()))
    }
}

impl Serialize for SignalKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of the request in which a signal was sent.
///
/// A layer fills it and puts it into the session with [`Session::put_extension`](crate::Session::put_extension) as an
/// `Arc<RequestContext>`; every signal of that session then carries it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// Host of the page.
    pub host: Option<String>,
    /// Path of the page, without its query.
    pub path: Option<String>,
    /// HTTP method.
    pub method: Option<String>,
    /// The page before.
    pub referrer: Option<String>,
    /// The visitor's languages, as the browser sent them.
    pub language: Option<String>,
    /// The browser's `User-Agent`.
    pub user_agent: Option<String>,
    /// Address of the browser. Never stored and never shown.
    pub client_ip: Option<IpAddr>,
    /// The browser sent `DNT: 1`.
    pub dnt: bool,
    /// The browser sent `Sec-GPC: 1`.
    pub gpc: bool,
}

/// Shows that an address is there, never which.
impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("host", &self.host)
            .field("path", &self.path)
            .field("method", &self.method)
            .field("client_ip", &self.client_ip.map(|_| "…"))
            .field("dnt", &self.dnt)
            .field("gpc", &self.gpc)
            .finish_non_exhaustive()
    }
}

/// A notice of something in a session's or account's life.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Signal {
    /// What happened.
    pub kind: SignalKind,
    /// The session it happened to.
    pub subject: Option<Subject>,
    /// Public name of that session.
    pub handle: Option<Handle>,
    /// The account, where one is known.
    pub user: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// What else there is to say. Credentials are blanked before they come here.
    pub detail: Map<String, Value>,
    /// The request in which it happened.
    pub context: Option<Arc<RequestContext>>,
}

impl Signal {
    /// A signal of which nothing else is known.
    #[must_use]
    pub fn new(kind: SignalKind, at: Timestamp) -> Signal {
        Signal {
            kind,
            subject: None,
            handle: None,
            user: None,
            at,
            detail: Map::new(),
            context: None,
        }
    }

    /// The same signal, of this account.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Signal {
        self.user = Some(user.into());
        self
    }

    /// The same signal, with one more detail.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, value: impl Into<Value>) -> Signal {
        self.detail.insert(name.into(), value.into());
        self
    }

    /// The same signal, of the session of this subject.
    #[must_use]
    pub fn with_subject(mut self, subject: Subject) -> Signal {
        self.handle = Some(Handle::of(&subject));
        self.subject = Some(subject);
        self
    }
}

/// Takes signals in.
#[async_trait]
pub trait SignalReceiver: Send + Sync + 'static {
    /// Does something about a signal. The request waits for it, so be quick: hand longer work to a task.
    ///
    /// # Errors
    /// Whatever went wrong. It is logged, and the request goes on.
    async fn receive(&self, signal: &Signal) -> Result<(), BoxError>;
}

type Receivers = Arc<[Arc<dyn SignalReceiver>]>;

/// Carries signals to receivers. Clones share their receivers.
#[derive(Clone)]
pub struct SignalBus {
    receivers: Arc<RwLock<Receivers>>,
    patience: Duration,
}

impl SignalBus {
    /// A bus that gives each receiver a second.
    #[must_use]
    pub fn new() -> SignalBus {
        SignalBus {
            receivers: Arc::new(RwLock::new(Arc::new([]))),
            patience: Duration::from_secs(1),
        }
    }

    /// The same bus, giving each receiver this long before it goes on without it.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> SignalBus {
        self.patience = patience;
        self
    }

    /// Adds a receiver. Receivers are served in the order in which they were connected.
    pub fn connect(&self, receiver: Arc<dyn SignalReceiver>) {
        let mut receivers = self.receivers.write().unwrap_or_else(PoisonError::into_inner);
        *receivers = receivers.iter().cloned().chain([receiver]).collect();
    }

    /// Gives `signal` to every receiver, one after another. None of them can make this fail.
    pub async fn send(&self, signal: Signal) {
        let receivers = Arc::clone(&self.receivers.read().unwrap_or_else(PoisonError::into_inner));
        for receiver in receivers.iter() {
            let receiving = guarded(receiver.receive(&signal));
            let outcome = tokio::time::timeout(self.patience, receiving).await;
            match outcome {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => {
                    tracing::warn!(signal = %signal.kind, %error, "a signal receiver failed");
                }
                Ok(Err(Panicked)) => {
                    tracing::error!(signal = %signal.kind, "a signal receiver panicked");
                }
                Err(_) => tracing::warn!(signal = %signal.kind, "a signal receiver is too slow"),
            }
        }
    }
}

impl Default for SignalBus {
    fn default() -> SignalBus {
        SignalBus::new()
    }
}

impl fmt::Debug for SignalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("SignalBus").field("receivers", &receivers).finish_non_exhaustive()
    }
}

struct Panicked;

/// Runs a future to its end, or to its panic.
async fn guarded<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(move |context| {
        // The future is dropped, not polled again, after a panic: nothing half-changed is seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<SignalKind>>);

    #[async_trait]
    impl SignalReceiver for Heard {
        async fn receive(&self, signal: &Signal) -> Result<(), BoxError> {
            self.0.lock().unwrap().push(signal.kind.clone());
            Ok(())
        }
    }

    enum Bad {
        Fails,
        Panics,
        PanicsAtOnce,
        Hangs,
    }

    #[async_trait]
    impl SignalReceiver for Bad {
        async fn receive(&self, _: &Signal) -> Result<(), BoxError> {
            match self {
                Bad::Fails => Err("no".into()),
                Bad::Panics => {
                    tokio::task::yield_now().await;
                    panic!("boom")
                }
                Bad::PanicsAtOnce => panic!("boom"),
                Bad::Hangs => std::future::pending().await,
            }
        }
    }

    #[test]
    fn a_name_reads_back_as_its_kind() {
        let kinds = [
            SignalKind::Created,
            SignalKind::Rotated,
            SignalKind::Flushed,
            SignalKind::Expired,
            SignalKind::Revoked,
            SignalKind::Interrupted,
            SignalKind::Refused,
            SignalKind::LoggedIn,
            SignalKind::LoggedOut,
            SignalKind::LoginFailed,
            SignalKind::Custom("mine".into()),
        ];
        for kind in kinds {
            assert_eq!(SignalKind::from(kind.as_str()), kind);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_receiver_keeps_no_signal_from_the_next() {
        let bus = SignalBus::new();
        let heard = Arc::new(Heard::default());
        for bad in [Bad::Fails, Bad::Panics, Bad::PanicsAtOnce, Bad::Hangs] {
            bus.connect(Arc::new(bad));
        }
        bus.connect(heard.clone());
        bus.send(Signal::new(SignalKind::LoggedIn, Timestamp::UNIX_EPOCH)).await;
        bus.send(Signal::new(SignalKind::Custom("mine".into()), Timestamp::UNIX_EPOCH)).await;
        let expected = [SignalKind::LoggedIn, SignalKind::Custom("mine".into())];
        assert_eq!(*heard.0.lock().unwrap(), expected);
    }
}
