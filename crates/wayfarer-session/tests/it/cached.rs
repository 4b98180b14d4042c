//! A cache in front of a store: the laws, trouble, trust, and every order in which the calls of a few requests can fall.

mod schedules;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use wayfarer_session::{
    CachedStore, Capabilities, Created, Cursor, DjangoCachedStore, Durability, ErrorKind,
    FileStore, Listed, Loaded, MemoryStore, Met, Page, Record, Rotated, Rotation, Saved,
    SessionStore, StoreError, StoreErrorKind, StoreKey, Touched, Version, conformance,
    django::{DjangoCodec, DjangoKeys, PickleCodec, SALT},
};

fn cached(fast: &MemoryStore, durable: &MemoryStore) -> CachedStore<MemoryStore, MemoryStore> {
    CachedStore::new(fast.clone(), durable.clone()).unwrap()
}

fn record(text: &str, now: Timestamp) -> Record {
    let expires_at = now + SignedDuration::from_hours(2);
    Record { data: text.as_bytes().into(), expires_at, subject: None, user: None }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

async fn text(store: &dyn SessionStore, key: &StoreKey, now: Timestamp) -> Option<String> {
    let loaded = store.load(key, now).await.unwrap()?;
    Some(String::from_utf8(loaded.record.data.to_vec()).unwrap())
}

async fn stored(store: &dyn SessionStore, key: &StoreKey, text: &str) -> Version {
    match store.create(key, &record(text, now()), now()).await.unwrap() {
        Created::Stored(version) => version,
        Created::Taken => panic!("the key is taken"),
    }
}

#[tokio::test]
async fn memory_before_memory_keeps_every_law() {
    let report = conformance::run(&cached(&MemoryStore::new(), &MemoryStore::new())).await;
    report.note("CachedStore<MemoryStore, MemoryStore>");
    assert!(report.0.iter().all(|(_, verdict)| *verdict == conformance::Verdict::Kept), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_before_files_keeps_every_law() {
    let folder = tempfile::tempdir().unwrap();
    let files = FileStore::with_durability(folder.path(), Durability::Normal).unwrap();
    let store = CachedStore::new(MemoryStore::new(), files).unwrap();
    conformance::run(&store).await.note("CachedStore<MemoryStore, FileStore>").assert_kept();
}

#[tokio::test]
async fn a_cache_that_is_always_away_keeps_every_law() {
    let away = Odd::default();
    away.away.store(true, Ordering::SeqCst);
    let store = CachedStore::new(away, MemoryStore::new()).unwrap();
    conformance::run(&store).await.note("CachedStore, its cache away").assert_kept();
    assert!(store.counts().troubles > 0 && store.counts().hits == 0);
}

#[tokio::test]
async fn a_read_costs_the_durable_store_one_call() {
    let (fast, durable, key) = (MemoryStore::new(), MemoryStore::new(), StoreKey::new("a"));
    stored(&durable, &key, "1").await;
    let store = cached(&fast, &durable);
    for _ in 0..10 {
        assert_eq!(text(&store, &key, now()).await.as_deref(), Some("1"));
    }
    assert_eq!((store.counts().misses, store.counts().hits), (1, 9));
    // What is not there is not remembered.
    let other = StoreKey::new("b");
    assert!(text(&store, &other, now()).await.is_none());
    stored(&durable, &other, "2").await;
    assert_eq!(text(&store, &other, now()).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_save_upon_what_was_remembered_reaches_the_durable_store() {
    let (fast, durable, key) = (MemoryStore::new(), MemoryStore::new(), StoreKey::new("a"));
    stored(&durable, &key, "1").await;
    let (ours, theirs) = (cached(&fast, &durable), cached(&fast, &durable));
    let seen = ours.load(&key, now()).await.unwrap().unwrap().version;
    let saved = theirs.save(&key, &record("2", now()), &seen, now()).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(text(&ours, &key, now()).await.as_deref(), Some("2"));
    let late = ours.save(&key, &record("3", now()), &seen, now()).await.unwrap();
    assert_eq!(late, Saved::Conflict);
    assert_eq!(text(&ours, &key, now()).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn what_was_changed_behind_the_cache_is_believed_for_a_while_and_then_not() {
    let (fast, durable, key) = (MemoryStore::new(), MemoryStore::new(), StoreKey::new("a"));
    let store = cached(&fast, &durable).trust_for(Duration::from_secs(60));
    stored(&store, &key, "1").await;
    let _ = durable.delete(&key, now()).await.unwrap();
    let soon = now() + SignedDuration::from_secs(59);
    assert_eq!(text(&store, &key, soon).await.as_deref(), Some("1"));
    assert!(text(&store, &key, now() + SignedDuration::from_secs(60)).await.is_none());
    assert!(text(&store, &key, soon).await.is_none(), "it is remembered as ended");
}

#[tokio::test]
async fn who_dies_while_busy_leaves_nobody_with_what_was_before() {
    let (fast, durable, key) = (MemoryStore::new(), MemoryStore::new(), StoreKey::new("a"));
    let store = cached(&fast, &durable);
    let version = stored(&store, &key, "1").await;
    // The durable store takes the save and does not answer: the cache was marked, and is not settled.
    let lost = Odd { store: durable.clone(), lost: true, ..Odd::default() };
    let dying = CachedStore::new(fast.clone(), lost).unwrap();
    let error = dying.save(&key, &record("2", now()), &version, now()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(text(&store, &key, now()).await.as_deref(), Some("2"));
    let before = store.counts();
    let later = now() + SignedDuration::from_secs(11);
    for _ in 0..3 {
        assert_eq!(text(&store, &key, later).await.as_deref(), Some("2"));
    }
    assert_eq!(store.counts().misses - before.misses, 1, "the mark has lapsed");
}

#[tokio::test]
async fn trouble_with_the_cache_fails_nothing_and_is_counted() {
    let (odd, durable, key) = (Odd::default(), MemoryStore::new(), StoreKey::new("a"));
    let store = CachedStore::new(odd.clone(), durable.clone()).unwrap();
    let version = stored(&store, &key, "1").await;
    odd.away.store(true, Ordering::SeqCst);
    assert_eq!(text(&store, &key, now()).await.as_deref(), Some("1"));
    let saved = store.save(&key, &record("2", now()), &version, now()).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(text(&store, &key, now()).await.as_deref(), Some("2"));
    assert_eq!(store.delete(&key, now()).await.unwrap(), Met::Live);
    assert!(store.counts().troubles >= 4);
    odd.away.store(false, Ordering::SeqCst);
    // The cache could not be told; it is believed no longer than it is trusted.
    let later = now() + SignedDuration::from_mins(5);
    assert!(text(&store, &key, later).await.is_none());
}

#[tokio::test]
async fn a_record_too_large_for_the_cache_is_served_without_it() {
    let (durable, key) = (MemoryStore::new(), StoreKey::new("a"));
    let store = CachedStore::new(Odd { small: true, ..Odd::default() }, durable.clone()).unwrap();
    let version = stored(&store, &key, "small").await;
    let large = "x".repeat(500);
    let saved = store.save(&key, &record(&large, now()), &version, now()).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(text(&store, &key, now()).await, Some(large));
    assert_eq!(store.counts().troubles, 0);
}

#[tokio::test]
async fn a_fast_store_without_compare_and_swap_is_refused() {
    let error = CachedStore::new(Odd { blind: true, ..Odd::default() }, MemoryStore::new());
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

fn codec() -> DjangoCodec {
    DjangoCodec::new(&DjangoKeys::new("the-secret-key-of-a-test").unwrap(), SALT).unwrap()
}

/// What Django would find in the cache: it reads to the end of the pickle.
async fn pickled(fast: &MemoryStore, key: &StoreKey) -> Option<String> {
    let loaded = fast.load(key, now()).await.unwrap()?;
    let data = &loaded.record.data;
    if data.starts_with(b"\x80\x05N.") {
        return Some("None".to_owned());
    }
    Some(PickleCodec::new().decode(data).unwrap().to_string())
}

#[tokio::test]
async fn cached_db_holds_pickles_in_the_cache_and_signed_text_in_the_row() {
    let (fast, durable, key) = (MemoryStore::new(), MemoryStore::new(), StoreKey::new("a"));
    let store = DjangoCachedStore::new(fast.clone(), durable.clone(), &codec()).unwrap();
    let signed = codec().encode(r#"{"a":[1,2.5,"\u00e9"]}"#, now());
    stored(&store, &key, &signed).await;
    assert_eq!(pickled(&fast, &key).await.as_deref(), Some(r#"{"a":[1,2.5,"\u00e9"]}"#));
    assert_eq!(text(&durable, &key, now()).await, Some(signed.clone()));
    assert_eq!(text(&store, &key, now()).await, Some(signed));
    assert_eq!(store.counts().hits, 1);
    let _ = store.delete(&key, now()).await.unwrap();
    assert_eq!(pickled(&fast, &key).await.as_deref(), Some("None"), "a miss, to Django");
    assert!(text(&store, &key, now()).await.is_none());
}

#[tokio::test]
async fn what_django_put_into_the_cache_is_believed_only_with_its_row() {
    let (fast, durable, key) = (MemoryStore::new(), MemoryStore::new(), StoreKey::new("a"));
    let store = DjangoCachedStore::new(fast.clone(), durable.clone(), &codec()).unwrap();
    let pickle = PickleCodec::new().encode(r#"{"a":1}"#).unwrap();
    let of_django = Record { data: pickle.into(), ..record("", now()) };
    let _ = fast.create(&key, &of_django, now()).await.unwrap();
    assert!(text(&store, &key, now()).await.is_none(), "the row is gone, and so is the session");
    let signed = codec().encode(r#"{"a":1}"#, now());
    let version = stored(&durable, &key, &signed).await;
    assert_eq!(text(&store, &key, now()).await, Some(signed));
    let _ = durable.delete(&key, now()).await.unwrap();
    // The write path notices at once, as Django's does.
    let late = store.save(&key, &record("late", now()), &version, now()).await.unwrap();
    assert_eq!(late, Saved::Gone);
    assert!(text(&store, &key, now()).await.is_none());
}

#[tokio::test]
async fn cached_db_keeps_every_law() {
    // The laws' records are no values of Django's, so nothing of them is remembered; the marks are.
    let store = DjangoCachedStore::new(MemoryStore::new(), MemoryStore::new(), &codec()).unwrap();
    let report = conformance::run(&store).await;
    report.note("DjangoCachedStore<MemoryStore, MemoryStore>").assert_kept();
}

/// A memory store with something odd about it.
#[derive(Clone, Debug, Default)]
struct Odd {
    store: MemoryStore,
    /// It can be sent away.
    away: Arc<AtomicBool>,
    /// It takes small records only.
    small: bool,
    /// It cannot tell versions apart.
    blind: bool,
    /// It takes saves, and its answers to them are lost.
    lost: bool,
}

impl Odd {
    fn check(&self, call: &'static str) -> Result<&MemoryStore, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, call, "it is away"));
        }
        Ok(&self.store)
    }
}

#[async_trait::async_trait]
impl SessionStore for Odd {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.store.capabilities();
        capabilities.cas = !self.blind;
        capabilities.max_bytes = self.small.then_some(200);
        capabilities
    }
    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        self.check("create")?.create(key, record, now).await
    }
    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.check("load")?.load(key, now).await
    }
    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let saved = self.check("save")?.save(key, record, expected, now).await?;
        if self.lost {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "save", "nobody answers"));
        }
        Ok(saved)
    }
    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        self.check("touch")?.touch(key, from, expires_at, now).await
    }
    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        self.check("rotate")?.rotate(rotation, now).await
    }
    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        self.check("delete")?.delete(key, now).await
    }
    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        self.check("list")?.list(user, limit, now).await
    }
    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.check("scan")?.scan(from, limit, now).await
    }
    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        self.check("purge")?.purge(limit, now).await
    }
}
