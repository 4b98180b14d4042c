//! The sessions of Django's `cache` engine in Redis and Valkey: the laws, and real Django beside us.

mod real {
    use std::time::Duration;

    use wayfarer_session::{SessionStore, Version, conformance};
    use wayfarer_store_kv::{DjangoRedisStore, RedisOptions};
    use wayfarer_testkit::{
        Redis,
        django::{both_ways, project},
        sessions,
    };

    use crate::common::{
        are_told_apart, commands, created, django, key, now, prefix, record, saved,
    };

    async fn open(server: &Redis, prefix: &str) -> DjangoRedisStore {
        let mut options = RedisOptions::default();
        options.prefix = Some(format!("{prefix}:1:"));
        options.patience = Duration::from_secs(60);
        DjangoRedisStore::open(&server.url(), options).await.unwrap()
    }

    async fn keeps_every_law(name: &str, server: &Redis) {
        conformance::run(&open(server, &prefix()).await).await.note(name).assert_kept();
    }

    async fn loses_nothing(name: &str, server: &Redis) {
        let manager = django(open(server, &prefix()).await);
        sessions::nothing_is_lost_and_nothing_comes_back(name, &manager).await.unwrap();
    }

    async fn shares_sessions_with_django(server: &Redis) {
        let (prefix, url) = (prefix(), server.url());
        let settings = format!(
            "CACHES={{'default': {{'BACKEND': 'django.core.cache.backends.redis.RedisCache',
            'LOCATION': '{url}', 'KEY_PREFIX': '{prefix}'}}}}"
        );
        let project = project(&["redis"], "cache", &settings).unwrap();
        both_ways(&project, &django(open(server, &prefix).await)).await.unwrap();
    }

    #[tokio::test]
    async fn every_law_is_kept() {
        keeps_every_law("DjangoRedisStore", Redis::shared().unwrap()).await;
    }

    #[tokio::test]
    async fn every_law_is_kept_in_valkey() {
        keeps_every_law("DjangoRedisStore, Valkey", Redis::shared_valkey().unwrap()).await;
    }

    #[tokio::test]
    async fn a_save_is_one_plain_command_in_valkey_and_one_script_in_redis() {
        let script = [("evalsha", 1), ("get", 1), ("pexpiretime", 1), ("set", 1)];
        for (server, save) in [
            (Redis::start_valkey().unwrap(), &[("set", 1)][..]),
            (Redis::start().unwrap(), &script[..]),
        ] {
            let prefix = prefix();
            let store = open(&server, &prefix).await;
            let (key, now) = (key(), now());
            let first = created(&store, &key, &record("1", now), now).await;
            // The first save learns what the server knows, and brings the script.
            let second = saved(&store, &key, &record("2", now), &first, now).await;
            server.ran().unwrap();
            let third = saved(&store, &key, &record("3", now), &second, now).await;
            assert_eq!((server.ran().unwrap(), third), (commands(save), Version::content(*b"3")));
            let loaded = store.load(&key, now).await.unwrap().unwrap();
            assert_eq!(&*loaded.record.data, b"3");
            server.ran().unwrap();
            saved(&store, &key, &record("4", now), &loaded.version, now).await;
            assert_eq!(server.ran().unwrap(), commands(save), "upon what was loaded");
            let end = record("4", now).expires_at.as_millisecond();
            let name = format!("{prefix}:1:django.contrib.sessions.cache{}", key.expose());
            let forgotten = server.command(&format!("PEXPIRETIME {name}")).unwrap();
            assert_eq!(forgotten, end.to_string(), "exactly at the end, as Django has it");
        }
    }

    #[tokio::test]
    async fn a_save_upon_a_touch_an_end_or_another_save_is_told_apart() {
        for server in [Redis::shared().unwrap(), Redis::shared_valkey().unwrap()] {
            are_told_apart(&open(server, &prefix()).await).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back() {
        loses_nothing("DjangoRedisStore", Redis::shared().unwrap()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back_in_valkey() {
        loses_nothing("DjangoRedisStore, Valkey", Redis::shared_valkey().unwrap()).await;
    }

    #[tokio::test]
    async fn django_and_we_share_sessions() {
        shares_sessions_with_django(Redis::shared().unwrap()).await;
    }

    #[tokio::test]
    async fn django_and_we_share_sessions_in_valkey() {
        shares_sessions_with_django(Redis::shared_valkey().unwrap()).await;
    }
}
