//! Caches on real servers in front of databases, as applications put them together: the laws, many at once, and real Django
//! with its `cached_db` beside us.

mod real {
    use std::{path::Path, sync::Arc, time::Duration};

    use wayfarer::{
        CookieKeys, DjangoCodec, DjangoKeys,
        session::{Capabilities, SessionManager, SessionStore, django::SALT},
        store::{
            CachedStore, DjangoCachedStore, DjangoFileOptions, DjangoFileStore,
            DjangoMemcachedStore, DjangoMySqlStore, DjangoPostgresStore, DjangoRedisStore,
            DjangoSqliteStore, Durability, FileDurability, FileStore, MemcachedOptions,
            MemcachedStore, MemoryStore, MySqlStore, PoolOptions, PostgresStore, RedisOptions,
            RedisStore, SqliteOptions, SqliteStore,
        },
    };
    use wayfarer_session::{SessionKey, SystemRandom, conformance};
    use wayfarer_testkit::{
        MariaDb, Memcached, Postgres, Redis,
        django::{SECRET, both_ways, project, sqlite},
        sessions,
    };

    /// The machine may be busy.
    const PATIENCE: Duration = Duration::from_secs(60);
    const DEADLINE: Duration = Duration::from_secs(120);

    fn prefix() -> String {
        let key = SessionKey::random(&SystemRandom).unwrap().at_rest();
        key.expose().chars().take(20).collect()
    }

    fn redis(prefix: &str) -> RedisOptions {
        let mut options = RedisOptions::default();
        options.prefix = Some(format!("{prefix}:1:"));
        options.patience = PATIENCE;
        options
    }

    fn memcached(prefix: &str) -> MemcachedOptions {
        let mut options = MemcachedOptions::default();
        options.prefix = Some(format!("{prefix}:1:"));
        options.patience = PATIENCE;
        options
    }

    fn quick() -> SqliteOptions {
        let mut options = SqliteOptions::default();
        options.durability = Durability::Normal;
        options
    }

    fn patient() -> PoolOptions {
        let mut options = PoolOptions::default();
        options.patience = PATIENCE;
        options
    }

    async fn table(folder: &Path) -> SqliteStore {
        SqliteStore::open(&folder.join("sessions.sqlite"), quick()).await.unwrap()
    }

    async fn djangos_table(folder: &Path) -> DjangoSqliteStore {
        DjangoSqliteStore::open(&folder.join("db.sqlite3"), quick()).await.unwrap()
    }

    fn codec() -> DjangoCodec {
        DjangoCodec::new(&DjangoKeys::new(SECRET).unwrap(), SALT).unwrap()
    }

    fn manager(store: impl SessionStore, django: bool) -> SessionManager {
        let builder = SessionManager::builder(store).save_deadline(DEADLINE);
        let builder = if django {
            builder.django(codec())
        } else {
            builder.cookie_keys(CookieKeys::new(&[7; 32]).unwrap())
        };
        builder.build().unwrap()
    }

    async fn holds(name: &str, store: impl SessionStore, django: bool) {
        let report = conformance::run(&store).await;
        report.note(name).assert_kept();
        assert_ne!(store.capabilities(), Capabilities::none());
        let manager = manager(store, django);
        sessions::nothing_is_lost_and_nothing_comes_back(name, &manager).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_redis_before_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let url = Redis::shared().unwrap().url();
        let fast = RedisStore::open(&url, redis(&prefix())).await.unwrap();
        let store = CachedStore::new(fast, table(folder.path()).await).unwrap();
        holds("CachedStore<RedisStore, SqliteStore>", store, false).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_memcached_before_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let addresses = Memcached::shared().unwrap().addresses();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let fast = MemcachedStore::open(&addresses, memcached(&prefix())).await.unwrap();
        let store = CachedStore::new(fast, table(folder.path()).await).unwrap();
        holds("CachedStore<MemcachedStore, SqliteStore>", store, false).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_cached_db_in_redis() {
        let folder = tempfile::tempdir().unwrap();
        let url = Redis::shared().unwrap().url();
        let fast = DjangoRedisStore::open(&url, redis(&prefix())).await.unwrap().for_cached_db();
        let store =
            DjangoCachedStore::new(fast, djangos_table(folder.path()).await, &codec()).unwrap();
        holds("DjangoCachedStore<DjangoRedisStore, DjangoSqliteStore>", store, true).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_cached_db_in_memcached() {
        let folder = tempfile::tempdir().unwrap();
        let addresses = Memcached::shared().unwrap().addresses();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let fast = DjangoMemcachedStore::open(&addresses, memcached(&prefix())).await.unwrap();
        let table = djangos_table(folder.path()).await;
        let store = DjangoCachedStore::new(fast.for_cached_db(), table, &codec()).unwrap();
        holds("DjangoCachedStore<DjangoMemcachedStore, DjangoSqliteStore>", store, true).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_redis_before_postgres() {
        let url = Redis::shared().unwrap().url();
        let fast = RedisStore::open(&url, redis(&prefix())).await.unwrap();
        let database = Postgres::shared().unwrap().database().unwrap();
        let durable = PostgresStore::open(&database, patient()).await.unwrap();
        let store = CachedStore::new(fast, durable).unwrap();
        holds("CachedStore<RedisStore, PostgresStore>", store, false).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_memory_before_mariadb() {
        let database = MariaDb::shared().unwrap().database().unwrap();
        let durable = MySqlStore::open(&database, patient()).await.unwrap();
        let store = CachedStore::new(MemoryStore::new(), durable).unwrap();
        holds("CachedStore<MemoryStore, MySqlStore>", store, false).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_cached_db_in_redis_before_postgres() {
        let url = Redis::shared().unwrap().url();
        let fast = DjangoRedisStore::open(&url, redis(&prefix())).await.unwrap().for_cached_db();
        let database = Postgres::shared().unwrap().database().unwrap();
        let durable = DjangoPostgresStore::open(&database, patient()).await.unwrap();
        let store = DjangoCachedStore::new(fast, durable, &codec()).unwrap();
        holds("DjangoCachedStore<DjangoRedisStore, DjangoPostgresStore>", store, true).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_law_is_kept_by_cached_db_in_redis_before_mariadb() {
        let url = Redis::shared().unwrap().url();
        let fast = DjangoRedisStore::open(&url, redis(&prefix())).await.unwrap().for_cached_db();
        let database = MariaDb::shared().unwrap().database().unwrap();
        let durable = DjangoMySqlStore::open(&database, patient()).await.unwrap();
        let store = DjangoCachedStore::new(fast, durable, &codec()).unwrap();
        holds("DjangoCachedStore<DjangoRedisStore, DjangoMySqlStore>", store, true).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_in_stores_without_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let files = FileStore::with_durability(&at("files"), FileDurability::Normal).unwrap();
        let djangos = DjangoFileStore::open(&at("djangos"), &codec(), DjangoFileOptions::default());
        let stores: [(&str, Box<dyn SessionStore>, bool); 5] = [
            ("MemoryStore", Box::new(MemoryStore::new()), false),
            ("FileStore", Box::new(files), false),
            ("DjangoFileStore", Box::new(djangos.unwrap()), true),
            ("SqliteStore", Box::new(table(folder.path()).await), false),
            ("DjangoSqliteStore", Box::new(djangos_table(folder.path()).await), true),
        ];
        for (name, store, django) in stores {
            let store: Arc<dyn SessionStore> = store.into();
            let manager = manager(store, django);
            sessions::nothing_is_lost_and_nothing_comes_back(name, &manager).await.unwrap();
        }
    }

    /// Django finds in its cache what we put there, and the reverse, without a look at the table.
    #[tokio::test]
    async fn django_and_we_share_cached_db() {
        let folder = tempfile::tempdir().unwrap();
        let (prefix, url) = (prefix(), Redis::shared().unwrap().url());
        let database = sqlite(&folder.path().join("db.sqlite3"));
        let settings = format!(
            "CACHES={{'default': {{'BACKEND': 'django.core.cache.backends.redis.RedisCache',
            'LOCATION': '{url}', 'KEY_PREFIX': '{prefix}'}}}}, {database}"
        );
        let project = project(&["redis"], "cached_db", &settings).unwrap();
        let fast = DjangoRedisStore::open(&url, redis(&prefix)).await.unwrap().for_cached_db();
        let store =
            DjangoCachedStore::new(fast, djangos_table(folder.path()).await, &codec()).unwrap();
        let manager = SessionManager::builder(store).django(codec()).build().unwrap();
        both_ways(&project, &manager).await.unwrap();
        let session = manager.open(None);
        session.insert("a", 1).await.unwrap();
        let key = crate::tiers::cookie(&session).await;
        let found = project.run(&format!(
            "from django.core.cache import cache; s = S({key:?}); print(cache.get(s.cache_key))"
        ));
        assert!(found.as_ref().unwrap().contains("'a': 1"), "{found:?}");
    }
}

/// The cookie of a session that is saved now.
async fn cookie(session: &wayfarer::Session) -> String {
    use wayfarer::{CookieChange, session::Outcome};
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => value,
        other => panic!("a new session gives the cookie {other:?}"),
    }
}
