//! PostgreSQL: the laws, round trips, plans, what is not opened, and a server that goes away.

mod real {
    use std::time::Duration;

    use sqlx::{Connection, PgConnection, Row};
    use wayfarer_session::{Created, Saved, SessionStore, StoreErrorKind, conformance};
    use wayfarer_store_sql::{DjangoPostgresStore, PoolOptions, PostgresStore};
    use wayfarer_testkit::{Postgres, sessions};

    use crate::common::{django, key, native, now, record};

    fn database() -> String {
        Postgres::shared().unwrap().database().unwrap()
    }

    /// The machine may be busy.
    fn patient() -> PoolOptions {
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(60);
        options
    }

    async fn open(url: &str) -> PostgresStore {
        PostgresStore::open(url, patient()).await.unwrap()
    }

    #[tokio::test]
    async fn every_law_is_kept() {
        conformance::run(&open(&database()).await).await.note("PostgresStore").assert_kept();
    }

    #[tokio::test]
    async fn every_law_is_kept_in_djangos_table() {
        let store = DjangoPostgresStore::open(&database(), patient()).await.unwrap();
        conformance::run(&store).await.note("DjangoPostgresStore").assert_kept();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back() {
        let manager = native(open(&database()).await);
        sessions::nothing_is_lost_and_nothing_comes_back("PostgresStore", &manager).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost_and_nothing_comes_back_in_djangos_table() {
        let store = DjangoPostgresStore::open(&database(), patient()).await.unwrap();
        sessions::nothing_is_lost_and_nothing_comes_back("DjangoPostgresStore", &django(store))
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

    /// The statements that the server has been asked to run, in order.
    fn asked(url: &str) -> Vec<String> {
        let log = Postgres::shared().unwrap().log(url).unwrap();
        let asked = log.iter().filter_map(|line| line.split_once("execute ")?.1.split_once(": "));
        asked.map(|(_, statement)| statement.trim().to_owned()).collect()
    }

    #[tokio::test]
    async fn a_read_and_a_save_are_one_statement_each() {
        let url = database();
        let mut admin = PgConnection::connect(&url).await.unwrap();
        let name = url.rsplit('/').next().unwrap();
        let log = format!("ALTER DATABASE {name} SET log_statement = 'all'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(log)).execute(&mut admin).await.unwrap();
        let store = open(&url).await;
        let (key, now) = (key(), now());
        let Created::Stored(version) = store.create(&key, &record("1", now), now).await.unwrap()
        else {
            panic!("the key is taken");
        };
        let before = asked(&url).len();
        store.load(&key, now).await.unwrap().unwrap();
        let saved = store.save(&key, &record("2", now), &version, now).await.unwrap();
        assert!(matches!(saved, Saved::Stored(_)));
        let asked = &asked(&url)[before..];
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(asked[0].starts_with("SELECT") && asked[1].starts_with("UPDATE"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_purge_and_a_list_search_by_their_indexes() {
        let url = database();
        open(&url).await;
        let mut raw = PgConnection::connect(&url).await.unwrap();
        let fill = "INSERT INTO wayfarer_session
            SELECT md5(n::text), 1, '', n, NULL, 'u' || n FROM generate_series(1, 20000) n";
        sqlx::query(fill).execute(&mut raw).await.unwrap();
        sqlx::query("ANALYZE wayfarer_session").execute(&mut raw).await.unwrap();
        for (statement, index) in [
            ("SELECT key FROM wayfarer_session WHERE expires_at <= 9000 ORDER BY expires_at LIMIT 9
              FOR UPDATE SKIP LOCKED", "wayfarer_session_expires_at"),
            ("SELECT key FROM wayfarer_session WHERE \"user\" = 'u7' AND version > 0",
             "wayfarer_session_user"),
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN {statement}"));
            let plan = sqlx::query(explain).fetch_all(&mut raw).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
        }
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_and_left_alone() {
        let url = database();
        open(&url).await.close().await;
        let mut raw = PgConnection::connect(&url).await.unwrap();
        let newer = "INSERT INTO wayfarer_session_schema (version) VALUES (99)";
        sqlx::query(newer).execute(&mut raw).await.unwrap();
        let error = PostgresStore::open(&url, PoolOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unreadable);
        assert!(error.to_string().contains("of version 99"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_goes_away_is_unavailable_and_comes_back() {
        let server = Postgres::start().unwrap();
        let url = server.database().unwrap();
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(2);
        let store = PostgresStore::open(&url, options.clone()).await.unwrap();
        let (key, now) = (key(), now());
        let _ = store.create(&key, &record("1", now), now).await.unwrap();
        server.kill().unwrap();
        let error = store.load(&key, now).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let error = PostgresStore::open(&url, options).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let text = error.to_string();
        assert!(
            text.contains("PostgreSQL at 127.0.0.1:") && text.contains("is it running"),
            "{text}"
        );
        server.resume().unwrap();
        assert!(store.load(&key, now).await.unwrap().is_some(), "what was created is there");
    }

    #[tokio::test]
    async fn no_error_names_the_password() {
        let url = "postgres://wayfarer:hunter2@127.0.0.1:1/nothing";
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(1);
        let error = PostgresStore::open(url, options).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    /// Only a build of this crate alone is without it: the tests of `wayfarer` turn it on.
    #[cfg(not(feature = "tls"))]
    #[tokio::test]
    async fn without_the_feature_an_address_with_tls_names_it() {
        let url = database() + "?sslmode=verify-full";
        let error = PostgresStore::open(&url, patient()).await.unwrap_err().to_string();
        assert!(error.contains("the feature `tls`"), "{error}");
    }
}
