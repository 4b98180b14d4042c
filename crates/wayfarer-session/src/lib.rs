//! Web sessions that lose nothing.
//!
//! Start with [`Session`], what a handler works with; then [`SessionStore`], where sessions are kept.

mod cached;
#[cfg(feature = "cookies")]
mod carried;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod copy;
mod data;
mod device;
#[cfg(feature = "django")]
pub mod django;
mod encoded;
mod epochs;
mod error;
mod expiry;
#[cfg(feature = "axum")]
mod extract;
mod file;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod journal;
mod key;
mod manager;
mod memory;
mod mode;
mod native;
#[cfg(any(feature = "cookies", feature = "django"))]
mod pack;
mod random;
mod raw;
mod recent;
mod scan;
mod session;
mod signal;
mod store;
mod ticket;

pub use cached::{CacheCounts, Cached, CachedStore, NativeEntries};
#[cfg(feature = "django")]
pub use cached::{DjangoCachedStore, DjangoEntries};
#[cfg(feature = "cookies")]
pub use carried::CookieSessions;
pub use clock::{Clock, ManualClock, SystemClock};
pub use copy::{Copied, copy};
pub use encoded::{EncodedStore, RecordCodec};
pub use epochs::{CookieOwner, Epochs, MemoryEpochs};
pub use error::{BoxError, Error, ErrorKind};
pub use expiry::Expiry;
#[cfg(feature = "axum")]
pub use extract::MissingSession;
#[cfg(feature = "django")]
pub use file::{DjangoFileOptions, DjangoFileStore, DjangoFiles};
pub use file::{Durability, FileStore, Files, NativeFiles};
pub use history::{HistoryEntry, MemoryHistory, SessionHistory, Whose, last_end};
pub use journal::{Brought, Journal, Sent, StoreCall};
pub use key::{Handle, ParseSubjectError, SessionKey, StoreKey, Subject};
pub use manager::{
    SessionContents, SessionInfo, SessionManager, SessionManagerBuilder, SessionSummary,
    counts::Count,
};
pub use memory::MemoryStore;
pub use random::{Random, SystemRandom};
pub use raw::Raw;
pub use session::{Attempt, CookieChange, Finished, Outcome, Session};
pub use signal::{RequestContext, Signal, SignalBus, SignalKind, SignalReceiver};
pub use store::{
    Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, RecordData, Rotated,
    Rotation, Saved, SessionStore, StoreError, StoreErrorKind, Touched, Version,
};
pub use ticket::{CookieKeys, Ticket};

/// The time of this crate's interface.
pub use jiff;
