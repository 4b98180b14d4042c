//! What all handles of a session share.
//!
//! Most requests never use their session, so until one does there is nothing here but its cookie: state and gate are made at
//! the first use.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::state::{Secret, State};
use crate::{
    manager::Shared,
    mode::Identity,
    signal::{RequestContext, Signal, SignalKind},
};

pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    arrival: Mutex<Arrival>,
    used: OnceLock<Box<Used>>,
    slots: Mutex<Option<Slots>>,
}

/// A session that nobody has used.
struct Arrival {
    /// The cookie of the request, until the session is used.
    cookie: Option<Secret>,
    /// The response head went out meanwhile.
    head_sent: bool,
}

struct Used {
    /// Held while the store is asked something, so that a session asks one thing at a time.
    gate: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

type Slots = HashMap<TypeId, Box<dyn Any + Send + Sync>>;

/// Nothing that can panic runs under these locks but the clone of plain data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(super) fn new(shared: Arc<Shared>, cookie: Option<&str>) -> Inner {
        let cookie = cookie.map(Secret::new);
        Inner {
            shared,
            arrival: Mutex::new(Arrival { cookie, head_sent: false }),
            used: OnceLock::new(),
            slots: Mutex::new(None),
        }
    }

    fn used(&self) -> &Used {
        if let Some(used) = self.used.get() {
            return used;
        }
        // Under this lock, so that a first use comes either before the response head goes out or after it.
        let mut arrival = lock(&self.arrival);
        self.used.get_or_init(|| {
            let state = State::new(arrival.cookie.take(), arrival.head_sent);
            Box::new(Used { gate: tokio::sync::Mutex::new(()), state: Mutex::new(state) })
        })
    }

    /// The state of the session, which counts as used from here on.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.used().state)
    }

    /// Waits until nobody else of this session asks the store.
    pub(super) async fn gate(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.used().gate.lock().await
    }

    /// Notes that the response head goes out, if nobody has used the session. Says whether that is so.
    pub(super) fn ends_unused(&self) -> bool {
        let mut arrival = lock(&self.arrival);
        arrival.head_sent = self.used.get().is_none();
        arrival.head_sent
    }

    /// Puts something into the slot for its type.
    pub(super) fn put<T: Any + Send + Sync>(&self, value: T) {
        lock(&self.slots).get_or_insert_default().insert(TypeId::of::<T>(), Box::new(value));
    }

    /// What lies in the slot for this type.
    pub(super) fn slot<T: Any + Clone>(&self) -> Option<T> {
        lock(&self.slots).as_ref()?.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// A signal of this session.
    pub(super) fn signal_of(&self, state: &mut State, kind: SignalKind) -> Signal {
        let mut signal = Signal::new(kind, self.shared.now());
        state.open(&self.shared);
        let told = state.identity.as_ref().and_then(Identity::subject);
        if let Some(subject) = told.or_else(|| state.held_subject()) {
            signal = signal.with_subject(subject);
        }
        signal.user = state.user();
        signal.context = self.slot::<Arc<RequestContext>>();
        signal
    }

    pub(super) fn note_signal(&self, state: &mut State, kind: SignalKind) {
        let signal = self.signal_of(state, kind);
        state.signals.push(signal);
    }

    /// Sends the signals that were noted. A receiver may use the session, so nothing of it may be held here.
    pub(super) async fn tell(&self) {
        let signals = std::mem::take(&mut self.state().signals);
        for signal in signals {
            self.shared.signals.send(signal).await;
        }
    }
}
