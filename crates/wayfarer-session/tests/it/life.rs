//! The session manager without HTTP: what only fake clocks, fake randomness and failing stores can show.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use wayfarer_session::{
    CookieChange, CookieKeys, Error, ErrorKind, Expiry, ManualClock, MemoryStore, Outcome, Random,
    Raw, Session, SessionManager, SessionManagerBuilder, SystemRandom,
};

fn builder(store: &MemoryStore) -> SessionManagerBuilder {
    SessionManager::builder(store.clone()).cookie_keys(CookieKeys::new(&[7; 32]).unwrap())
}

/// Ends a request and gives the cookie for the next.
async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

/// Gives the same bytes for the first draws, then others.
#[derive(Debug, Default)]
struct Repeats(AtomicU8);

impl Random for Repeats {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        let draws = self.0.fetch_add(1, Ordering::SeqCst);
        bytes.fill(draws.saturating_sub(8));
        Ok(())
    }
}

#[tokio::test]
async fn a_key_drawn_twice_opens_nobody_elses_session() {
    let store = MemoryStore::new();
    let manager = builder(&store).random(Arc::new(Repeats::default())).build().unwrap();
    let mut cookies = Vec::new();
    for n in 0..3 {
        let session = manager.open(None);
        session.insert("n", n).await.unwrap();
        cookies.push(end(&session).await.unwrap());
    }
    for (n, cookie) in (0..).zip(&cookies) {
        assert_eq!(manager.open(Some(cookie)).get::<i32>("n").await.unwrap(), Some(n));
    }
}

#[tokio::test]
async fn a_rotation_to_a_drawn_key_tries_another() {
    let store = MemoryStore::new();
    let manager = builder(&store).random(Arc::new(Repeats::default())).build().unwrap();
    let session = manager.open(None);
    session.insert("n", 1).await.unwrap();
    let cookie = end(&session).await.unwrap();
    let session = manager.open(Some(&cookie));
    session.cycle_key().await.unwrap();
    let rotated = end(&session).await.unwrap();
    assert_ne!(rotated, cookie);
    assert_eq!(manager.open(Some(&rotated)).get::<i32>("n").await.unwrap(), Some(1));
}

#[tokio::test]
async fn what_nobody_touched_comes_back_byte_for_byte() {
    let store = MemoryStore::new();
    let manager = builder(&store).build().unwrap();
    let session = manager.open(None);
    let odd = r#"[NaN, 123456789012345678901234567890,"\ud800" ,1.50]"#;
    session.insert_raw("odd", Raw::from_json(odd).unwrap()).await.unwrap();
    let cookie = end(&session).await.unwrap();
    let session = manager.open(Some(&cookie));
    session.insert("other", "é").await.unwrap();
    end(&session).await;
    let session = manager.open(Some(&cookie));
    assert_eq!(session.get_raw("odd").await.unwrap().unwrap().as_str(), odd);
    assert_eq!(session.keys().await.unwrap(), ["odd", "other"]);
    assert_eq!(session.get::<f64>("odd").await.unwrap_err().kind(), ErrorKind::WrongType);
}

#[tokio::test]
async fn a_session_too_large_is_refused_and_the_stored_one_stays() {
    let store = MemoryStore::new();
    let manager = builder(&store).max_bytes(200).build().unwrap();
    let session = manager.open(None);
    session.insert("a", 1).await.unwrap();
    let cookie = end(&session).await.unwrap();
    let session = manager.open(Some(&cookie));
    session.insert("big", "x".repeat(200)).await.unwrap();
    let error = session.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(manager.open(Some(&cookie)).keys().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn after_the_head_a_known_session_saves_and_a_new_one_says_too_late() {
    let store = MemoryStore::new();
    let manager = builder(&store).build().unwrap();
    let session = manager.open(None);
    session.insert("a", 1).await.unwrap();
    let cookie = end(&session).await.unwrap();
    session.insert("b", 2).await.unwrap();
    session.save().await.unwrap();
    assert_eq!(manager.open(Some(&cookie)).keys().await.unwrap(), ["a", "b"]);
    let late = manager.open(None);
    assert_eq!(end(&late).await, None);
    late.insert("a", 1).await.unwrap();
    assert_eq!(late.save().await.unwrap_err().kind(), ErrorKind::TooLate);
}

/// Whoever uses the session first while the response head goes out is either in time, and saved, or told that it is too late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_use_comes_before_the_head_or_after_it() {
    let manager = builder(&MemoryStore::new()).build().unwrap();
    for _ in 0..500 {
        let session = manager.open(None);
        let (user, both) = (session.clone(), std::sync::Arc::new(tokio::sync::Barrier::new(2)));
        let ready = std::sync::Arc::clone(&both);
        let using = tokio::spawn(async move {
            ready.wait().await;
            user.insert("a", 1).await
        });
        both.wait().await;
        let is_over = session.finish_now(Outcome::Keep).unwrap().is_some();
        using.await.unwrap().unwrap();
        if is_over {
            assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::TooLate);
        } else {
            assert!(end(&session).await.is_some());
        }
    }
}

#[tokio::test]
async fn after_a_failed_head_nothing_is_stored_that_no_browser_can_open() {
    let store = MemoryStore::new();
    for early in [false, true] {
        let manager = builder(&store).early_subject(early).build().unwrap();
        let session = manager.open(None);
        session.insert("a", 1).await.unwrap();
        assert!(session.subject().is_some());
        let failed = session.finish(Outcome::Discard).await.unwrap();
        assert_eq!(failed.cookie, CookieChange::Keep);
        assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::TooLate);
        assert_eq!(format!("{store:?}"), "MemoryStore { slots: 0 }");
    }
}

#[tokio::test]
async fn the_map_behaves_as_a_map() {
    let manager = builder(&MemoryStore::new()).build().unwrap();
    let session = manager.open(None);
    assert!(session.is_empty().await.unwrap());
    assert_eq!(session.set_default("a", 1).await.unwrap(), 1);
    assert_eq!(session.set_default("a", 2).await.unwrap(), 1);
    session.update([("b", 2), ("c", 3)]).await.unwrap();
    assert!(session.contains("b").await.unwrap());
    assert!(session.pop::<String>("b").await.is_err(), "a wrong type stays");
    assert_eq!(session.pop::<i32>("b").await.unwrap(), Some(2));
    assert_eq!(session.pop::<i32>("b").await.unwrap(), None);
    assert!(session.remove("c").await.unwrap());
    assert!(!session.remove("c").await.unwrap());
    let items: Vec<_> = session.items().await.unwrap();
    assert_eq!(items, [("a".to_owned(), Raw::new(&1).unwrap())]);
}

#[tokio::test]
async fn modify_in_a_new_session_stores_it_and_sends_the_cookie() {
    let manager = builder(&MemoryStore::new()).build().unwrap();
    let session = manager.open(None);
    session.insert("before", 1).await.unwrap();
    let n = session.modify("n", |n: Option<u32>| n.unwrap_or(0) + 1).await.unwrap();
    assert_eq!(n, 1);
    let failed = session.finish(Outcome::Discard).await.unwrap();
    let CookieChange::Set { value, .. } = failed.cookie else { panic!("{failed:?}") };
    let session = manager.open(Some(&value));
    assert_eq!(session.keys().await.unwrap(), ["before", "n"]);
    let calls: Vec<_> = session.journal().calls.iter().map(|c| (c.call, c.outcome)).collect();
    assert_eq!(calls, [("load", "found")]);
}

#[tokio::test]
async fn a_journal_tells_what_happened_and_no_key() {
    let manager = builder(&MemoryStore::new()).random(Arc::new(SystemRandom)).build().unwrap();
    let session = manager.open(None);
    session.get::<i32>("a").await.unwrap();
    session.insert("b", 1).await.unwrap();
    session.remove("b").await.unwrap();
    session.insert("c", 1).await.unwrap();
    let cookie = end(&session).await.unwrap();
    let journal = serde_json::to_value(session.journal()).unwrap();
    let expected = serde_json::json!({
        "cookie": "nothing",
        "calls": [{"call": "create", "outcome": "stored"}],
        "read": ["a"], "written": ["b", "c"], "removed": ["b"],
        "bytes": journal["bytes"], "saved": true, "set_cookie": "cookie",
    });
    assert_eq!(journal, expected);
    let secret = cookie.split('.').nth(1).unwrap();
    assert!(!journal.to_string().contains(secret));
}

#[tokio::test]
async fn what_was_cleared_by_one_request_is_cleared_under_the_changes_of_another() {
    let store = MemoryStore::new();
    let manager = builder(&store).build().unwrap();
    let session = manager.open(None);
    session.update([("a", 1), ("b", 2)]).await.unwrap();
    let cookie = end(&session).await.unwrap();
    let (one, two) = (manager.open(Some(&cookie)), manager.open(Some(&cookie)));
    one.clear().await.unwrap();
    two.insert("c", 3).await.unwrap();
    end(&one).await;
    end(&two).await;
    assert_eq!(manager.open(Some(&cookie)).keys().await.unwrap(), ["c"]);
}

#[tokio::test]
async fn a_clock_that_was_ahead_gives_no_longer_life() {
    let clock = Arc::new(ManualClock::new("2099-01-01T00:00:00Z".parse().unwrap()));
    let day = Duration::from_secs(24 * 60 * 60);
    let manager =
        builder(&MemoryStore::new()).clock(clock.clone()).idle(day).absolute(day * 2).build();
    let manager = manager.unwrap();
    let session = manager.open(None);
    session.insert("n", 1).await.unwrap();
    let cookie = end(&session).await.unwrap();
    clock.set("2026-01-01T00:00:00Z".parse().unwrap());
    let session = manager.open(Some(&cookie));
    session.insert("n", 2).await.unwrap();
    end(&session).await;
    for _ in 0..4 {
        clock.advance(day / 2);
        let session = manager.open(Some(&cookie));
        let _ = session.get::<i32>("n").await.unwrap();
        end(&session).await;
    }
    assert!(manager.open(Some(&cookie)).is_empty().await.unwrap(), "it has had its two days");
}

#[tokio::test]
async fn a_save_sends_the_cookie_only_when_the_browser_has_to_know() {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let manager = builder(&MemoryStore::new()).clock(clock.clone()).build().unwrap();
    let session = manager.open(None);
    session.insert("n", 0).await.unwrap();
    let cookie = end(&session).await.unwrap();
    let mut sent = Vec::new();
    for n in 1..=4 {
        clock.advance(Duration::from_secs(20 * 60));
        let session = manager.open(Some(&cookie));
        session.insert("n", n).await.unwrap();
        sent.push(end(&session).await.is_some());
    }
    assert_eq!(sent, [false, false, true, false], "once in an hour");
    let session = manager.open(Some(&cookie));
    session.set_expiry(Expiry::BrowserClose).await.unwrap();
    assert!(end(&session).await.is_some(), "another way to run out is told at once");
}

/// Both requests saw the session before its end was shortened; the one that only read it ends last.
#[tokio::test]
async fn a_request_that_only_read_leaves_an_end_that_another_has_shortened() {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let manager = builder(&MemoryStore::new()).clock(clock.clone()).build().unwrap();
    let session = manager.open(None);
    session.insert("n", 1).await.unwrap();
    let cookie = end(&session).await.unwrap();
    clock.advance(Duration::from_secs(2 * 60 * 60));
    let (shortens, reads) = (manager.open(Some(&cookie)), manager.open(Some(&cookie)));
    assert_eq!(shortens.get::<i32>("n").await.unwrap(), Some(1));
    assert_eq!(reads.get::<i32>("n").await.unwrap(), Some(1));
    shortens.set_expiry(Expiry::Seconds(600)).await.unwrap();
    assert!(end(&shortens).await.is_some(), "the browser is told of ten minutes");
    assert_eq!(end(&reads).await, None, "and of nothing else");
    let last = reads.journal().calls.last().map(|call| (call.call, call.outcome));
    assert_eq!(last, Some(("touch", "conflict")));
    clock.advance(Duration::from_secs(599));
    assert_eq!(manager.open(Some(&cookie)).get::<i32>("n").await.unwrap(), Some(1));
    clock.advance(Duration::from_secs(1));
    assert!(manager.open(Some(&cookie)).is_empty().await.unwrap(), "ten minutes are over");
}

/// Of requests beside each other that only read, one moves the end and tells the browser.
#[tokio::test]
async fn of_requests_that_only_read_one_moves_the_end() {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let day = Duration::from_secs(24 * 60 * 60);
    let manager = builder(&MemoryStore::new()).clock(clock.clone()).idle(day).build().unwrap();
    let session = manager.open(None);
    session.insert("n", 1).await.unwrap();
    let cookie = end(&session).await.unwrap();
    clock.advance(day / 2);
    let (one, two) = (manager.open(Some(&cookie)), manager.open(Some(&cookie)));
    for session in [&one, &two] {
        assert_eq!(session.get::<i32>("n").await.unwrap(), Some(1));
    }
    assert!(end(&one).await.is_some());
    assert_eq!(end(&two).await, None);
    clock.advance(day - Duration::from_secs(1));
    assert_eq!(manager.open(Some(&cookie)).get::<i32>("n").await.unwrap(), Some(1));
}
