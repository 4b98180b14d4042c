//! The sessions of Django's `cache` engine in Redis: the laws, and real Django beside us.

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

    async fn open(prefix: &str) -> DjangoRedisStore {
        let mut options = RedisOptions::default();
        options.prefix = Some(format!("{prefix}:1:"));
        options.patience = Duration::from_secs(60);
        DjangoRedisStore::open(&Redis::shared().unwrap().url(), options).await.unwrap()
    }

    #[tokio::test]
    async fn every_law_is_kept() {
        conformance::run(&open(&prefix()).await).await.note("DjangoRedisStore").assert_kept();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back() {
        let manager = django(open(&prefix()).await);
        sessions::nothing_is_lost_and_nothing_comes_back("DjangoRedisStore", &manager)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn django_and_we_share_sessions() {
        let prefix = prefix();
        let url = Redis::shared().unwrap().url();
        let settings = format!(
            "CACHES={{'default': {{'BACKEND': 'django.core.cache.backends.redis.RedisCache',
            'LOCATION': '{url}', 'KEY_PREFIX': '{prefix}'}}}}"
        );
        let project = project(&["redis"], "cache", &settings).unwrap();
        both_ways(&project, &django(open(&prefix).await)).await.unwrap();
    }
}
