//! New keys in mid-life: what requests with the old key meet, beside a renewal, after it, and when something goes wrong.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use wayfarer_session::{
    BoxError, CookieChange, CookieKeys, ErrorKind, ManualClock, MemoryStore, Outcome, Session,
    SessionManager, Signal, SignalBus, SignalKind, SignalReceiver,
};

const HOUR: Duration = Duration::from_secs(60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

#[async_trait]
impl SignalReceiver for Heard {
    async fn receive(&self, signal: &Signal) -> Result<(), BoxError> {
        let user = signal.user.as_deref().unwrap_or("-");
        self.0.lock().unwrap().push(format!("{} {user}", signal.kind));
        Ok(())
    }
}

/// Sessions that get a new key after an hour, with five minutes of grace.
struct World {
    store: MemoryStore,
    clock: Arc<ManualClock>,
    heard: Arc<Heard>,
    manager: SessionManager,
}

impl World {
    fn new() -> World {
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let (store, heard) = (MemoryStore::new(), Arc::new(Heard::default()));
        let manager = manager(&store, &clock, &heard, CookieKeys::new(&[7; 32]).unwrap());
        World { store, clock, heard, manager }
    }

    async fn log_in(&self) -> String {
        let session = self.manager.open(None);
        session.insert("_auth_user_id", "ada").await.unwrap();
        end(&session).await.unwrap()
    }

    /// What a request with this cookie reads, and the cookie that it is given.
    async fn visit(&self, cookie: &str) -> (Option<String>, Option<String>) {
        let session = self.manager.open(Some(cookie));
        let user = session.get("_auth_user_id").await.unwrap();
        (user, end(&session).await)
    }

    async fn is_in(&self, cookie: &str) -> bool {
        self.visit(cookie).await.0.is_some()
    }

    /// A session whose key has just been renewed: the old cookie and the new one.
    async fn renewed(&self) -> (String, String) {
        let old = self.log_in().await;
        self.clock.advance(HOUR);
        let (user, new) = self.visit(&old).await;
        assert_eq!(user.as_deref(), Some("ada"));
        (old, new.unwrap())
    }
}

fn manager(
    store: &MemoryStore,
    clock: &Arc<ManualClock>,
    heard: &Arc<Heard>,
    keys: CookieKeys,
) -> SessionManager {
    let bus = SignalBus::new();
    bus.connect(heard.clone());
    let builder = SessionManager::builder(store.clone()).cookie_keys(keys).signals(bus);
    builder.clock(clock.clone()).renew_after(HOUR).grace(MINUTE * 5).build().unwrap()
}

async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

fn calls(session: &Session) -> Vec<(&'static str, &'static str)> {
    session.journal().calls.iter().map(|call| (call.call, call.outcome)).collect()
}

#[tokio::test]
async fn a_key_is_renewed_in_its_time_and_the_subject_stays() {
    let world = World::new();
    let old = world.log_in().await;
    world.clock.advance(HOUR - MINUTE);
    assert_eq!(world.visit(&old).await, (Some("ada".into()), None), "not before its time");
    world.clock.advance(MINUTE);
    let session = world.manager.open(Some(&old));
    let subject = session.subject().unwrap();
    assert_eq!(session.get("_auth_user_id").await.unwrap(), Some("ada".to_owned()));
    let new = end(&session).await.unwrap();
    assert_eq!(calls(&session), [("load", "found"), ("rotate", "stored")]);
    assert_ne!(old, new);
    assert_eq!(world.manager.open(Some(&new)).subject(), Some(subject));
    assert_eq!(world.heard.0.lock().unwrap().last().unwrap(), "rotated ada");
    assert_eq!(world.visit(&new).await, (Some("ada".into()), None), "not again at once");
    world.clock.advance(HOUR);
    let third = world.visit(&new).await.1.unwrap();
    assert!(world.is_in(&third).await);
}

#[tokio::test]
async fn a_request_that_fails_renews_nothing() {
    let world = World::new();
    let old = world.log_in().await;
    world.clock.advance(HOUR);
    let session = world.manager.open(Some(&old));
    assert!(session.contains("_auth_user_id").await.unwrap());
    let failed = session.finish(Outcome::Discard).await.unwrap();
    assert_eq!(failed.cookie, CookieChange::Keep);
    assert!(world.visit(&old).await.1.is_some());
}

#[tokio::test]
async fn a_lost_response_is_told_again_within_the_grace() {
    let world = World::new();
    let (old, new) = world.renewed().await;
    world.clock.advance(MINUTE * 4);
    for _ in 0..2 {
        assert_eq!(world.visit(&old).await, (Some("ada".into()), Some(new.clone())));
    }
    assert!(world.is_in(&new).await);
}

#[tokio::test]
async fn the_old_key_opens_nothing_after_the_grace() {
    let world = World::new();
    let (old, new) = world.renewed().await;
    world.clock.advance(MINUTE * 5);
    assert_eq!(world.visit(&old).await, (None, None));
    assert!(world.is_in(&new).await);
}

#[tokio::test]
async fn the_old_key_opens_nothing_once_the_new_one_came() {
    let world = World::new();
    let (old, new) = world.renewed().await;
    let first = world.manager.open(Some(&new));
    assert!(first.contains("_auth_user_id").await.unwrap());
    assert!(!world.is_in(&old).await, "also while that request still works");
    end(&first).await;
    let settled = [("load", "found"), ("load", "found"), ("save", "stored"), ("save", "stored")];
    assert_eq!(calls(&first), settled, "the way is closed, and then forgotten");
    let second = world.manager.open(Some(&new));
    assert!(second.contains("_auth_user_id").await.unwrap());
    end(&second).await;
    assert_eq!(calls(&second), [("load", "found")], "that happens once");
}

#[tokio::test]
async fn requests_beside_a_renewal_lose_nothing_and_agree_on_the_key() {
    let world = World::new();
    let old = world.log_in().await;
    world.clock.advance(HOUR);
    let beside: Vec<_> = (0..20).map(|_| world.manager.open(Some(&old))).collect();
    for (n, session) in beside.iter().enumerate() {
        session.insert(&format!("own-{n}"), n).await.unwrap();
    }
    let mut given = Vec::new();
    for session in &beside {
        given.push(end(session).await.unwrap());
    }
    given.dedup();
    let [new] = given.as_slice() else { panic!("{} keys were given", given.len()) };
    let session = world.manager.open(Some(new));
    assert_eq!(session.keys().await.unwrap().len(), 21);
    assert!(!world.is_in(&old).await);
}

#[tokio::test]
async fn a_request_at_work_saves_after_the_renewal_and_after_the_old_key_is_dead() {
    let world = World::new();
    let old = world.log_in().await;
    let slow = world.manager.open(Some(&old));
    slow.insert("slow", 1).await.unwrap();
    world.clock.advance(HOUR);
    let new = world.visit(&old).await.1.unwrap();
    assert!(world.is_in(&new).await);
    world.clock.advance(MINUTE * 30);
    assert!(!world.is_in(&old).await);
    assert_eq!(end(&slow).await, Some(new.clone()));
    assert!(world.manager.open(Some(&new)).contains("slow").await.unwrap());
}

#[tokio::test]
async fn the_old_key_works_until_the_browser_has_shown_the_new_one() {
    let world = World::new();
    // The answer with the new key is still on its way.
    let (old, new) = world.renewed().await;
    let beside = [world.manager.open(Some(&old)), world.manager.open(Some(&old))];
    for (n, session) in beside.iter().enumerate() {
        session.insert(&format!("own-{n}"), n).await.unwrap();
    }
    for session in &beside {
        end(session).await;
    }
    assert_eq!(calls(&beside[1])[2], ("save", "conflict"), "the second one looks again");
    assert!(world.is_in(&old).await);
    assert!(world.is_in(&new).await);
    assert!(!world.is_in(&old).await);
}

#[tokio::test]
async fn a_save_that_a_renewal_overtakes_leaves_the_way_from_the_old_key_noted() {
    let world = World::new();
    let (_, second) = world.renewed().await;
    let slow = world.manager.open(Some(&second));
    slow.insert("slow", 1).await.unwrap();
    world.clock.advance(HOUR);
    let third = world.visit(&second).await.1.unwrap();
    assert_eq!(end(&slow).await, Some(third.clone()));
    assert!(world.is_in(&third).await);
    assert!(!world.is_in(&second).await, "the third came, so the second is closed");
}

/// A handle that has seen its session, and the cookie of its browser, which has been given twenty keys since.
async fn far_behind(world: &World) -> (Session, String) {
    let mut cookie = world.log_in().await;
    let socket = world.manager.open(Some(&cookie));
    socket.insert("socket", 1).await.unwrap();
    for _ in 0..20 {
        world.clock.advance(HOUR);
        cookie = world.visit(&cookie).await.1.unwrap();
    }
    (socket, cookie)
}

#[tokio::test]
async fn a_handle_that_is_many_keys_behind_loses_no_change() {
    let world = World::new();
    let (socket, cookie) = far_behind(&world).await;
    socket.save().await.unwrap();
    assert!(world.manager.open(Some(&cookie)).contains("socket").await.unwrap());
}

#[tokio::test]
async fn a_log_out_by_a_handle_that_is_many_keys_behind_ends_the_session() {
    let world = World::new();
    let (socket, cookie) = far_behind(&world).await;
    socket.flush().await.unwrap();
    assert!(!world.is_in(&cookie).await);
}

#[tokio::test]
async fn a_revocation_during_the_grace_ends_both_keys() {
    let world = World::new();
    let (old, new) = world.renewed().await;
    assert_eq!(world.manager.revoke_all("ada", None).await.unwrap(), 1);
    assert!(!world.is_in(&old).await);
    assert!(!world.is_in(&new).await);
}

/// Visits with every cookie as soon as one session is revoked.
#[derive(Default)]
struct Visitor(Mutex<Option<(SessionManager, Vec<String>)>>);

#[async_trait]
impl SignalReceiver for Visitor {
    async fn receive(&self, signal: &Signal) -> Result<(), BoxError> {
        if signal.kind != SignalKind::Revoked {
            return Ok(());
        }
        let Some((manager, cookies)) = self.0.lock().unwrap().take() else { return Ok(()) };
        for cookie in cookies {
            let session = manager.open(Some(&cookie));
            session.contains("n").await?;
            let _ = session.finish(Outcome::Keep).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_revocation_that_a_renewal_overtakes_ends_the_session_and_tells_once() {
    let world = World::new();
    let cookies = vec![world.log_in().await, world.log_in().await];
    world.clock.advance(HOUR);
    let visitor = Arc::new(Visitor(Mutex::new(Some((world.manager.clone(), cookies.clone())))));
    world.manager.signals().connect(visitor);
    assert_eq!(world.manager.revoke_all("ada", None).await.unwrap(), 2);
    let heard = world.heard.0.lock().unwrap().clone();
    assert_eq!(heard, ["created ada", "created ada", "revoked ada", "rotated ada", "revoked ada"]);
    assert!(world.manager.sessions_of("ada").await.unwrap().is_empty());
    for cookie in &cookies {
        assert!(!world.is_in(cookie).await);
    }
}

#[tokio::test]
async fn a_log_out_during_the_grace_ends_both_keys_whichever_it_came_with() {
    for with_old in [true, false] {
        let world = World::new();
        let (old, new) = world.renewed().await;
        let leaving = world.manager.open(Some(if with_old { &old } else { &new }));
        leaving.flush().await.unwrap();
        assert!(!world.is_in(&old).await);
        assert!(!world.is_in(&new).await);
        assert_eq!(world.heard.0.lock().unwrap().last().unwrap(), "flushed ada");
    }
}

#[tokio::test]
async fn a_log_out_that_a_renewal_overtakes_still_ends_the_session() {
    let world = World::new();
    let old = world.log_in().await;
    let leaving = world.manager.open(Some(&old));
    assert!(leaving.contains("_auth_user_id").await.unwrap());
    world.clock.advance(HOUR);
    let new = world.visit(&old).await.1.unwrap();
    leaving.flush().await.unwrap();
    assert!(!world.is_in(&new).await);
    assert!(!world.is_in(&old).await);
}

#[tokio::test]
async fn a_new_key_at_log_in_has_no_grace() {
    let world = World::new();
    let old = world.log_in().await;
    let slow = world.manager.open(Some(&old));
    slow.insert("slow", 1).await.unwrap();
    let session = world.manager.open(Some(&old));
    session.cycle_key().await.unwrap();
    let new = end(&session).await.unwrap();
    assert!(!world.is_in(&old).await);
    assert!(world.is_in(&new).await);
    let error = slow.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

#[tokio::test]
async fn a_changed_cookie_key_does_not_cut_the_way() {
    let world = World::new();
    let (old, new) = world.renewed().await;
    let keys = CookieKeys::new(&[8; 32]).unwrap().with_fallback(&[7; 32]).unwrap();
    let later = manager(&world.store, &world.clock, &world.heard, keys);
    let session = later.open(Some(&old));
    assert!(session.contains("_auth_user_id").await.unwrap());
    let again = end(&session).await.unwrap();
    assert_ne!(again, new, "it is signed with the new cookie key");
    let (mine, theirs) = (again.rsplit_once('.').unwrap().0, new.rsplit_once('.').unwrap().0);
    assert_eq!(mine, theirs, "and holds the same key");
}

#[tokio::test]
async fn what_lies_under_the_old_key_is_no_session_of_the_user() {
    let world = World::new();
    let (_, new) = world.renewed().await;
    let listed = world.manager.sessions_of("ada").await.unwrap();
    let [only] = listed.as_slice() else { panic!("{} sessions are listed", listed.len()) };
    assert_eq!(Some(only.subject), world.manager.open(Some(&new)).subject());
}

#[tokio::test]
async fn a_clock_that_goes_backwards_opens_no_old_key_for_long() {
    let world = World::new();
    let (old, new) = world.renewed().await;
    world.clock.set("2025-12-31T00:00:00Z".parse().unwrap());
    assert!(!world.is_in(&old).await, "a grace of a day is none");
    assert!(world.is_in(&new).await);
}

#[tokio::test]
async fn one_request_tells_that_a_session_ran_out() {
    let world = World::new();
    let cookie = world.log_in().await;
    world.clock.advance(HOUR * 24 * 15);
    for _ in 0..3 {
        assert_eq!(world.visit(&cookie).await, (None, None));
    }
    let heard = world.heard.0.lock().unwrap().clone();
    assert_eq!(heard, ["created ada", "expired ada"]);
}

#[tokio::test]
async fn a_session_that_was_ended_did_not_run_out() {
    let world = World::new();
    let cookie = world.log_in().await;
    world.manager.open(Some(&cookie)).flush().await.unwrap();
    world.clock.advance(HOUR * 24 * 15);
    assert!(!world.is_in(&cookie).await);
    assert!(!world.heard.0.lock().unwrap().iter().any(|heard| heard.starts_with("expired")));
}

#[test]
fn a_grace_that_never_ends_is_refused() {
    let keys = CookieKeys::new(&[7; 32]).unwrap();
    let builder = SessionManager::builder(MemoryStore::new()).cookie_keys(keys);
    let error = builder.renew_after(MINUTE).grace(MINUTE).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
