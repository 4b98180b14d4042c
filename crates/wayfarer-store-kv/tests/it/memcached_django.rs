//! The sessions of Django's `cache` engine in Memcached: the laws, and real Django beside us.

mod real {
    use std::time::Duration;

    use wayfarer_session::conformance;
    use wayfarer_store_kv::{DjangoMemcachedStore, MemcachedOptions};
    use wayfarer_testkit::{
        Memcached,
        django::{both_ways, project},
        sessions,
    };

    use crate::common::{django, prefix};

    async fn open(prefix: &str) -> DjangoMemcachedStore {
        let mut options = MemcachedOptions::default();
        options.prefix = Some(format!("{prefix}:1:"));
        options.patience = Duration::from_secs(60);
        let addresses = Memcached::shared().unwrap().addresses();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        DjangoMemcachedStore::open(&addresses, options).await.unwrap()
    }

    #[tokio::test]
    async fn every_law_is_kept() {
        conformance::run(&open(&prefix()).await).await.note("DjangoMemcachedStore").assert_kept();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back() {
        let manager = django(open(&prefix()).await);
        sessions::nothing_is_lost_and_nothing_comes_back("DjangoMemcachedStore", &manager)
            .await
            .unwrap();
    }

    /// Several times: each draws keys that belong to either server.
    #[tokio::test]
    async fn django_and_we_share_sessions_on_two_servers() {
        let prefix = prefix();
        let addresses = Memcached::shared().unwrap().addresses();
        let settings = format!(
            "CACHES={{'default': {{'BACKEND': 'django.core.cache.backends.memcached.PyMemcacheCache',
            'LOCATION': {addresses:?}, 'KEY_PREFIX': '{prefix}'}}}}"
        );
        let project = project(&["pymemcache"], "cache", &settings).unwrap();
        for _ in 0..3 {
            both_ways(&project, &django(open(&prefix).await)).await.unwrap();
        }
    }
}
