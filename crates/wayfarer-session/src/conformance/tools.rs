//! What the laws are tried with: keys, records, times, and futures beside each other.

use std::task::Poll;

use jiff::{SignedDuration, Timestamp};

use super::{Broken, Kept};
use crate::{
    clock::to_the_microsecond,
    key::{StoreKey, hex},
    random::{SystemRandom, draw},
    store::{Created, Loaded, Record, Rotated, Rotation, SessionStore, StoreError, Version},
};

/// A store in trouble keeps no law.
impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Broken {
        Broken(error.to_string())
    }
}

pub(super) const HOUR: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn key() -> Result<StoreKey, Broken> {
    let bytes: [u8; 16] = draw(&SystemRandom).map_err(|error| Broken(error.to_string()))?;
    Ok(StoreKey::new(hex(&bytes)))
}

pub(super) fn now() -> Timestamp {
    to_the_microsecond(Timestamp::now())
}

pub(super) fn after(at: Timestamp, step: SignedDuration) -> Timestamp {
    crate::expiry::later(at, step)
}

pub(super) fn record(text: &str, now: Timestamp) -> Record {
    Record { data: text.as_bytes().into(), expires_at: after(now, HOUR), subject: None, user: None }
}

pub(super) async fn created(
    store: &dyn SessionStore,
    key: &StoreKey,
    record: &Record,
    now: Timestamp,
) -> Result<Version, Broken> {
    match store.create(key, record, now).await? {
        Created::Stored(version) => Ok(version),
        Created::Taken => Err(Broken("a new key is taken".into())),
    }
}

/// A new session under a new key.
pub(super) async fn fresh(
    store: &dyn SessionStore,
    text: &str,
    now: Timestamp,
) -> Result<(StoreKey, Version), Broken> {
    let key = key()?;
    let version = created(store, &key, &record(text, now), now).await?;
    Ok((key, version))
}

/// A rotation that leaves nothing behind.
pub(super) async fn rotate(
    store: &dyn SessionStore,
    from: &StoreKey,
    to: &StoreKey,
    text: &str,
    expected: &Version,
    now: Timestamp,
) -> Result<Rotated, Broken> {
    let record = record(text, now);
    let rotation = Rotation { from, to, record: &record, left: None, expected };
    Ok(store.rotate(&rotation, now).await?)
}

pub(super) async fn loaded(
    store: &dyn SessionStore,
    key: &StoreKey,
    now: Timestamp,
) -> Result<Loaded, Broken> {
    store.load(key, now).await?.ok_or_else(|| Broken("a live session does not load".into()))
}

pub(super) async fn holds(
    store: &dyn SessionStore,
    key: &StoreKey,
    text: &str,
    now: Timestamp,
) -> Kept {
    let data = loaded(store, key, now).await?.record.data;
    if *data == *text.as_bytes() {
        return Ok(());
    }
    Err(Broken(format!("the session holds other data than {text:?}")))
}

/// These keys, in this order, are what is listed.
pub(super) async fn lists(
    store: &dyn SessionStore,
    user: &StoreKey,
    limit: u32,
    expected: &[&StoreKey],
    now: Timestamp,
) -> Kept {
    let listed = store.list(user.expose(), limit, now).await?;
    if listed.iter().map(|listed| &listed.key).eq(expected.iter().copied()) {
        return Ok(());
    }
    Err(Broken(format!("{} sessions are listed where {} are due", listed.len(), expected.len())))
}

pub(super) async fn is_dead(store: &dyn SessionStore, key: &StoreKey, now: Timestamp) -> Kept {
    match store.load(key, now).await? {
        None => Ok(()),
        Some(_) => Err(Broken("a session that ended loads".into())),
    }
}

/// Runs `count` futures beside each other and counts those that say yes.
pub(super) async fn together<F, T>(count: usize, make: F) -> Result<usize, Broken>
where
    F: Fn(usize) -> T,
    T: Future<Output = Result<bool, Broken>>,
{
    let mut running: Vec<_> = (0..count).map(|n| Box::pin(make(n))).collect();
    let mut yes = 0;
    std::future::poll_fn(move |context| {
        let mut failed = None;
        running.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(said)) => {
                yes += usize::from(said);
                false
            }
            Poll::Ready(Err(broken)) => {
                failed = Some(broken);
                false
            }
        });
        match failed {
            Some(broken) => Poll::Ready(Err(broken)),
            None if running.is_empty() => Poll::Ready(Ok(yes)),
            None => Poll::Pending,
        }
    })
    .await
}
