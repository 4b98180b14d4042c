//! `wayfarer session`: values are shown or refused, stores are looked into and moved.

use std::{fs, path::Path};

use serde_json::json;
use wayfarer_session::{
    CookieKeys, FileStore, Outcome, SessionHistory, SessionManager, SessionStore, SignalBus,
    SignalKind, Subject, SystemRandom, Ticket,
};
use wayfarer_store_sql::{SqliteOptions, SqliteStore};

use crate::run::{Done, House, path};

const SECRET: &str = "a secret key of some length, for tests alone";

fn keys() -> CookieKeys {
    CookieKeys::new(SECRET.as_bytes()).unwrap()
}

/// Stores a session with a cart, of this user, and gives its cookie.
async fn shop(store: impl SessionStore, user: &str) -> String {
    let manager = SessionManager::builder(store).cookie_keys(keys()).build().unwrap();
    let session = manager.open(None);
    session.insert("cart", &["book"]).await.unwrap();
    session.insert("_auth_user_id", &user).await.unwrap();
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        wayfarer_session::CookieChange::Set { value, .. } => value,
        other => panic!("{other:?}"),
    }
}

async fn sqlite(file: &Path) -> SqliteStore {
    SqliteStore::open(file, SqliteOptions::default()).await.unwrap()
}

fn handles(done: &Done) -> Vec<String> {
    let rows = done.json();
    rows.as_array().unwrap().iter().map(|row| row["handle"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_value_of_django_is_shown_or_refused_with_its_reason() {
    let house = House::new();
    let (secret, other) = (house.file("secret"), house.file("other"));
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    fs::write(&other, "another").unwrap();
    let encode =
        house.run(&["session", "encode", "--secret-key-file", path(&secret), r#"{"a": [1, "ü"]}"#]);
    let value = encode.text().trim().to_owned();
    let decode = |key: &Path, more: &[&str]| {
        let mut words = vec!["session", "decode", "--json", "--secret-key-file", path(key), &value];
        words.extend(more);
        house.run(&words)
    };
    let held = decode(&secret, &[]).json();
    assert_eq!(held["data"], json!({"a": [1, "ü"]}));
    assert!(held["signed_at"].as_str().unwrap().starts_with("20"));
    assert!(decode(&other, &[]).complaint(1).contains("none of the keys signed it"));
    assert!(decode(&secret, &["--salt", "cookie"]).complaint(1).contains("none of the keys"));
    assert_eq!(decode(&other, &["--fallback-file", path(&secret)]).json()["data"], held["data"]);
    let empty = house.run(&["session", "encode", "--secret-key-file", path(&secret), "[1]"]);
    assert!(empty.complaint(2).contains("no JSON object"));
}

#[tokio::test]
async fn a_native_cookie_names_its_session_and_no_key() {
    let house = House::new();
    let secret = house.file("secret");
    fs::write(&secret, SECRET).unwrap();
    let cookie = shop(wayfarer_session::MemoryStore::new(), "ada").await;
    let decode =
        |value: &str| house.run(&["session", "decode", "--secret-key-file", path(&secret), value]);
    let shown = decode(&cookie);
    assert_eq!(shown.json()["subject"].as_str(), cookie.split('.').next());
    assert!(!shown.stdout.contains(cookie.split('.').nth(1).unwrap()), "the key is shown");
    let (rest, last) = cookie.split_at(cookie.len() - 1);
    let forged = format!("{rest}{}", if last == "A" { "Q" } else { "A" });
    assert!(decode(&forged).complaint(1).contains("refused"));
}

#[test]
fn a_cookie_that_begins_with_a_hyphen_is_no_option() {
    let house = House::new();
    let secret = house.file("secret");
    fs::write(&secret, SECRET).unwrap();
    let ticket = Ticket::random(&SystemRandom).unwrap();
    let cookie = Ticket { subject: Subject::from_bytes([0xf8; 16]), ..ticket }.sign(&keys());
    assert!(cookie.starts_with('-'));
    let decode = ["session", "decode", &cookie, "--secret-key-file", path(&secret)];
    assert_eq!(house.run(&decode).json()["subject"].as_str(), cookie.split('.').next());
}

#[tokio::test]
async fn a_store_is_listed_shown_copied_and_revoked() {
    let house = House::new();
    let (file, folder) = (house.file("sessions.sqlite"), house.file("files"));
    let store = sqlite(&file).await;
    let cookie = shop(store.clone(), "ada").await;
    shop(store.clone(), "grace").await;
    FileStore::open(&folder).unwrap();
    let (from, to) = (format!("sqlite:{}", path(&file)), format!("file:{}", path(&folder)));
    let run = |words: &[&str]| house.run(&[&["session", "--json"], words].concat());

    assert_eq!(handles(&run(&["list", "--store", &from])).len(), 2);
    let of_ada = handles(&run(&["list", "--store", &from, "--user", "ada"]));
    assert_eq!(of_ada.len(), 1);
    let shown = run(&["show", &of_ada[0], "--store", &from]).json();
    assert_eq!((&shown["user"], &shown["data"]["cart"]), (&json!("ada"), &json!(["book"])));

    let copied = run(&["copy", "--store", &from, "--to", &to]).json();
    assert_eq!(copied, json!({"copied": 2, "there": 0}));
    let again = run(&["copy", "--store", &from, "--to", &to]).json();
    assert_eq!(again, json!({"copied": 0, "there": 2}));
    let manager =
        SessionManager::builder(FileStore::open(&folder).unwrap()).cookie_keys(keys()).build();
    let session = manager.unwrap().open(Some(&cookie));
    assert_eq!(session.get::<Vec<String>>("cart").await.unwrap(), Some(vec!["book".to_owned()]));

    assert_eq!(run(&["revoke", &of_ada[0], "--store", &to]).json()["revoked"], json!(of_ada[0]));
    let gone = run(&["show", &of_ada[0], "--store", &to]);
    assert!(gone.complaint(1).contains(&of_ada[0]));
    // What was ended in the new store is not brought back from the old one.
    assert_eq!(run(&["copy", "--store", &from, "--to", &to]).json()["copied"], json!(0));
    assert_eq!(run(&["purge", "--store", &to]).json(), json!({"forgotten": 0}));
}

#[test]
fn an_address_of_no_store_is_said() {
    let house = House::new();
    let list = |url: &str| house.run(&["session", "list", "--store", url]);
    assert!(list("sqlite:/not/there.sqlite").complaint(1).contains("/not/there.sqlite"));
    assert!(list("oracle://a:secret@b").complaint(2).contains("oracle://…@b"));
    assert!(list("nonsense").complaint(2).contains("nonsense"));
    let unlike = [
        "session",
        "copy",
        "--store",
        "memcached://127.0.0.1:1",
        "--to",
        "django+memcached://127.0.0.1:1",
    ];
    assert_ne!(house.run(&unlike).status, 0);
}

/// An application that keeps history logs three people in; one is put out, one is ended by an operator, one stays.
async fn why_somebody_was_logged_out(
    url: &str,
    store: impl SessionStore,
    history: impl SessionHistory,
) {
    let house = House::new();
    let keep = std::time::Duration::from_secs(1000);
    // The machine may be busy, and whoever waits for history only so long would lose some.
    let bus = SignalBus::new().with_patience(std::time::Duration::from_secs(60));
    let manager = SessionManager::builder(store).cookie_keys(keys()).signals(bus);
    let manager = manager.history(history, keep).build().unwrap();
    let mut handles = Vec::new();
    for user in ["ada", "bob", "eve"] {
        let session = manager.open(None);
        session.insert("_auth_user_id", user).await.unwrap();
        let _ = session.finish(Outcome::Keep).await.unwrap();
        let signal = session.signal(SignalKind::LoggedIn).with_user(user);
        manager.signals().send(signal).await;
        handles.push(session.handle().unwrap().to_string());
        if user == "ada" {
            let signal = session.signal(SignalKind::LoggedOut).with_user(user);
            manager.signals().send(signal.with_detail("reason", "other credentials")).await;
            session.flush().await.unwrap();
        }
    }
    let run = |words: &[&str]| house.run(&[&["session"], words, &["--store", url]].concat());
    run(&["revoke", &handles[1]]).text();

    let ada = run(&["history", &handles[0]]);
    assert!(ada.text().contains("without asking for it: the credentials were changed."), "{ada:?}");
    assert!(ada.text().contains("logged out") && ada.text().contains("logged in"), "{ada:?}");
    let bob = run(&["history", &handles[1], "--lang", "zh-CN"]);
    assert!(bob.text().contains("被外部终止：由管理员终止。"), "{bob:?}");
    assert!(run(&["history", &handles[2]]).text().starts_with("Logged in: a live session"));

    let told = run(&["history", "--user", "ada", "--json"]).json();
    assert_eq!((&told["live"], &told["end"]["kind"]), (&json!(false), &json!("logged_out")));
    assert_eq!(told["end"]["handle"], json!(handles[0]));
    let kinds: Vec<_> = told["entries"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert_eq!(kinds, ["flushed", "logged_out", "logged_in", "created"]);
    let eve = run(&["history", "--user", "eve", "--json", "--limit", "1"]).json();
    assert_eq!((&eve["live"], &eve["end"]), (&json!(true), &json!(null)));
    assert_eq!(eve["entries"].as_array().unwrap().len(), 1);

    for nobody in [["history", "nobody-at-all-x"].as_slice(), &["history", "--user", "Ada"]] {
        assert!(run(nobody).complaint(1).contains("nothing is known of"), "{nobody:?}");
    }
    let purged = run(&["purge", "--json", "--keep-history", "1"]).json();
    assert_eq!(purged, json!({"forgotten": 0, "forgotten_history": 0}));
    let purged = run(&["purge", "--json", "--keep-history", "0"]).json();
    assert!(purged["forgotten_history"].as_u64().unwrap() >= 8, "{purged}");
    assert!(run(&["history", &handles[1]]).complaint(1).contains("nothing is known of"));
    assert!(run(&["history", &handles[2]]).text().starts_with("Logged in"), "but that she is here");
}

#[tokio::test]
async fn history_tells_why_somebody_was_logged_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.sqlite");
    let store = sqlite(&file).await;
    let history = store.history();
    why_somebody_was_logged_out(&format!("sqlite:{}", path(&file)), store, history).await;
}

/// Handles are URL-safe base64, and some begin with what looks like an option.
#[tokio::test]
async fn a_handle_may_begin_with_hyphens() {
    let house = House::new();
    let file = house.file("sessions.sqlite");
    sqlite(&file).await.close().await;
    let url = format!("sqlite:{}", path(&file));
    for command in ["show", "revoke", "history"] {
        for handle in ["-5abcdefghijklmn", "-habcdefghijklmn", "--abcdefghijklmn"] {
            for words in [[command, handle, "--store", &url], [command, "--store", &url, handle]] {
                let asked = house.run(&[&["session"], &words[..]].concat());
                assert!(asked.complaint(1).contains(handle), "{words:?}");
            }
        }
    }
}

#[test]
fn a_store_without_history_says_so() {
    let house = House::new();
    let folder = house.file("files");
    FileStore::open(&folder).unwrap();
    let url = format!("file:{}", path(&folder));
    let asked = house.run(&["session", "history", "whoever", "--store", &url]);
    assert!(asked.complaint(1).contains("keeps no history"));
    assert_eq!(house.run(&["session", "history", "--store", &url]).status, 2, "nobody is named");
}

mod real {
    use wayfarer_store_sql::{MySqlStore, PoolOptions, PostgresStore};
    use wayfarer_testkit::{MariaDb, Postgres, Redis};

    use super::*;

    /// Each server has an authority of its own, which the system does not know.
    #[test]
    fn stores_are_reached_by_tls() {
        let house = House::new();
        let (redis, postgres) =
            (Redis::shared_with_tls().unwrap(), Postgres::shared_with_tls().unwrap());
        let database = postgres.database().unwrap().replace("127.0.0.1", "localhost");
        for (url, authority, option) in [
            (redis.url(), redis.authority(), "SSL_CERT_FILE"),
            (format!("{database}?sslmode=verify-full"), postgres.authority(), "sslrootcert=FILE"),
        ] {
            let list = || house.command(&["session", "list", "--json", "--store", &url]);
            let strange = Done::from(list().output().unwrap());
            assert!(strange.complaint(1).contains(option), "{strange:?}");
            let known = list().env("SSL_CERT_FILE", authority.unwrap()).output().unwrap();
            assert_eq!(Done::from(known).json(), json!([]), "{url}");
        }
        // Reached, too: a cache of Django's does not tell what is in it.
        let url = format!("django+{}", redis.url());
        let mut list = house.command(&["session", "list", "--store", &url]);
        let reached =
            Done::from(list.env("SSL_CERT_FILE", redis.authority().unwrap()).output().unwrap());
        assert!(reached.complaint(1).contains("cannot walk"), "{reached:?}");
    }

    #[tokio::test]
    async fn history_in_postgresql_tells_why_somebody_was_logged_out() {
        let url = Postgres::shared().unwrap().database().unwrap();
        let store = PostgresStore::open(&url, PoolOptions::default()).await.unwrap();
        let history = store.history();
        why_somebody_was_logged_out(&url, store, history).await;
    }

    #[tokio::test]
    async fn history_in_mariadb_tells_why_somebody_was_logged_out() {
        let url = MariaDb::shared().unwrap().database().unwrap();
        let store = MySqlStore::open(&url, PoolOptions::default()).await.unwrap();
        let history = store.history();
        why_somebody_was_logged_out(&url, store, history).await;
    }
}
