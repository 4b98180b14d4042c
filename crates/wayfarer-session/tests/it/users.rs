//! The sessions of a user: listed, ended from outside, and none slipping away.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use wayfarer_session::{
    BoxError, CookieChange, CookieKeys, Handle, ManualClock, MemoryStore, Outcome, Session,
    SessionManager, Signal, SignalBus, SignalReceiver,
};

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

struct World {
    manager: SessionManager,
    clock: Arc<ManualClock>,
    heard: Arc<Heard>,
}

impl World {
    fn new() -> World {
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let (bus, heard) = (SignalBus::new(), Arc::new(Heard::default()));
        bus.connect(heard.clone());
        let builder = SessionManager::builder(MemoryStore::new())
            .cookie_keys(CookieKeys::new(&[7; 32]).unwrap())
            .clock(clock.clone())
            .signals(bus);
        World { manager: builder.build().unwrap(), clock, heard }
    }

    async fn login(&self, user: &str) -> String {
        let session = self.manager.open(None);
        session.insert("_auth_user_id", user).await.unwrap();
        end(&session).await.unwrap()
    }

    async fn is_live(&self, cookie: &str) -> bool {
        !self.manager.open(Some(cookie)).is_empty().await.unwrap()
    }
}

async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

#[tokio::test]
async fn a_user_sees_all_sessions_and_ends_one() {
    let world = World::new();
    let laptop = world.login("ada").await;
    world.clock.advance(Duration::from_secs(60));
    let phone = world.login("ada").await;
    let stranger = world.login("bob").await;
    let listed = world.manager.sessions_of("ada").await.unwrap();
    let ages: Vec<_> = listed.iter().map(|info| info.created.unwrap().to_string()).collect();
    assert_eq!(ages, ["2026-01-01T00:01:00Z", "2026-01-01T00:00:00Z"]);
    assert!(listed.iter().all(|info| info.last_used == info.created));
    let handle = world.manager.open(Some(&laptop)).handle().unwrap();
    assert_eq!(listed[1].handle, handle);
    assert!(!world.manager.revoke("bob", &handle).await.unwrap(), "not another user's");
    assert!(world.manager.revoke("ada", &handle).await.unwrap());
    assert!(!world.manager.revoke("ada", &handle).await.unwrap());
    assert!(!world.manager.revoke("ada", &Handle::from_text("junk")).await.unwrap());
    let live = [&laptop, &phone, &stranger].map(|cookie| world.is_live(cookie));
    let [laptop, phone, stranger] = live;
    assert_eq!((laptop.await, phone.await, stranger.await), (false, true, true));
    assert_eq!(world.heard.0.lock().unwrap().last().unwrap(), "revoked ada");
}

#[tokio::test]
async fn all_others_end_and_this_one_stays() {
    let world = World::new();
    let mut cookies = Vec::new();
    for _ in 0..5 {
        cookies.push(world.login("ada").await);
    }
    let keep = world.manager.open(Some(&cookies[2])).subject();
    assert_eq!(world.manager.revoke_all("ada", keep).await.unwrap(), 4);
    for (n, cookie) in cookies.iter().enumerate() {
        assert_eq!(world.is_live(cookie).await, n == 2);
    }
    assert_eq!(world.manager.revoke_all("ada", None).await.unwrap(), 1);
    assert!(world.manager.sessions_of("ada").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_request_that_runs_on_does_not_bring_a_revoked_session_back() {
    let world = World::new();
    let cookie = world.login("ada").await;
    let running = world.manager.open(Some(&cookie));
    running.insert("late", 1).await.unwrap();
    world.manager.revoke_all("ada", None).await.unwrap();
    let error = running.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), wayfarer_session::ErrorKind::Interrupted);
    assert!(!world.is_live(&cookie).await);
}

#[tokio::test]
async fn what_began_before_an_instant_ends_and_the_rest_stays() {
    let world = World::new();
    let old = world.login("ada").await;
    world.clock.advance(Duration::from_secs(60));
    let instant = "2026-01-01T00:01:00Z".parse().unwrap();
    let newer = world.login("ada").await;
    let stranger = world.login("bob").await;
    assert_eq!(world.manager.revoke_before("ada", instant).await.unwrap(), Some(1));
    let [old, newer] = [&old, &newer].map(|cookie| world.is_live(cookie));
    assert_eq!((old.await, newer.await), (false, true));
    assert!(world.is_live(&stranger).await);
}

#[tokio::test]
async fn a_list_names_the_device_and_no_more_of_it() {
    let world = World::new();
    let cookie = world.login("ada").await;
    let session = world.manager.open(Some(&cookie));
    session.note_device("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0").await.unwrap();
    end(&session).await;
    let listed = world.manager.sessions_of("ada").await.unwrap();
    assert_eq!(listed[0].device.as_deref(), Some("Firefox on Linux"));
}
