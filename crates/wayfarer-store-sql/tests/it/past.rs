//! History and epochs in every database: the laws, what outlives a restart, and the way from the first version.

use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use wayfarer_session::{
    CookieChange, CookieKeys, CookieSessions, Epochs, ErrorKind, Outcome, SessionHistory,
    SessionManager, SessionStore, SignalBus, SignalKind, Whose, conformance, last_end,
};
use wayfarer_store_sql::{NativeStore, SqliteOptions, SqliteStore};

/// Both suites of laws, on the tables of one database.
async fn every_law_is_kept(history: impl SessionHistory, epochs: impl Epochs) {
    conformance::run_history(&history).await.unwrap();
    conformance::run_epochs(&epochs).await.unwrap();
}

fn keys() -> CookieKeys {
    CookieKeys::new(&[7; 32]).unwrap()
}

/// Logs somebody in, and gives the cookie.
async fn log_in(manager: &SessionManager, user: &str) -> String {
    let session = manager.open(None);
    session.insert("_auth_user_id", user).await.unwrap();
    let cookie = match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    };
    cookie.unwrap()
}

async fn is_in(manager: &SessionManager, cookie: &str) -> bool {
    manager.open(Some(cookie)).contains("_auth_user_id").await.unwrap()
}

/// A manager that lists its sessions and writes down what happens to them.
fn listing<D>(store: &NativeStore<D>, history: impl SessionHistory) -> SessionManager
where
    NativeStore<D>: SessionStore + Clone,
{
    let keep = Duration::from_secs(1000);
    // The machine may be busy, and whoever waits for history only so long would lose some.
    let bus = SignalBus::new().with_patience(Duration::from_secs(60));
    let manager = SessionManager::builder(store.clone()).cookie_keys(keys()).signals(bus);
    manager.history(history, keep).build().unwrap()
}

/// Sessions are ended before a restart of the application; afterwards it is told why, and those in cookies stay ended.
macro_rules! what_ended_is_known_after_a_restart {
    ($open:expr) => {
        let store = $open;
        let manager = listing(&store, store.history());
        let cookie = log_in(&manager, "ada").await;
        let handle = manager.sessions_of("ada").await.unwrap()[0].handle.clone();
        assert!(manager.revoke_because("ada", &handle, "a stolen laptop").await.unwrap());
        let cookies = CookieSessions::signed().with_epochs(std::sync::Arc::new(store.epochs()));
        let carrying = SessionManager::in_cookies(cookies).cookie_keys(keys()).build().unwrap();
        let (all, one, kept) = (
            log_in(&carrying, "bob").await,
            log_in(&carrying, "eve").await,
            log_in(&carrying, "eve").await,
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
        carrying.revoke_before("bob", jiff::Timestamp::now()).await.unwrap();
        carrying.open(Some(&one)).flush().await.unwrap();
        store.close().await;

        let store = $open;
        let manager = listing(&store, store.history());
        assert!(!is_in(&manager, &cookie).await);
        for whose in [Whose::Handle(handle), Whose::User("ada".to_owned())] {
            let told = manager.history(&whose, 9).await.unwrap();
            let end = last_end(&told).unwrap();
            assert_eq!(end.kind, SignalKind::Revoked, "{told:?}");
            assert_eq!(end.reason.as_deref(), Some("a stolen laptop"));
        }
        let cookies = CookieSessions::signed().with_epochs(std::sync::Arc::new(store.epochs()));
        let carrying = SessionManager::in_cookies(cookies).cookie_keys(keys()).build().unwrap();
        let mut live = Vec::new();
        for cookie in [&all, &one, &kept] {
            live.push(is_in(&carrying, cookie).await);
        }
        assert_eq!(live, [false, false, true]);
        // A database that is away lets nobody in.
        store.close().await;
        let error = carrying.open(Some(&kept)).contains("_auth_user_id").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    };
}

async fn sqlite(folder: &std::path::Path) -> SqliteStore {
    let path = folder.join("sessions.sqlite");
    SqliteStore::open(&path, SqliteOptions::default()).await.unwrap()
}

#[tokio::test]
async fn in_sqlite_every_law_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).await;
    every_law_is_kept(store.history(), store.epochs()).await;
}

#[tokio::test]
async fn in_sqlite_what_ended_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    what_ended_is_known_after_a_restart!(sqlite(folder.path()).await);
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_with_its_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.sqlite");
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let mut raw = SqliteConnection::connect(&url).await.unwrap();
    let first = concat!(
        include_str!("../../src/sqlite/001_sessions.sql"),
        "CREATE TABLE wayfarer_session_schema (version INTEGER NOT NULL PRIMARY KEY) STRICT;
         INSERT INTO wayfarer_session_schema VALUES (1);
         INSERT INTO wayfarer_session VALUES ('k', 1, x'31', 9000000000000000, NULL, 'ada');"
    );
    sqlx::raw_sql(first).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let store = sqlite(folder.path()).await;
    assert_eq!(store.list("ada", 9, jiff::Timestamp::now()).await.unwrap().len(), 1);
    every_law_is_kept(store.history(), store.epochs()).await;
}

#[tokio::test]
async fn history_is_searched_by_its_indexes() {
    let folder = tempfile::tempdir().unwrap();
    sqlite(folder.path()).await.close().await;
    let path = folder.path().join("sessions.sqlite");
    let mut raw = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    for (statement, index) in [
        (
            "SELECT at FROM wayfarer_session_history WHERE handle = 'h' ORDER BY at DESC, id DESC LIMIT 9",
            "_handle",
        ),
        (
            "SELECT at FROM wayfarer_session_history WHERE user = 'u' ORDER BY at DESC, id DESC LIMIT 9",
            "_user",
        ),
        ("SELECT id FROM wayfarer_session_history WHERE at < 9 ORDER BY at LIMIT 9", "_at"),
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explain).fetch_all(&mut raw).await.unwrap();
        let plan: Vec<&str> = plan.iter().map(|(.., step)| step.as_str()).collect();
        assert_eq!(plan.len(), 1, "nothing is sorted: {plan:?}");
        assert!(plan[0].contains(&format!("INDEX wayfarer_session_history{index}")), "{plan:?}");
    }
}

mod real {
    use wayfarer_store_sql::{MySqlStore, PoolOptions, PostgresStore};
    use wayfarer_testkit::{MariaDb, Postgres};

    use super::*;

    fn patient() -> PoolOptions {
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(60);
        options
    }

    #[tokio::test]
    async fn in_postgresql_every_law_is_kept() {
        let url = Postgres::shared().unwrap().database().unwrap();
        let store = PostgresStore::open(&url, patient()).await.unwrap();
        every_law_is_kept(store.history(), store.epochs()).await;
    }

    #[tokio::test]
    async fn in_postgresql_what_ended_is_known_after_a_restart() {
        let url = Postgres::shared().unwrap().database().unwrap();
        what_ended_is_known_after_a_restart!(PostgresStore::open(&url, patient()).await.unwrap());
    }

    #[tokio::test]
    async fn in_mariadb_every_law_is_kept() {
        let url = MariaDb::shared().unwrap().database().unwrap();
        let store = MySqlStore::open(&url, patient()).await.unwrap();
        every_law_is_kept(store.history(), store.epochs()).await;
    }

    #[tokio::test]
    async fn in_mariadb_what_ended_is_known_after_a_restart() {
        let url = MariaDb::shared().unwrap().database().unwrap();
        what_ended_is_known_after_a_restart!(MySqlStore::open(&url, patient()).await.unwrap());
    }
}
