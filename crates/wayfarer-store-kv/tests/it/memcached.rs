//! Memcached on two servers: the laws, round trips, keys that are none, and a server that goes away.

mod real {
    use std::time::Duration;

    use wayfarer_session::{
        Created, Met, Record, Saved, SessionStore, StoreErrorKind, StoreKey,
        conformance::{self, laws},
    };
    use wayfarer_store_kv::{MemcachedOptions, MemcachedStore};
    use wayfarer_testkit::{Memcached, Wire, sessions};

    use crate::common::{key, native, now, prefix, record};

    fn options() -> MemcachedOptions {
        let mut options = MemcachedOptions::default();
        options.prefix = Some(prefix());
        options.patience = Duration::from_secs(60);
        options
    }

    async fn at(addresses: &[String]) -> MemcachedStore {
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        MemcachedStore::open(&addresses, options()).await.unwrap()
    }

    async fn open() -> MemcachedStore {
        at(&Memcached::shared().unwrap().addresses()).await
    }

    #[tokio::test]
    async fn every_law_is_kept() {
        let store = open().await;
        conformance::run(&store).await.note("MemcachedStore").assert_kept();
        // As long as there is room, also those that it cannot promise.
        laws::a_deleted_key_stays_taken(&store).await.unwrap();
        laws::a_rotated_key_stays_taken(&store).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back() {
        sessions::nothing_is_lost_and_nothing_comes_back("MemcachedStore", &native(open().await))
            .await
            .unwrap();
    }

    /// Memcached counts by 32 bits: an instant after 2038 was an instant long ago to it.
    #[tokio::test]
    async fn a_session_that_ends_in_another_century_is_kept() {
        let (store, now) = (open().await, now());
        for end in ["2038-01-19T03:14:07Z", "2038-01-19T03:14:08Z", "2107-01-01T00:00:00Z"] {
            let record = Record { expires_at: end.parse().unwrap(), ..record("1", now) };
            let key = key();
            let _ = store.create(&key, &record, now).await.unwrap();
            let loaded = store.load(&key, now).await.unwrap();
            assert_eq!(loaded.map(|loaded| loaded.record.expires_at), Some(record.expires_at));
        }
    }

    #[tokio::test]
    async fn a_read_and_a_save_are_one_round_trip_each() {
        let addresses = Memcached::shared().unwrap().addresses();
        let port = addresses[0].rsplit(':').next().unwrap().parse().unwrap();
        let wire = Wire::to(port).unwrap();
        let store = at(&[format!("127.0.0.1:{}", wire.port())]).await;
        let (key, now) = (key(), now());
        let Created::Stored(version) = store.create(&key, &record("1", now), now).await.unwrap()
        else {
            panic!("the key is taken");
        };
        let before = wire.trips();
        store.load(&key, now).await.unwrap().unwrap();
        assert_eq!(wire.trips() - before, 1, "a read");
        let saved = store.save(&key, &record("2", now), &version, now).await.unwrap();
        assert!(matches!(saved, Saved::Stored(_)));
        assert_eq!(wire.trips() - before, 2, "and a save");
    }

    /// Or else a key would be a command.
    #[tokio::test]
    async fn what_memcached_takes_for_no_key_has_no_session() {
        let store = open().await;
        let now = now();
        let long = "k".repeat(300);
        for bad in ["a b", "a\r\nflush_all", "é", long.as_str()] {
            let key = StoreKey::new(bad);
            assert!(store.load(&key, now).await.unwrap().is_none());
            assert_eq!(store.delete(&key, now).await.unwrap(), Met::Gone);
            let error = store.create(&key, &record("1", now), now).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unreadable, "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_and_the_connection_stands() {
        let store = open().await;
        let (key, now) = (key(), now());
        let large = Record { data: vec![b'x'; 2 << 20].into(), ..record("", now) };
        let error = store.create(&key, &large, now).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge, "{error}");
        assert!(store.load(&key, now).await.unwrap().is_none());
        assert!(matches!(
            store.create(&key, &record("1", now), now).await.unwrap(),
            Created::Stored(_)
        ));
    }

    #[tokio::test]
    async fn a_server_that_goes_away_is_unavailable_and_comes_back_without_old_sessions() {
        let servers = Memcached::start().unwrap();
        let store = at(&servers.addresses()).await;
        let now = now();
        let keys: Vec<StoreKey> = (0..20).map(|_| key()).collect();
        for key in &keys {
            let _ = store.create(key, &record("1", now), now).await.unwrap();
        }
        servers.kill(0).unwrap();
        let mut away = 0;
        for key in &keys {
            match store.load(key, now).await {
                Ok(loaded) => assert!(loaded.is_some(), "the other server has its sessions"),
                Err(error) => {
                    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
                    assert!(error.to_string().contains("is it running"), "{error}");
                    away += 1;
                }
            }
        }
        assert!(0 < away && away < keys.len(), "{away} of {} keys are away", keys.len());
        servers.resume(0).unwrap();
        let mut there = 0;
        for key in &keys {
            there += usize::from(store.load(key, now).await.unwrap().is_some());
        }
        assert_eq!(there, keys.len() - away);
    }
}
