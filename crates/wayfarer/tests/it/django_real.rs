//! Real Django beside us: its `cached_db` engine, in Redis and in Memcached, and its oldest and newest supported versions in
//! every kind of store. The version between is in the tests of each store.

mod real {
    use std::{path::Path, time::Duration};

    use tempfile::TempDir;
    use wayfarer::{
        CookieSessions, DjangoCodec, DjangoKeys,
        session::{
            CookieChange, Outcome, SessionManager,
            django::{COOKIE_SALT, PickleCodec, SALT},
        },
        store::{
            DjangoCachedStore, DjangoFileOptions, DjangoFileStore, DjangoMemcachedStore,
            DjangoRedisStore, DjangoSqliteStore, MemcachedOptions, RedisOptions, SessionStore,
            SqliteOptions,
        },
    };
    use wayfarer_testkit::{
        Django, Memcached, Redis,
        django::{SECRET, Version, both_ways, cookies_both_ways, project, project_of, sqlite},
    };

    /// The machine may be busy.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn codec(salt: &str) -> DjangoCodec {
        DjangoCodec::new(&DjangoKeys::new(SECRET).unwrap(), salt).unwrap()
    }

    async fn table(folder: &Path) -> DjangoSqliteStore {
        let mut options = SqliteOptions::default();
        options.patience = PATIENCE;
        DjangoSqliteStore::open(&folder.join("db.sqlite3"), options).await.unwrap()
    }

    /// What the keys of one test begin with: the tests share a server.
    fn prefix(folder: &TempDir) -> String {
        folder.path().file_name().unwrap().to_str().unwrap().to_owned()
    }

    async fn redis(prefix: &str) -> DjangoRedisStore {
        let mut options = RedisOptions::default();
        options.prefix = Some(format!("{prefix}:1:"));
        options.patience = PATIENCE;
        DjangoRedisStore::open(&Redis::shared().unwrap().url(), options).await.unwrap()
    }

    fn in_redis(prefix: &str) -> String {
        format!(
            "CACHES={{'default': {{'BACKEND': 'django.core.cache.backends.redis.RedisCache',
            'LOCATION': '{}', 'KEY_PREFIX': '{prefix}'}}}}",
            Redis::shared().unwrap().url()
        )
    }

    /// Both ways, and what is told apart in this engine alone: a row, and what the cache holds of it.
    async fn cached_db_both_ways<Fast: SessionStore>(django: &Django, folder: &Path, fast: Fast) {
        let store = DjangoCachedStore::new(fast, table(folder).await, &codec(SALT)).unwrap();
        let store = std::sync::Arc::new(store);
        let manager = SessionManager::builder(store.clone()).django(codec(SALT)).build().unwrap();
        both_ways(django, &manager).await.unwrap();

        let before = store.counts();
        let key =
            django.run("s = S(); s['n'] = 1; s.create(); s.save(); print(s.session_key)").unwrap();
        let n = async || manager.open(Some(&key)).get::<u32>("n").await.unwrap();
        // The first look believes the cache only together with the row; the second finds both in our own entry.
        assert_eq!((n().await, n().await), (Some(1), Some(1)));
        let counts = store.counts();
        assert!(counts.hits > before.hits, "the cache answers: {before:?}, then {counts:?}");
        assert_eq!(counts.troubles, 0, "{counts:?}");
        // What we wrote, Django finds in its cache, without a look at the row.
        let session = manager.open(Some(&key));
        session.insert("n", 2).await.unwrap();
        let _ = session.finish(Outcome::Keep).await.unwrap();
        let rows = "from django.contrib.sessions.models import Session";
        let found = format!(
            "{rows}
from django.db import connection
from django.test.utils import CaptureQueriesContext
with CaptureQueriesContext(connection) as asked: n = S({key:?}).get('n')
print(n, len(asked))"
        );
        let found = django.run(&found).unwrap();
        assert!(found == "2 0" || found == "2 1", "{found}");
        // A flush in Django takes the row and the cached value: nothing of it is left for us.
        let at_work = manager.open(Some(&key));
        at_work.insert("late", 1).await.unwrap();
        let left =
            django.run(&format!("{rows}\nS({key:?}).flush(); print(Session.objects.count())"));
        assert_eq!(left.unwrap(), "0");
        assert!(at_work.finish(Outcome::Keep).await.is_err(), "a late save revives nothing");
        assert_eq!(n().await, None);
        // And the other way round.
        let session = manager.open(None);
        session.insert("n", 3).await.unwrap();
        let value = match session.finish(Outcome::Keep).await.unwrap().cookie {
            CookieChange::Set { value, .. } => Some(value),
            CookieChange::Keep | CookieChange::Remove => None,
        };
        let value = value.unwrap();
        assert_eq!(django.run(&format!("print(S({value:?})['n'])")).unwrap(), "3");
        manager.open(Some(&value)).flush().await.unwrap();
        let gone = format!("{rows}\nprint(S({value:?}).get('n'), Session.objects.count())");
        assert_eq!(django.run(&gone).unwrap(), "None 0");
    }

    #[tokio::test]
    async fn cached_db_in_redis() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = prefix(&folder);
        let database = sqlite(&folder.path().join("db.sqlite3"));
        let settings = format!("{database}, {}", in_redis(&prefix));
        let django = project(&["redis"], "cached_db", &settings).unwrap();
        cached_db_both_ways(&django, folder.path(), redis(&prefix).await.for_cached_db()).await;
    }

    #[tokio::test]
    async fn cached_db_in_memcached() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = prefix(&folder);
        let addresses = Memcached::shared().unwrap().addresses();
        let settings = format!(
            "{}, CACHES={{'default': {{
            'BACKEND': 'django.core.cache.backends.memcached.PyMemcacheCache',
            'LOCATION': {addresses:?}, 'KEY_PREFIX': '{prefix}'}}}}",
            sqlite(&folder.path().join("db.sqlite3"))
        );
        let django = project(&["pymemcache"], "cached_db", &settings).unwrap();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let mut options = MemcachedOptions::default();
        options.prefix = Some(format!("{prefix}:1:"));
        options.patience = PATIENCE;
        let fast = DjangoMemcachedStore::open(&addresses, options).await.unwrap();
        cached_db_both_ways(&django, folder.path(), fast.for_cached_db()).await;
    }

    async fn in_the_database(version: Version) {
        let folder = tempfile::tempdir().unwrap();
        let settings = sqlite(&folder.path().join("db.sqlite3"));
        let django = project_of(version, "db", &settings).unwrap();
        // Django makes the table, and we find it.
        django.run("call_command('migrate', verbosity=0)").unwrap();
        let store = table(folder.path()).await;
        let manager = SessionManager::builder(store).django(codec(SALT)).build().unwrap();
        both_ways(&django, &manager).await.unwrap();
    }

    async fn in_the_cache(version: Version) {
        let folder = tempfile::tempdir().unwrap();
        let prefix = prefix(&folder);
        let django = project_of(version, "cache", &in_redis(&prefix)).unwrap();
        let store = redis(&prefix).await;
        let manager = SessionManager::builder(store).django(PickleCodec::new()).build().unwrap();
        both_ways(&django, &manager).await.unwrap();
    }

    async fn in_files(version: Version) {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("SESSION_FILE_PATH={:?}", folder.path());
        let django = project_of(version, "file", &settings).unwrap();
        let options = DjangoFileOptions::default();
        let store = DjangoFileStore::open(folder.path(), &codec(SALT), options).unwrap();
        let manager = SessionManager::builder(store).django(codec(SALT)).build().unwrap();
        both_ways(&django, &manager).await.unwrap();
    }

    async fn in_signed_cookies(version: Version) {
        let django = project_of(version, "signed_cookies", "").unwrap();
        let manager = SessionManager::in_cookies(CookieSessions::signed());
        let manager = manager.django(codec(COOKIE_SALT)).build().unwrap();
        cookies_both_ways(&django, &manager).await.unwrap();
    }

    macro_rules! every_store {
        ($name:ident, $version:expr) => {
            mod $name {
                use super::*;

                #[tokio::test]
                async fn in_the_database() {
                    super::in_the_database($version).await;
                }

                #[tokio::test]
                async fn in_the_cache() {
                    super::in_the_cache($version).await;
                }

                #[tokio::test]
                async fn in_files() {
                    super::in_files($version).await;
                }

                #[tokio::test]
                async fn in_signed_cookies() {
                    super::in_signed_cookies($version).await;
                }
            }
        };
    }

    every_store!(django_4_2, Version::Oldest);
    every_store!(django_6, Version::Newest);
}
