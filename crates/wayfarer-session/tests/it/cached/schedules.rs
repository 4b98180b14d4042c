//! Every order in which the store calls of two or three requests can fall, tried one after another.
//!
//! Both stores stop before every call until they are polled again; the scheduler chooses whose turn it is. It starts with
//! always the first, and then changes the last choice that has another, until none has: no order is missed.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use proptest::prelude::*;

use super::*;

type Request = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// What is wrong with the fast store: each takes out one of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// A fill goes over what is there.
    FillOverwrites,
    /// A fill goes over what was not seen.
    FillIgnoresVersion,
    /// A delete leaves nothing behind.
    TombstoneForgotten,
    /// Nobody says that it is busy.
    BusyForgotten,
    /// A touch moves whatever end there is.
    TouchIgnoresEnd,
}

/// A memory store that lets others go first before every call, perhaps with a flaw.
#[derive(Clone, Debug)]
struct Steps(MemoryStore, Flaw);

async fn step() {
    let mut stepped = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut stepped, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Steps {
    /// Puts a record there by force.
    async fn force(&self, key: &StoreKey, record: &Record, now: Timestamp) -> Version {
        self.forget(key, now).await;
        match self.0.create(key, record, now).await.unwrap() {
            Created::Stored(version) => version,
            Created::Taken => panic!("it was forgotten"),
        }
    }

    /// Forgets all that there is under a key, also that it was used; the other keys stay.
    async fn forget(&self, key: &StoreKey, now: Timestamp) {
        let page = self.0.scan(None, 99, now).await.unwrap();
        let others = page.sessions.into_iter().filter(|listed| listed.key != *key);
        self.0.purge(u32::MAX, Timestamp::MAX).await.unwrap();
        for Listed { key, loaded } in others {
            let _ = self.0.create(&key, &loaded.record, now).await.unwrap();
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.1 == flaw
    }
}

fn says(record: &Record, what: &str) -> bool {
    record.data.starts_with(format!("1{{\"{what}\"").as_bytes())
}

#[async_trait::async_trait]
impl SessionStore for Steps {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        step().await;
        if self.is(Flaw::FillOverwrites) && says(record, "asked_at") {
            return Ok(Created::Stored(self.force(key, record, now).await));
        }
        if self.is(Flaw::BusyForgotten) && says(record, "busy_since") {
            return Ok(Created::Stored(Version::number(u64::MAX)));
        }
        self.0.create(key, record, now).await
    }
    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        step().await;
        self.0.load(key, now).await
    }
    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        step().await;
        if self.is(Flaw::TombstoneForgotten) && says(record, "ended") {
            self.forget(key, now).await;
            return Ok(Saved::Stored(Version::number(u64::MAX)));
        }
        if self.is(Flaw::BusyForgotten) && says(record, "busy_since") {
            return Ok(Saved::Stored(expected.clone()));
        }
        if self.is(Flaw::FillIgnoresVersion) && says(record, "asked_at") {
            return Ok(Saved::Stored(self.force(key, record, now).await));
        }
        self.0.save(key, record, expected, now).await
    }
    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        step().await;
        let there = self.0.load(key, now).await?.filter(|_| self.is(Flaw::TouchIgnoresEnd));
        let from = there.map_or(from, |loaded| loaded.record.expires_at);
        self.0.touch(key, from, expires_at, now).await
    }
    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        step().await;
        self.0.rotate(rotation, now).await
    }
    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        step().await;
        self.0.delete(key, now).await
    }
    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        self.0.list(user, limit, now).await
    }
    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.0.scan(from, limit, now).await
    }
    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        self.0.purge(limit, now).await
    }
}

/// Runs a future that never has to wait for anybody.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("it waits for somebody")
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Read,
    Save,
    Delete,
    Rotate,
    Touch,
}

const KEY: &str = "a";

/// One world: two processes over one cache and one database.
struct World {
    durable: MemoryStore,
    store: Arc<CachedStore<Steps, Steps>>,
    version: Version,
    /// What has answered so far, for those who look later.
    deleted: Arc<Mutex<bool>>,
}

impl World {
    /// With a session in the database, which the cache remembers or not.
    fn new(flaw: Flaw, warm: bool) -> World {
        let (fast, durable) = (MemoryStore::new(), MemoryStore::new());
        let steps = |store: &MemoryStore, flaw| Steps(store.clone(), flaw);
        let store = CachedStore::new(steps(&fast, flaw), steps(&durable, Flaw::None)).unwrap();
        let version = at_once(stored(&durable, &StoreKey::new(KEY), "0"));
        if warm {
            let _ = at_once(store.load(&StoreKey::new(KEY), now())).unwrap();
        }
        World { durable, store: Arc::new(store), version, deleted: Arc::default() }
    }

    /// A request; each looks again at its end, and must see what it did, or something newer.
    fn request(&self, number: usize, does: Does) -> Request {
        let (store, version) = (Arc::clone(&self.store), self.version.clone());
        let deleted = Arc::clone(&self.deleted);
        Box::pin(async move {
            let (key, to) = (StoreKey::new(KEY), StoreKey::new(format!("to {number}")));
            let soon = now() + SignedDuration::from_hours(1);
            let new = Record { expires_at: soon, ..record(&format!("of {number}"), now()) };
            let was_deleted = *deleted.lock().unwrap();
            let mut least = None;
            match does {
                Does::Read => {
                    let found = store.load(&key, now()).await.unwrap();
                    if was_deleted && found.is_some() {
                        return Err("a look after a delete finds the session".to_owned());
                    }
                }
                Does::Save => {
                    if let Saved::Stored(version) =
                        store.save(&key, &new, &version, now()).await.unwrap()
                    {
                        least = version.as_number();
                    }
                }
                Does::Delete => {
                    let _ = store.delete(&key, now()).await.unwrap();
                    *deleted.lock().unwrap() = true;
                }
                Does::Rotate => {
                    let rotation = Rotation {
                        from: &key,
                        to: &to,
                        record: &new,
                        left: None,
                        expected: &version,
                    };
                    if let Rotated::Stored(_) = store.rotate(&rotation, now()).await.unwrap() {
                        *deleted.lock().unwrap() = true;
                        if at_once(text(&*store, &to, now())).is_none() {
                            return Err("a rotated session is not there".to_owned());
                        }
                    }
                }
                Does::Touch => {
                    let (seen, later) =
                        (record("", now()).expires_at, SignedDuration::from_hours(3));
                    let _ = store.touch(&key, seen, now() + later, now()).await.unwrap();
                }
            }
            let gone = *deleted.lock().unwrap();
            // Looks that others come between are those of `Does::Read`.
            let found = at_once(store.load(&key, now())).unwrap();
            let found = found.and_then(|loaded| loaded.version.as_number());
            match (found, least) {
                (Some(found), _) if gone => {
                    Err(format!("state {found} of a dead session is found"))
                }
                (Some(found), Some(least)) if found < least => {
                    Err(format!("state {found} is older than {least}"))
                }
                _ => Ok(()),
            }
        })
    }

    /// When all have answered, the cache says what the database says.
    fn check(&self) -> Result<(), String> {
        let key = StoreKey::new(KEY);
        let told = at_once(self.store.load(&key, now())).unwrap();
        let so = at_once(self.durable.load(&key, now())).unwrap();
        let of = |loaded: &Option<Loaded>| loaded.as_ref().map(|loaded| loaded.version.as_number());
        if of(&told) != of(&so) {
            return Err(format!("the cache says {:?}, the database {:?}", of(&told), of(&so)));
        }
        let end = |loaded: Option<Loaded>| loaded.map(|loaded| loaded.record.expires_at);
        let (told, so) = (end(told), end(so));
        if told > so {
            return Err(format!("the cache lets it live until {told:?}, the database {so:?}"));
        }
        Ok(())
    }
}

/// Runs the requests beside each other; `choose` says whose turn it is, of so many that still run.
fn run(
    flaw: Flaw,
    warm: bool,
    requests: &[Does],
    mut choose: impl FnMut(usize) -> usize,
) -> Result<(), String> {
    let world = World::new(flaw, warm);
    let running = requests.iter().enumerate().map(|(n, does)| (n, world.request(n, *does)));
    let mut running: Vec<(usize, Request)> = running.collect();
    let (mut order, mut verdict) = (Vec::new(), Ok(()));
    let mut context = Context::from_waker(Waker::noop());
    while !running.is_empty() {
        let chosen = choose(running.len());
        let (who, request) = &mut running[chosen];
        order.push(*who);
        if let Poll::Ready(done) = request.as_mut().poll(&mut context) {
            drop(running.remove(chosen));
            verdict = verdict.and(done);
        }
    }
    let verdict = verdict.and_then(|()| world.check());
    verdict.map_err(|why| format!("{requests:?}, turns {order:?}: {why}"))
}

/// Tries every order. Says how many there are, or which one went wrong, and how.
fn try_all(flaw: Flaw, warm: bool, requests: &[Does]) -> Result<usize, String> {
    let mut choices: Vec<(usize, usize)> = Vec::new();
    for count in 1.. {
        let mut turn = 0;
        run(flaw, warm, requests, |running| {
            if turn == choices.len() {
                choices.push((0, running));
            }
            let (chosen, of) = choices[turn];
            assert_eq!(of, running, "a run is not the same twice");
            turn += 1;
            chosen
        })?;
        choices.truncate(turn);
        while choices.last().is_some_and(|(chosen, of)| chosen + 1 == *of) {
            choices.pop();
        }
        match choices.last_mut() {
            Some((chosen, _)) => *chosen += 1,
            None => return Ok(count),
        }
    }
    unreachable!("the loop ends by an answer")
}

const PAIRS: [[Does; 2]; 14] = {
    use Does::{Delete, Read, Rotate, Save, Touch};
    [
        [Read, Read],
        [Read, Save],
        [Read, Delete],
        [Read, Rotate],
        [Read, Touch],
        [Save, Save],
        [Save, Delete],
        [Save, Rotate],
        [Save, Touch],
        [Touch, Touch],
        [Touch, Delete],
        [Delete, Delete],
        [Delete, Rotate],
        [Rotate, Rotate],
    ]
};

#[test]
fn in_every_order_of_two_requests_nothing_old_is_told() {
    let mut orders = 0;
    for warm in [false, true] {
        for requests in PAIRS {
            orders += try_all(Flaw::None, warm, &requests).unwrap_or_else(|why| panic!("{why}"));
        }
    }
    println!("{orders} orders of two requests");
    assert!(orders > 3000, "{orders} orders");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn in_some_order_of_three_requests_nothing_old_is_told(
        requests in prop::array::uniform3(prop::sample::select(vec![
            Does::Read, Does::Save, Does::Delete, Does::Rotate, Does::Touch,
        ])),
        warm: bool,
        turns in prop::collection::vec(0_usize..6, 40),
    ) {
        let mut turns = turns.into_iter();
        let run = run(Flaw::None, warm, &requests, |running| turns.next().unwrap_or_default() % running);
        prop_assert_eq!(run, Ok(()));
    }
}

/// Which rule is missed, and by what.
#[test]
fn without_any_of_the_rules_some_order_goes_wrong() {
    for flaw in [
        Flaw::FillOverwrites,
        Flaw::FillIgnoresVersion,
        Flaw::TombstoneForgotten,
        Flaw::BusyForgotten,
        Flaw::TouchIgnoresEnd,
    ] {
        let wrong = [false, true].iter().flat_map(|warm| {
            PAIRS.iter().filter_map(|requests| try_all(flaw, *warm, requests).err())
        });
        let wrong: Vec<_> = wrong.collect();
        println!(
            "{flaw:?}: {} of {} pairs, first {:?}",
            wrong.len(),
            2 * PAIRS.len(),
            wrong.first()
        );
        assert!(!wrong.is_empty(), "nobody misses {flaw:?}");
    }
}
