//! Redis and Valkey, alone and as a cluster: the laws, round trips, an index that does not grow, and a server that goes away.

mod real {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use wayfarer_session::{
        Record, Rotated, Rotation, SessionStore, StoreErrorKind, StoreKey, Version, conformance,
    };
    use wayfarer_store_kv::{RedisOptions, RedisStore};
    use wayfarer_testkit::{Redis, RedisCluster, Wire, sessions};

    use crate::common::{
        are_told_apart, commands, created, key, native, now, prefix, record, saved,
    };

    fn options() -> RedisOptions {
        let mut options = RedisOptions::default();
        options.prefix = Some(prefix());
        // The machine may be busy.
        options.patience = Duration::from_secs(60);
        options
    }

    async fn on(server: &Redis) -> RedisStore {
        RedisStore::open(&server.url(), options()).await.unwrap()
    }

    async fn across(cluster: &RedisCluster) -> RedisStore {
        let urls = cluster.urls();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        RedisStore::open_cluster(&urls, options()).await.unwrap()
    }

    async fn keeps_every_law(name: &str, store: RedisStore) {
        conformance::run(&store).await.note(name).assert_kept();
    }

    async fn loses_nothing(name: &str, store: RedisStore) {
        sessions::nothing_is_lost_and_nothing_comes_back(name, &native(store)).await.unwrap();
    }

    #[tokio::test]
    async fn every_law_is_kept() {
        keeps_every_law("RedisStore", on(Redis::shared().unwrap()).await).await;
    }

    #[tokio::test]
    async fn every_law_is_kept_in_valkey() {
        keeps_every_law("RedisStore, Valkey", on(Redis::shared_valkey().unwrap()).await).await;
    }

    #[tokio::test]
    async fn every_law_is_kept_in_a_cluster() {
        let store = across(RedisCluster::shared().unwrap()).await;
        keeps_every_law("RedisStore, cluster", store).await;
    }

    #[tokio::test]
    async fn every_law_is_kept_in_a_valkey_cluster() {
        let store = across(RedisCluster::shared_valkey().unwrap()).await;
        keeps_every_law("RedisStore, Valkey cluster", store).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back() {
        loses_nothing("RedisStore", on(Redis::shared().unwrap()).await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back_in_valkey() {
        loses_nothing("RedisStore, Valkey", on(Redis::shared_valkey().unwrap()).await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back_in_a_cluster() {
        let store = across(RedisCluster::shared().unwrap()).await;
        loses_nothing("RedisStore, cluster", store).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back_in_a_valkey_cluster() {
        let store = across(RedisCluster::shared_valkey().unwrap()).await;
        loses_nothing("RedisStore, Valkey cluster", store).await;
    }

    #[tokio::test]
    async fn a_read_and_a_save_are_one_round_trip_each() {
        let wire = Wire::to(Redis::shared().unwrap().port()).unwrap();
        let url = format!("redis://127.0.0.1:{}", wire.port());
        let store = RedisStore::open(&url, options()).await.unwrap();
        let (key, now) = (key(), now());
        let record = Record { user: Some("ada".into()), ..record("1", now) };
        let first = created(&store, &key, &record, now).await;
        // The first save brings the script.
        let second = saved(&store, &key, &record, &first, now).await;
        let before = wire.trips();
        store.load(&key, now).await.unwrap().unwrap();
        assert_eq!(wire.trips() - before, 1, "a read");
        let _ = store.save(&key, &record, &second, now).await.unwrap();
        assert_eq!(wire.trips() - before, 2, "and a save");
    }

    /// Valkey compares and sets by itself. A user's index, and a value that is long to send twice, are for scripts.
    #[tokio::test]
    async fn a_save_of_nobodys_session_is_one_plain_command_in_valkey() {
        let server = Redis::start_valkey().unwrap();
        let wire = Wire::to(server.port()).unwrap();
        let url = format!("redis://127.0.0.1:{}", wire.port());
        let options = options();
        let prefix = options.prefix.clone().unwrap();
        let store = RedisStore::open(&url, options).await.unwrap();
        let (key, now) = (key(), now());
        let first = created(&store, &key, &record("1", now), now).await;
        server.ran().unwrap();
        let before = wire.trips();
        let second = saved(&store, &key, &record("2", now), &first, now).await;
        let third = saved(&store, &key, &record("3", now), &second, now).await;
        assert_eq!(third, Version::number(3));
        let loaded = store.load(&key, now).await.unwrap().unwrap();
        assert_eq!((&*loaded.record.data, &loaded.version), (&b"3"[..], &third));
        let fourth = saved(&store, &key, &record("4", now), &loaded.version, now).await;
        assert_eq!(wire.trips() - before, 4, "one each");
        assert_eq!(server.ran().unwrap(), commands(&[("get", 1), ("set", 3)]));
        let forgotten = server.command(&format!("PEXPIRETIME {prefix}s:{}", key.expose())).unwrap();
        let minute_after = record("4", now).expires_at.as_millisecond() + 60_000;
        assert_eq!(forgotten, minute_after.to_string());
        let to = StoreKey::new(format!("{}-2", key.expose()));
        let rotation = Rotation {
            from: &key,
            to: &to,
            record: &record("5", now),
            left: None,
            expected: &fourth,
        };
        let Rotated::Stored(fifth) = store.rotate(&rotation, now).await.unwrap() else {
            panic!("not rotated");
        };
        server.ran().unwrap();
        let long = record(&"x".repeat(10_000), now);
        let sixth = saved(&store, &to, &long, &fifth, now).await;
        assert_eq!(server.ran().unwrap(), commands(&[("set", 1)]), "upon a rotation");
        let seventh = saved(&store, &to, &record("7", now), &sixth, now).await;
        assert!(server.ran().unwrap().contains_key("evalsha"), "upon a long one");
        let ada = Record { user: Some("ada".into()), ..record("8", now) };
        saved(&store, &to, &ada, &seventh, now).await;
        assert!(server.ran().unwrap().contains_key("evalsha"), "with a user");
    }

    #[tokio::test]
    async fn a_save_of_nobodys_session_is_one_script_in_redis() {
        let server = Redis::start().unwrap();
        let store = on(&server).await;
        let (key, now) = (key(), now());
        let first = created(&store, &key, &record("1", now), now).await;
        // It learns that the server is too old, and brings the script.
        let second = saved(&store, &key, &record("2", now), &first, now).await;
        let loaded = store.load(&key, now).await.unwrap().unwrap();
        assert_eq!((&*loaded.record.data, &loaded.version), (&b"2"[..], &second));
        server.ran().unwrap();
        let third = saved(&store.clone(), &key, &record("3", now), &second, now).await;
        let script = commands(&[("evalsha", 1), ("getrange", 1), ("set", 1)]);
        assert_eq!((server.ran().unwrap(), third), (script, Version::number(3)));
    }

    #[tokio::test]
    async fn a_save_upon_a_touch_an_end_or_another_save_is_told_apart() {
        are_told_apart(&on(Redis::shared().unwrap()).await).await;
        are_told_apart(&on(Redis::shared_valkey().unwrap()).await).await;
        are_told_apart(&across(RedisCluster::shared_valkey().unwrap()).await).await;
    }

    #[tokio::test]
    async fn an_older_server_that_takes_over_saves_too() {
        let wire = Wire::to(Redis::shared_valkey().unwrap().port()).unwrap();
        let url = format!("redis://127.0.0.1:{}", wire.port());
        let store = RedisStore::open(&url, options()).await.unwrap();
        let (key, now) = (key(), now());
        let first = created(&store, &key, &record("1", now), now).await;
        saved(&store, &key, &record("2", now), &first, now).await;
        wire.turn_to(Redis::shared().unwrap().port());
        assert!(store.load(&key, now).await.unwrap().is_none(), "the other has nothing");
        let first = created(&store, &key, &record("1", now), now).await;
        let second = saved(&store, &key, &record("2", now), &first, now).await;
        let before = wire.trips();
        saved(&store, &key, &record("3", now), &second, now).await;
        assert_eq!(wire.trips() - before, 1, "it is not tried again");
    }

    /// As Spring's did: entries of sessions that nobody ended stayed for ever.
    #[tokio::test]
    async fn the_index_of_a_user_does_not_grow() {
        let server = Redis::shared().unwrap();
        let options = options();
        let index = format!("{}u:ada", options.prefix.as_deref().unwrap());
        let store = RedisStore::open(&server.url(), options).await.unwrap();
        let mut at = now();
        for _ in 0..50 {
            let record = Record { user: Some("ada".into()), ..record("1", at) };
            let _ = store.create(&key(), &record, at).await.unwrap();
            at += SignedDuration::from_mins(20);
        }
        let entries: u32 = server.command(&format!("ZCARD {index}")).unwrap().parse().unwrap();
        assert_eq!(entries, 3, "those of the last hour");
        let forgotten = server.command(&format!("PEXPIRETIME {index}")).unwrap();
        assert!(forgotten.parse::<i64>().unwrap() > at.as_millisecond(), "{forgotten}");
        let keys = store.list("ada", 9, at).await.unwrap();
        assert_eq!(keys.len(), 2, "one ran out since the last was made");
        for listed in keys {
            let _ = store.delete(&listed.key, at).await.unwrap();
        }
        assert_eq!(server.command(&format!("ZCARD {index}")).unwrap(), "1");
    }

    /// More sessions than are looked at together, with ends that the index does not know exactly.
    #[tokio::test]
    async fn of_many_sessions_those_that_run_out_last_are_listed() {
        let store = on(Redis::shared().unwrap()).await;
        let now = now();
        let hour = SignedDuration::from_hours(1);
        let mut ends = Vec::new();
        for n in 0..300 {
            let key = key();
            let far = now + hour * 9;
            let record = Record { user: Some("ada".into()), expires_at: far, ..record("1", now) };
            let _ = store.create(&key, &record, now).await.unwrap();
            // All but the first few run out sooner than the index says.
            let end = now + hour + SignedDuration::from_secs(if n < 5 { 9000 - n } else { n });
            let _ = store.touch(&key, far, end, now).await.unwrap();
            ends.push(end);
        }
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let listed = store.list("ada", 7, now).await.unwrap();
        let listed: Vec<Timestamp> = listed.iter().map(|l| l.loaded.record.expires_at).collect();
        assert_eq!(listed, ends[..7]);
    }

    #[tokio::test]
    async fn what_is_not_ours_is_unreadable_and_stays() {
        is_unreadable_and_stays(Redis::shared().unwrap()).await;
    }

    /// Its errors might read otherwise.
    #[tokio::test]
    async fn what_is_not_ours_is_unreadable_and_stays_in_valkey() {
        is_unreadable_and_stays(Redis::shared_valkey().unwrap()).await;
    }

    async fn is_unreadable_and_stays(server: &Redis) {
        let options = options();
        let (key, now) = (key(), now());
        let name = format!("{}s:{}", options.prefix.as_deref().unwrap(), key.expose());
        let store = RedisStore::open(&server.url(), options).await.unwrap();
        let version = created(&store, &key, &record("1", now), now).await;
        for (set, get) in [("SET", "GET"), ("RPUSH", "LPOP")] {
            server.command(&format!("DEL {name}")).unwrap();
            server.command(&format!("{set} {name} nonsense")).unwrap();
            for error in [
                store.load(&key, now).await.unwrap_err(),
                store.save(&key, &record("1", now), &version, now).await.unwrap_err(),
                store.save(&key, &record("1", now), &Version::number(1), now).await.unwrap_err(),
                store.touch(&key, now, now, now).await.unwrap_err(),
                store.delete(&key, now).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), StoreErrorKind::Unreadable, "{set}: {error}");
            }
            assert_eq!(server.command(&format!("{get} {name}")).unwrap(), "nonsense");
        }
    }

    #[tokio::test]
    async fn a_server_that_goes_away_is_unavailable_and_comes_back() {
        let server = Redis::start().unwrap();
        let mut options = options();
        options.patience = Duration::from_secs(2);
        let store = RedisStore::open(&server.url(), options.clone()).await.unwrap();
        let (key, now) = (key(), now());
        let _ = store.create(&key, &record("1", now), now).await.unwrap();
        server.kill().unwrap();
        let error = store.load(&key, now).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let error = RedisStore::open(&server.url(), options).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.contains("Redis at 127.0.0.1:") && text.contains("is it running"), "{text}");
        server.resume().unwrap();
        assert!(store.load(&key, now).await.unwrap().is_some(), "what was created is there");
    }

    #[tokio::test]
    async fn a_node_that_goes_away_is_unavailable_and_comes_back() {
        let cluster = RedisCluster::start().unwrap();
        let urls = cluster.urls();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let mut options = RedisOptions::default();
        options.patience = Duration::from_secs(1);
        let store = RedisStore::open_cluster(&urls, options).await.unwrap();
        let now = now();
        // The slots of these are always the same, and some of them on the first node.
        let keys: Vec<_> = (0..10).map(|n| StoreKey::new(format!("key-{n}"))).collect();
        for key in &keys {
            let _ = store.create(key, &record("1", now), now).await.unwrap();
        }
        cluster.kill(0).unwrap();
        let mut away = None;
        for key in &keys {
            if away.is_none() {
                away = store.load(key, now).await.err();
            }
        }
        let away = away.unwrap();
        assert_eq!(away.kind(), StoreErrorKind::Unavailable, "{away}");
        cluster.resume(0).unwrap();
        for key in &keys {
            assert!(store.load(key, now).await.unwrap().is_some(), "what was created is there");
        }
    }

    #[tokio::test]
    async fn no_error_names_the_password() {
        let mut options = options();
        options.patience = Duration::from_secs(1);
        let url = "redis://wayfarer:hunter2@127.0.0.1:1";
        let error = RedisStore::open(url, options).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    /// Only a build of this crate alone is without it: the tests of `wayfarer` turn it on.
    #[cfg(not(feature = "tls"))]
    #[tokio::test]
    async fn without_the_feature_an_address_with_tls_names_it() {
        let url = "rediss://localhost:1";
        for opened in [
            RedisStore::open(url, options()).await,
            RedisStore::open_cluster(&[url], options()).await,
        ] {
            let error = opened.unwrap_err().to_string();
            assert!(error.contains("the feature `tls`"), "{error}");
        }
    }
}
