//! The sessions of Django's `cache` engine in Redis and Valkey: the laws, and real Django beside us.

mod real {
    use std::time::Duration;

    use wayfarer_session::conformance;
    use wayfarer_store_kv::{DjangoRedisStore, RedisOptions};
    use wayfarer_testkit::{
        Redis,
        django::{both_ways, project},
        sessions,
    };

    use crate::common::{django, prefix};

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
