//! MariaDB: the laws, keys that differ in case, what is not opened, and a server that goes away.

mod real {
    use std::time::Duration;

    use sqlx::{Connection, MySqlConnection};
    use wayfarer_session::{
        Created, Met, Record, Saved, SessionStore, StoreErrorKind, StoreKey, Version, conformance,
    };
    use wayfarer_store_sql::{DjangoMySqlStore, MySqlStore, PoolOptions};
    use wayfarer_testkit::{MariaDb, sessions};

    use crate::common::{django, key, native, now, record};

    fn database() -> String {
        MariaDb::shared().unwrap().database().unwrap()
    }

    /// The machine may be busy.
    fn patient() -> PoolOptions {
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(60);
        options
    }

    async fn open(url: &str) -> MySqlStore {
        MySqlStore::open(url, patient()).await.unwrap()
    }

    #[tokio::test]
    async fn every_law_is_kept() {
        conformance::run(&open(&database()).await).await.note("MySqlStore").assert_kept();
    }

    #[tokio::test]
    async fn every_law_is_kept_in_djangos_table() {
        let store = DjangoMySqlStore::open(&database(), patient()).await.unwrap();
        conformance::run(&store).await.note("DjangoMySqlStore").assert_kept();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back() {
        let manager = native(open(&database()).await);
        sessions::nothing_is_lost_and_nothing_comes_back("MySqlStore", &manager).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back_in_djangos_table() {
        let store = DjangoMySqlStore::open(&database(), patient()).await.unwrap();
        sessions::nothing_is_lost_and_nothing_comes_back("DjangoMySqlStore", &django(store))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn many_may_open_a_new_database_at_once() {
        let url = database();
        let mut opening = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = url.clone();
            opening.spawn(async move { open(&url).await });
        }
        assert_eq!(opening.join_all().await.len(), 8);
    }

    #[tokio::test]
    async fn in_djangos_table_keys_differ_by_case() {
        let store = DjangoMySqlStore::open(&database(), patient()).await.unwrap();
        let (now, lower) = (now(), key());
        let upper = StoreKey::new(lower.expose().to_uppercase());
        let Created::Stored(version) = store.create(&lower, &record("a", now), now).await.unwrap()
        else {
            panic!("the key is taken");
        };
        assert!(store.load(&upper, now).await.unwrap().is_none());
        assert_eq!(
            store.save(&upper, &record("b", now), &version, now).await.unwrap(),
            Saved::Gone
        );
        assert_eq!(store.delete(&upper, now).await.unwrap(), Met::Gone);
        // The state is compared byte for byte too.
        let other = Version::content(*b"A");
        let saved = store.save(&lower, &record("b", now), &other, now).await.unwrap();
        assert_eq!(saved, Saved::Conflict);
    }

    #[tokio::test]
    async fn users_differ_by_case_and_blanks() {
        let store = open(&database()).await;
        let now = now();
        for user in ["ada", "Ada", "ada "] {
            let record = Record { user: Some(user.into()), ..record("1", now) };
            let _ = store.create(&key(), &record, now).await.unwrap();
        }
        let listed = store.list("ada", 9, now).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].loaded.record.user.as_deref(), Some("ada"));
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_and_left_alone() {
        let url = database();
        open(&url).await.close().await;
        let mut raw = MySqlConnection::connect(&url).await.unwrap();
        let newer = "INSERT INTO wayfarer_session_schema (version) VALUES (99)";
        sqlx::query(newer).execute(&mut raw).await.unwrap();
        let error = MySqlStore::open(&url, PoolOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unreadable);
        assert!(error.to_string().contains("of version 99"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_goes_away_is_unavailable_and_comes_back() {
        let server = MariaDb::start().unwrap();
        let url = server.database().unwrap();
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(2);
        let store = MySqlStore::open(&url, options.clone()).await.unwrap();
        let (key, now) = (key(), now());
        let _ = store.create(&key, &record("1", now), now).await.unwrap();
        server.kill().unwrap();
        let error = store.load(&key, now).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let error = MySqlStore::open(&url, options).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.contains("MySQL at 127.0.0.1:") && text.contains("is it running"), "{text}");
        server.resume().unwrap();
        assert!(store.load(&key, now).await.unwrap().is_some(), "what was created is there");
    }

    #[tokio::test]
    async fn no_error_names_the_password() {
        let url = "mysql://wayfarer:hunter2@127.0.0.1:1/nothing";
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(1);
        let error = MySqlStore::open(url, options).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    /// Only a build of this crate alone is without it: the tests of `wayfarer` turn it on.
    #[cfg(not(feature = "tls"))]
    #[tokio::test]
    async fn without_the_feature_an_address_with_tls_names_it() {
        let url = database() + "?ssl-mode=VERIFY_IDENTITY";
        let error = MySqlStore::open(&url, patient()).await.unwrap_err().to_string();
        assert!(error.contains("the feature `tls`"), "{error}");
    }
}
