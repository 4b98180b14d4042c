//! Holes that session systems had, each replayed against ours. The table in `docs/sessions.md` names them all, with the tests
//! of other crates for those that belong there.

use std::sync::{Arc, Mutex};

use axum::{Router, http::StatusCode, routing::get};
use http::header;
use wayfarer::{
    Expiry, Session, SessionLayer, Signal, SignalBus, SignalReceiver, Ticket, async_trait,
    session::{
        BoxError, Capabilities, Created, Cursor, Listed, Loaded, MemoryStore, Met, Page, Record,
        RecordData, Rotated, Rotation, Saved, SessionStore, StoreError, StoreKey, SystemRandom,
        Touched, Version, jiff::Timestamp,
    },
};

use crate::browser::{App, keys, sessions};

fn routes() -> Router {
    Router::new()
        .route(
            "/read",
            get(|s: Session| async move { format!("{:?}", s.get::<u32>("n").await.unwrap()) }),
        )
        .route("/set", get(|s: Session| async move { s.insert("n", 1).await.unwrap() }))
        .route("/clear", get(|s: Session| async move { s.clear().await.unwrap() }))
        .route("/flush", get(|s: Session| async move { s.flush().await.unwrap() }))
        .route("/cycle", get(|s: Session| async move { s.cycle_key().await.unwrap() }))
        .route(
            "/until",
            get(|s: Session| async move {
                let end = "2026-01-01T02:00:00Z".parse().unwrap();
                s.set_expiry(Expiry::At(end)).await.unwrap();
            }),
        )
        .route(
            "/fill",
            get(|s: Session| async move { s.insert("name", "x".repeat(2 << 20)).await.unwrap() }),
        )
        .route(
            "/cached",
            get(|s: Session| async move {
                s.insert("n", 1).await.unwrap();
                [(header::CACHE_CONTROL, "public, max-age=60"), (header::VARY, "")]
            }),
        )
}

async fn rows(store: &MemoryStore) -> Vec<Listed> {
    let mut found = Vec::new();
    let mut from = None;
    loop {
        let page = store.scan(from.as_ref(), 100, Timestamp::now()).await.unwrap();
        found.extend(page.sessions);
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

/// Sessions in both modes, over this store.
fn both(store: &MemoryStore) -> Vec<(SessionLayer, &'static str)> {
    let native = sessions(store.clone()).save_every_request(true).build().unwrap();
    #[cfg(not(feature = "django"))]
    return vec![(native, "wayfarer")];
    #[cfg(feature = "django")]
    {
        use wayfarer::{DjangoCodec, DjangoCookie, DjangoKeys, session::django::SALT};
        let codec = DjangoCodec::new(&DjangoKeys::new("a-secret-key").unwrap(), SALT).unwrap();
        let django = SessionLayer::builder(store.clone()).django(codec, DjangoCookie::default());
        let django = django.save_every_request(true).build().unwrap();
        vec![(native, "wayfarer"), (django, "sessionid")]
    }
}

#[tokio::test]
async fn cve_2015_5143_no_row_for_an_unknown_key() {
    let store = MemoryStore::new();
    for (layer, cookie) in both(&store) {
        let app = App::start(routes().layer(layer)).await;
        let browser = app.browser();
        for n in 0..1000 {
            browser.set_cookie(Some(format!("{cookie}=abcdefghijklmnopqrstuvwxyz{n:06}")));
            assert_eq!(browser.get_without_keeping("/read").await.body, "None");
        }
        assert!(rows(&store).await.is_empty(), "{cookie}");
    }
}

#[tokio::test]
async fn cve_2015_5963_no_row_for_an_anonymous_log_out() {
    let store = MemoryStore::new();
    for (layer, cookie) in both(&store) {
        let app = App::start(routes().layer(layer)).await;
        for path in ["/flush", "/clear", "/read"] {
            let answer = app.browser().get(path).await;
            assert_eq!(
                (answer.status, answer.set_cookie()),
                (StatusCode::OK, None),
                "{cookie} {path}"
            );
        }
        assert!(rows(&store).await.is_empty());
    }
}

#[tokio::test]
async fn cve_2015_3982_no_session_is_shared_under_an_empty_key() {
    let store = MemoryStore::new();
    for (layer, cookie) in both(&store) {
        let app = App::start(routes().layer(layer)).await;
        let browser = app.browser();
        browser.get("/set").await;
        browser.get("/flush").await;
        browser.get("/set").await;
        let stranger = app.browser();
        for empty in ["", "\"\"", ".", ".."] {
            stranger.set_cookie(Some(format!("{cookie}={empty}")));
            assert_eq!(
                stranger.get_without_keeping("/read").await.body,
                "None",
                "{cookie} {empty}"
            );
        }
    }
}

#[tokio::test]
async fn cve_2011_4136_a_value_of_the_application_is_no_session() {
    let store = MemoryStore::new();
    let expires_at = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let data = RecordData::from(*b"1{\"created\":0}\n{\"n\":1,\"_auth_user_id\":\"1\"}");
    let planted = Record { data, expires_at, subject: None, user: None };
    for key in ["planted", &"a".repeat(64)] {
        let key = StoreKey::new(key);
        assert!(matches!(
            store.create(&key, &planted, Timestamp::now()).await,
            Ok(Created::Stored(_))
        ));
    }
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    for key in ["planted", &"a".repeat(64)] {
        browser.set_cookie(Some(format!("wayfarer={key}")));
        assert_eq!(browser.get_without_keeping("/read").await.body, "None");
    }
}

/// CVE-2023-30861 and CVE-2026-27205 of Flask too.
#[tokio::test]
async fn cve_2026_35192_no_cache_hands_a_session_on() {
    let store = MemoryStore::new();
    for (layer, cookie) in both(&store) {
        let app = App::start(routes().layer(layer)).await;
        let browser = app.browser();
        browser.get("/set").await;
        let mut told = Vec::new();
        for path in ["/read", "/set", "/cycle", "/cached", "/flush"] {
            let answer = browser.get(path).await;
            if answer.set_cookie().is_none() {
                continue;
            }
            told.push(path);
            let all = |name| {
                let values = answer.headers.get_all(name).iter();
                values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(",")
            };
            assert_eq!(all("cache-control"), "no-store", "{cookie} {path}");
            assert_eq!(all("vary").trim_matches(','), "Cookie", "{cookie} {path}");
        }
        // Django tells the key again with every save, and so do we where its browsers expect it.
        let all = ["/read", "/set", "/cycle", "/cached", "/flush"].as_slice();
        let expected = if cookie == "sessionid" { all } else { &["/cycle", "/flush"] };
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn cve_2026_48588_an_empty_vary_and_a_cookie_of_others_change_nothing() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let browser = app.browser();
    browser.set_cookie(Some("theme=dark".to_owned()));
    let answer = browser.get_without_keeping("/cached").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.headers.get_all("vary").iter().any(|value| value == "Cookie"));
}

#[tokio::test]
async fn cve_2026_6873_parts_of_a_ticket_do_not_run_into_each_other() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let browser = app.browser();
    browser.get("/set").await;
    let genuine = browser.cookie().unwrap().split_once('=').unwrap().1.to_owned();
    let plain = genuine.replace('.', "");
    for (first, second) in [(21, 64), (23, 65), (22, 66), (43, 65), (10, 20)] {
        let (subject, rest) = plain.split_at(first);
        let (secret, mac) = rest.split_at(second - first);
        browser.set_cookie(Some(format!("wayfarer={subject}.{secret}.{mac}")));
        assert_eq!(browser.get_without_keeping("/read").await.body, "None", "{first} {second}");
    }
}

/// Notes every key that it is asked for.
#[derive(Clone, Debug, Default)]
struct Noting(MemoryStore, Arc<Mutex<Vec<String>>>);

impl Noting {
    fn note(&self, key: &StoreKey) {
        self.1.lock().unwrap().push(key.expose().to_owned());
    }
}

#[async_trait]
impl SessionStore for Noting {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        self.note(key);
        self.0.create(key, record, now).await
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.note(key);
        self.0.load(key, now).await
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        self.note(key);
        self.0.save(key, record, expected, now).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        self.note(key);
        self.0.touch(key, from, end, now).await
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        self.note(rotation.from);
        self.note(rotation.to);
        self.0.rotate(rotation, now).await
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        self.note(key);
        self.0.delete(key, now).await
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        self.0.list(user, limit, now).await
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.0.scan(from, limit, now).await
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        self.0.purge(limit, now).await
    }
}

#[tokio::test]
async fn cve_2019_16782_the_store_never_sees_what_the_browser_sends() {
    let store = Noting::default();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    let mut sent = Vec::new();
    for path in ["/set", "/read", "/cycle", "/read", "/flush"] {
        browser.get(path).await;
        sent.extend(browser.cookie());
    }
    let seen = std::mem::take(&mut *store.1.lock().unwrap());
    assert!(seen.len() >= 6, "{}", seen.len());
    for key in &seen {
        assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        assert!(sent.iter().all(|cookie| !cookie.contains(key.as_str())));
    }
    let data = rows(&store.0).await.into_iter().map(|row| row.loaded.record.data);
    assert_eq!(data.count(), 0, "flushed");
}

#[tokio::test]
async fn cve_2026_39324_nothing_but_a_good_mac_opens_a_session() {
    let store = Noting::default();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    browser.get("/set").await;
    let genuine = browser.cookie().unwrap();
    store.1.lock().unwrap().clear();
    let (open, mac) = genuine.rsplit_once('.').unwrap();
    let (_, secret) = open.split_once('.').unwrap();
    let weaker = [
        open.to_owned(),
        format!("{open}."),
        format!("{open}.{}", "A".repeat(22)),
        format!("{open}.{}", &mac[..11]),
        format!("wayfarer={secret}"),
        format!("wayfarer={secret}.{mac}"),
        format!("{genuine}.{mac}"),
        genuine.to_lowercase(),
    ];
    for cookie in weaker {
        browser.set_cookie(Some(cookie.clone()));
        assert_eq!(browser.get_without_keeping("/read").await.body, "None", "{cookie}");
    }
    assert!(store.1.lock().unwrap().is_empty(), "the store is not even asked");
}

#[tokio::test]
async fn cve_2024_38513_a_key_that_the_client_chose_is_not_taken_on() {
    let store = MemoryStore::new();
    for (layer, cookie) in both(&store) {
        let app = App::start(routes().layer(layer)).await;
        let browser = app.browser();
        let genuine = Ticket::random(&SystemRandom).unwrap().sign(&keys());
        for chosen in ["abcdefghijklmnopqrstuvwxyz012345", genuine.as_str()] {
            browser.set_cookie(Some(format!("{cookie}={chosen}")));
            browser.get("/set").await;
            assert_ne!(browser.cookie().unwrap(), format!("{cookie}={chosen}"));
            assert_eq!(browser.get("/read").await.body, "Some(1)");
        }
    }
}

#[tokio::test]
async fn cve_2024_35220_an_end_that_was_set_survives_loads_and_saves() {
    let clock = Arc::new(wayfarer::ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let layer = sessions(MemoryStore::new()).clock(clock.clone()).save_every_request(true);
    let app = App::start(routes().layer(layer.build().unwrap())).await;
    let browser = app.browser();
    browser.get("/set").await;
    browser.get("/until").await;
    for minutes in [30, 60, 90, 119] {
        clock.set(
            "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap()
                + jiff::SignedDuration::from_mins(minutes),
        );
        browser.get("/cycle").await;
        assert_eq!(browser.get("/read").await.body, "Some(1)", "after {minutes} minutes");
    }
    clock.set("2026-01-01T02:00:00Z".parse().unwrap());
    assert_eq!(browser.get("/read").await.body, "None");
}

#[tokio::test]
async fn cve_2023_20862_an_emptied_session_is_empty_in_the_store() {
    let store = MemoryStore::new();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    browser.get("/set").await;
    let holds = |row: &Listed| String::from_utf8_lossy(&row.loaded.record.data).contains("\"n\"");
    assert!(rows(&store).await.iter().all(holds));
    browser.get("/clear").await;
    let cleared = rows(&store).await;
    assert!(cleared.len() == 1 && !holds(&cleared[0]));
    browser.get("/flush").await;
    assert!(rows(&store).await.is_empty());
}

#[tokio::test]
async fn cve_2016_4423_a_long_name_does_not_fill_the_store() {
    let store = MemoryStore::new();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    browser.get("/set").await;
    let filled = browser.get_without_keeping("/fill").await;
    assert_eq!((filled.status, filled.set_cookie()), (StatusCode::INTERNAL_SERVER_ERROR, None));
    assert_eq!(browser.get("/read").await.body, "Some(1)", "what was there stays");
    let kept = rows(&store).await;
    assert!(kept.iter().all(|row| row.loaded.record.data.len() < 200));
}

#[derive(Default)]
struct Refusals(Mutex<u32>);

#[async_trait]
impl SignalReceiver for Refusals {
    async fn receive(&self, signal: &Signal) -> Result<(), BoxError> {
        *self.0.lock().unwrap() += u32::from(signal.kind.as_str() == "refused");
        Ok(())
    }
}

/// OWASP's cheat sheet: notice that somebody guesses keys.
#[tokio::test]
async fn who_guesses_keys_is_noticed() {
    let (bus, heard) = (SignalBus::new(), Arc::new(Refusals::default()));
    bus.connect(heard.clone());
    let layer = sessions(MemoryStore::new()).signals(bus).build().unwrap();
    let manager = layer.manager().clone();
    let app = App::start(routes().layer(layer)).await;
    let browser = app.browser();
    browser.get("/set").await;
    browser.get("/read").await;
    for guess in 0..10 {
        browser.set_cookie(Some(format!("wayfarer={guess}")));
        browser.get_without_keeping("/read").await;
    }
    let counted = |call, outcome| {
        let counts = manager.counts();
        counts.iter().find(|count| (count.call, count.outcome) == (call, outcome)).unwrap().times
    };
    assert_eq!((*heard.0.lock().unwrap(), counted("ticket", "refused")), (10, 10));
    assert_eq!((counted("create", "stored"), counted("load", "found")), (1, 1));
}

#[tokio::test]
async fn an_index_of_users_forgets_what_ran_out() {
    let (store, day) = (MemoryStore::new(), jiff::SignedDuration::from_hours(24));
    let now = Timestamp::now();
    for n in 0..100_000 {
        let record =
            Record { data: [].into(), expires_at: now, subject: None, user: Some("ada".into()) };
        let created = store.create(&StoreKey::new(n.to_string()), &record, now - day).await;
        assert!(matches!(created, Ok(Created::Stored(_))));
    }
    while store.purge(500, now + day).await.unwrap() == 500 {}
    assert_eq!(format!("{store:?}"), "MemoryStore { slots: 0 }");
}

/// Every name of a function in the sources below a folder.
fn functions(folder: &std::path::Path, found: &mut std::collections::HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_docs_name_is_there() {
    let root = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let mut known = std::collections::HashSet::new();
    functions(&root.join("crates"), &mut known);
    let docs = std::fs::read_to_string(root.join("docs/sessions.md")).unwrap();
    let (_, tables) = docs.split_once("## OWASP ASVS").unwrap();
    let last = |row: &str| row.trim_end_matches('|').rsplit('|').next().unwrap().to_owned();
    let cells: Vec<String> =
        tables.lines().filter(|line| line.starts_with("| ")).map(last).collect();
    let quoted = cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let named: Vec<&str> = quoted.filter(|name| name.contains('_')).collect();
    assert!(named.len() > 40, "{}", named.len());
    let lost: Vec<_> = named.into_iter().filter(|name| !known.contains(*name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// A session that lay in its cookie could be used for ever by whoever had kept the cookie: after the log-out, and after
/// the browser should have deleted it.
#[cfg(feature = "cookies")]
#[tokio::test]
async fn cve_2024_31999_a_kept_cookie_opens_nothing_for_ever() {
    use wayfarer::{CookieSessions, ManualClock, session::MemoryEpochs};
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
    for with_epochs in [true, false] {
        let mut cookies = CookieSessions::encrypted();
        if with_epochs {
            cookies = cookies.with_epochs(Arc::new(MemoryEpochs::new()));
        }
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let layer = SessionLayer::in_cookies(cookies).cookie_keys(keys()).development();
        let layer = layer.clock(clock.clone()).idle(DAY).absolute(3 * DAY).build().unwrap();
        let app = App::start(routes().layer(layer)).await;
        let (browser, thief) = (app.browser(), app.browser());
        let read = async || thief.get_without_keeping("/read").await.body;

        browser.get("/set").await;
        thief.set_cookie(browser.cookie());
        assert_eq!(read().await, "Some(1)");
        browser.get("/flush").await;
        assert_eq!(browser.cookie(), None);
        // Without epochs the server cannot know; the documentation says so.
        assert_eq!(read().await, if with_epochs { "None" } else { "Some(1)" });
        clock.advance(DAY);
        assert_eq!(read().await, "None", "nobody used it for as long as it may lie idle");

        // Kept alive by use, it ends at the absolute limit, whatever the browser deletes.
        browser.get("/set").await;
        for _ in 0..5 {
            clock.advance(DAY * 4 / 7);
            browser.get("/set").await;
            thief.set_cookie(browser.cookie());
            assert_eq!(read().await, "Some(1)");
        }
        clock.advance(DAY * 4 / 7);
        assert_eq!(read().await, "None");
    }
}
