//! Log-in, log-out and their signals, in native mode.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use serde_json::{Map, Value};
use wayfarer_auth::{
    AtLimit, Auth, AuthError, AuthLayer, AuthUser, Csrf, SessionLimit, UsersBackend,
};
use wayfarer_session::{
    BoxError, CookieChange, CookieKeys, CookieSessions, ErrorKind, ManualClock, MemoryEpochs,
    MemoryStore, Outcome, Session, SessionManager, SessionManagerBuilder, Signal, SignalBus,
    SignalKind, SignalReceiver,
};

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    password: String,
}

impl AuthUser for User {
    fn id(&self) -> String {
        self.name.clone()
    }

    fn auth_hash(&self) -> Vec<u8> {
        self.password.clone().into_bytes()
    }
}

/// Users, and how often one was looked up.
pub(crate) struct Users(Mutex<Vec<User>>, AtomicU32);

impl Users {
    fn of(users: [User; 2]) -> Users {
        Users(Mutex::new(users.into()), AtomicU32::new(0))
    }
}

pub(crate) struct Login(pub(crate) &'static str, pub(crate) &'static str);

#[async_trait]
impl UsersBackend for Users {
    type User = User;
    type Credentials = Login;

    async fn authenticate(&self, Login(name, password): &Login) -> Result<Option<User>, BoxError> {
        let found = self.0.lock().unwrap().iter().find(|user| user.name == *name).cloned();
        Ok(found.filter(|user| user.password == *password))
    }

    async fn get_user(&self, id: &str) -> Result<Option<User>, BoxError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(self.0.lock().unwrap().iter().find(|user| user.name == id).cloned())
    }

    fn describe(&self, Login(name, password): &Login) -> Map<String, Value> {
        let pairs = [("username", *name), ("password", *password)];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Signal>>);

#[async_trait]
impl SignalReceiver for Heard {
    async fn receive(&self, signal: &Signal) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(signal.clone());
        Ok(())
    }
}

/// An application, and the cookie of its one browser.
pub(crate) struct World {
    manager: SessionManager,
    layer: AuthLayer<Users>,
    heard: Arc<Heard>,
    clock: Arc<ManualClock>,
    pub(crate) cookie: Option<String>,
}

impl World {
    fn new() -> World {
        World::with(|layer| layer)
    }

    pub(crate) fn with(set_up: impl FnOnce(AuthLayer<Users>) -> AuthLayer<Users>) -> World {
        World::over(SessionManager::builder(MemoryStore::new()), set_up)
    }

    pub(crate) fn over(
        builder: SessionManagerBuilder,
        set_up: impl FnOnce(AuthLayer<Users>) -> AuthLayer<Users>,
    ) -> World {
        let user = |name: &str| User { name: name.into(), password: format!("{name}-password") };
        let (bus, heard) = (SignalBus::new(), Arc::new(Heard::default()));
        bus.connect(heard.clone());
        let keys = CookieKeys::new(&[7; 32]).unwrap();
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let builder = builder.cookie_keys(keys).signals(bus);
        let builder = builder.clock(clock.clone()).touch_interval(std::time::Duration::ZERO);
        World {
            manager: builder.build().unwrap(),
            layer: set_up(AuthLayer::new(Users::of([user("ada"), user("bob")]))),
            heard,
            clock,
            cookie: None,
        }
    }

    pub(crate) fn request(&self) -> Auth<Users> {
        self.layer.auth(self.manager.open(self.cookie.as_deref()))
    }

    pub(crate) async fn end(&mut self, session: &Session) {
        self.end_as(session, Outcome::Keep).await;
    }

    pub(crate) async fn end_as(&mut self, session: &Session, outcome: Outcome) {
        match session.finish(outcome).await.unwrap().cookie {
            CookieChange::Keep => {}
            CookieChange::Set { value, .. } => self.cookie = Some(value),
            CookieChange::Remove => self.cookie = None,
        }
    }

    pub(crate) async fn login(&mut self, name: &'static str, password: &'static str) -> bool {
        let auth = self.request();
        let user = auth.login(&Login(name, password)).await.unwrap();
        self.end(auth.session()).await;
        user.is_some()
    }

    pub(crate) async fn user(&mut self) -> Option<String> {
        let auth = self.request();
        let user = auth.user().await.unwrap();
        self.end(auth.session()).await;
        user.map(|user| user.name)
    }

    pub(crate) async fn set(&mut self, key: &str, value: i32) {
        let auth = self.request();
        auth.session().insert(key, value).await.unwrap();
        self.end(auth.session()).await;
    }

    pub(crate) async fn value(&self, key: &str) -> Option<i32> {
        self.request().session().get(key).await.unwrap()
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().iter().map(|signal| signal.kind.to_string()).collect()
    }
}

#[tokio::test]
async fn a_log_in_keeps_the_cart_and_the_subject_and_changes_the_key() {
    let mut world = World::new();
    world.set("cart", 3).await;
    let (old, subject) = (world.cookie.clone(), world.request().session().subject());
    assert!(world.login("ada", "ada-password").await);
    assert_ne!(world.cookie, old);
    assert_eq!(world.request().session().subject(), subject);
    assert_eq!(world.value("cart").await, Some(3));
    assert_eq!(world.user().await.as_deref(), Some("ada"));
    world.cookie = old;
    assert_eq!(world.user().await, None, "the old key opens nothing");
}

#[tokio::test]
async fn logging_in_again_changes_the_key_too() {
    let mut world = World::new();
    world.login("ada", "ada-password").await;
    world.set("cart", 3).await;
    let old = world.cookie.clone();
    world.login("ada", "ada-password").await;
    assert_ne!(world.cookie, old);
    assert_eq!(world.value("cart").await, Some(3));
}

#[tokio::test]
async fn another_user_finds_nothing_of_the_first() {
    let mut world = World::new();
    world.login("ada", "ada-password").await;
    world.set("cart", 3).await;
    let subject = world.request().session().subject();
    world.login("bob", "bob-password").await;
    assert_eq!(world.user().await.as_deref(), Some("bob"));
    assert_eq!(world.value("cart").await, None);
    assert_ne!(world.request().session().subject(), subject);
}

#[tokio::test]
async fn a_log_out_ends_the_session_for_every_holder_of_its_key() {
    let mut world = World::new();
    world.login("ada", "ada-password").await;
    let old = world.cookie.clone();
    let auth = world.request();
    auth.logout().await.unwrap();
    world.end(auth.session()).await;
    assert_eq!(world.cookie, None);
    world.cookie = old;
    assert_eq!(world.user().await, None);
}

#[tokio::test]
async fn a_changed_password_or_a_lost_account_logs_out() {
    for lose in [false, true] {
        let mut world = World::new();
        world.login("ada", "ada-password").await;
        world.set("cart", 3).await;
        if lose {
            world.layer.backend().0.lock().unwrap().clear();
        } else {
            world.layer.backend().0.lock().unwrap()[0].password = "new".into();
        }
        assert_eq!(world.user().await, None);
        assert_eq!(world.value("cart").await, None);
        let heard = world.heard.0.lock().unwrap();
        let [.., out, flushed] = &heard[..] else { panic!("{heard:?}") };
        let reason = if lose { "the account is gone" } else { "other credentials" };
        assert_eq!((out.kind.as_str(), &out.detail["reason"]), ("logged_out", &reason.into()));
        assert_eq!((out.user.as_deref(), flushed.kind.as_str()), (Some("ada"), "flushed"));
    }
}

#[tokio::test]
async fn signals_say_who_and_never_the_password() {
    let mut world = World::new();
    assert!(!world.login("ada", "wrong").await);
    assert_eq!(world.cookie, None, "a failed log-in makes no session");
    world.login("ada", "ada-password").await;
    let auth = world.request();
    auth.logout().await.unwrap();
    world.end(auth.session()).await;
    assert_eq!(world.heard(), ["login_failed", "logged_in", "created", "logged_out", "flushed"]);
    let heard = world.heard.0.lock().unwrap();
    let users: Vec<_> = heard.iter().map(|signal| signal.user.as_deref()).collect();
    assert_eq!(users, [None, Some("ada"), Some("ada"), Some("ada"), Some("ada")]);
    assert_eq!(heard[0].detail["username"], "ada");
    assert!(!format!("{heard:?}").contains("wrong"));
    let subjects: Vec<_> = heard[1..].iter().map(|signal| signal.subject.unwrap()).collect();
    assert!(subjects.iter().all(|subject| *subject == subjects[0]), "{subjects:?}");
}

#[tokio::test]
async fn the_backend_is_asked_once_in_a_request() {
    let mut world = World::new();
    world.login("ada", "ada-password").await;
    let auth = world.request();
    let asked = || world.layer.backend().1.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(auth.user().await.unwrap().unwrap().name, "ada");
    }
    assert_eq!(asked(), 1);
    auth.logout().await.unwrap();
    assert!(auth.user().await.unwrap().is_none(), "what was known is forgotten");
    auth.login(&Login("bob", "bob-password")).await.unwrap();
    assert_eq!(auth.user().await.unwrap().unwrap().name, "bob");
}

#[tokio::test]
async fn a_changed_password_drops_every_session_but_this_one() {
    let mut world = World::new();
    world.login("ada", "ada-password").await;
    let other = world.cookie.take();
    world.login("ada", "ada-password").await;
    let old = world.cookie.clone();
    world.layer.backend().0.lock().unwrap()[0].password = "new".into();
    let user = world.layer.backend().0.lock().unwrap()[0].clone();
    let auth = world.request();
    auth.credentials_changed(&user).await.unwrap();
    world.end(auth.session()).await;
    assert_ne!(world.cookie, old, "a new key for new credentials");
    assert_eq!(world.user().await.as_deref(), Some("ada"));
    world.cookie = other;
    assert_eq!(world.user().await, None);
}

#[tokio::test]
async fn a_user_sees_and_ends_sessions() {
    let mut world = World::new();
    let mut cookies = Vec::new();
    for _ in 0..4 {
        world.cookie = None;
        world.login("ada", "ada-password").await;
        cookies.push(world.cookie.clone());
    }
    world.cookie = None;
    world.login("bob", "bob-password").await;
    let bob = world.cookie.clone();
    let bobs = world.request().session().handle().unwrap();

    world.cookie = cookies[1].clone();
    let auth = world.request();
    let sessions = auth.sessions().await.unwrap();
    let current: Vec<_> = sessions.iter().filter(|session| session.current).collect();
    assert_eq!((sessions.len(), current.len()), (4, 1));
    assert_eq!(Some(&current[0].info.handle), auth.session().handle().as_ref());
    assert!(!auth.revoke(&bobs).await.unwrap(), "another user's is not touched");
    let other = sessions.iter().find(|session| !session.current).unwrap();
    assert!(auth.revoke(&other.info.handle).await.unwrap());
    assert_eq!(auth.revoke_others().await.unwrap(), Some(2));
    assert_eq!(auth.sessions().await.unwrap().len(), 1);
    world.end(auth.session()).await;
    for (n, cookie) in cookies.iter().enumerate() {
        world.cookie = cookie.clone();
        assert_eq!(world.user().await.is_some(), n == 1, "session {n}");
    }
    world.cookie = bob;
    let auth = world.request();
    assert_eq!(auth.revoke_all().await.unwrap(), Some(1));
    world.end(auth.session()).await;
    assert_eq!((world.cookie.take(), world.request().sessions().await.unwrap().len()), (None, 0));
}

#[tokio::test]
async fn sessions_in_cookies_end_all_at_once_or_all_but_one() {
    let epochs = std::sync::Arc::new(MemoryEpochs::new());
    let cookies = CookieSessions::encrypted().with_epochs(epochs);
    let mut world = World::over(SessionManager::in_cookies(cookies), |layer| layer);
    let mut kept = Vec::new();
    let ada = ("ada", "ada-password");
    for (name, password) in [ada, ada, ada, ("bob", "bob-password")] {
        world.cookie = None;
        world.clock.advance(std::time::Duration::from_secs(60));
        world.login(name, password).await;
        kept.push(world.cookie.clone());
    }
    let live = async |world: &mut World, cookies: &[Option<String>]| {
        let mut live = Vec::new();
        for cookie in cookies {
            world.cookie = cookie.clone();
            live.push(world.user().await.is_some());
        }
        live
    };
    world.clock.advance(std::time::Duration::from_secs(60));
    world.cookie = kept[1].clone();
    let auth = world.request();
    let unlisted = auth.sessions().await.unwrap_err();
    assert!(
        matches!(unlisted, AuthError::Session(error) if error.kind() == ErrorKind::Unsupported)
    );
    assert_eq!(auth.revoke_others().await.unwrap(), None, "nobody can count them");
    world.end(auth.session()).await;
    kept.push(world.cookie.clone());
    // The cookie that this one had before is over too: it has been given another.
    assert_eq!(live(&mut world, &kept).await, [false, false, false, true, true]);

    world.clock.advance(std::time::Duration::from_secs(60));
    world.cookie = kept[4].clone();
    let auth = world.request();
    assert_eq!(auth.revoke_all().await.unwrap(), None);
    world.end(auth.session()).await;
    assert_eq!(world.cookie, None);
    assert_eq!(live(&mut world, &kept).await, [false, false, false, true, false]);
    let told =
        world.heard.0.lock().unwrap().iter().map(|signal| signal.kind.clone()).collect::<Vec<_>>();
    assert_eq!(told.iter().filter(|kind| **kind == SignalKind::Revoked).count(), 2, "{told:?}");
    // Who logs in again afterwards is in.
    world.clock.advance(std::time::Duration::from_secs(60));
    world.cookie = None;
    world.login("ada", "ada-password").await;
    assert!(world.user().await.is_some());
}

#[tokio::test]
async fn there_are_no_more_sessions_than_allowed() {
    let most = 2.try_into().unwrap();
    for at_limit in [AtLimit::EndOldest, AtLimit::Refuse] {
        let limit = SessionLimit { most, at_limit };
        let mut world = World::with(|layer| layer.session_limit(limit));
        let mut cookies = Vec::new();
        for _ in 0..2 {
            world.cookie = None;
            world.clock.advance(std::time::Duration::from_secs(60));
            world.login("ada", "ada-password").await;
            cookies.push(world.cookie.clone());
        }
        // Again in a session that there is: that is no further one.
        world.login("ada", "ada-password").await;
        cookies[1] = world.cookie.take();
        world.clock.advance(std::time::Duration::from_secs(60));
        let third = world.request();
        let answer = third.login(&Login("ada", "ada-password")).await;
        let expected = match at_limit {
            AtLimit::EndOldest => {
                assert!(answer.unwrap().is_some());
                world.end(third.session()).await;
                cookies.push(world.cookie.clone());
                [false, true, true].as_slice()
            }
            AtLimit::Refuse => {
                assert!(matches!(answer.unwrap_err(), AuthError::TooManySessions(2)));
                [true, true].as_slice()
            }
        };
        for (cookie, live) in cookies.iter().zip(expected) {
            world.cookie = cookie.clone();
            assert_eq!(world.user().await.is_some(), *live, "{at_limit:?}");
        }
    }
}

#[tokio::test]
async fn a_log_in_renews_the_csrf_secret_and_leaves_messages_alone() {
    let mut world = World::new();
    let auth = world.request();
    let before = Csrf::new(auth.session().clone()).token().await.unwrap();
    auth.session().insert("_messages", "[[\"__json_message\",0,20,\"hello\",\"\"]]").await.unwrap();
    world.end(auth.session()).await;
    world.login("ada", "ada-password").await;
    let session = world.request().session().clone();
    let csrf = Csrf::new(session.clone());
    assert!(!csrf.verify(&before).await.unwrap(), "a form from before is not good any more");
    let after = csrf.token().await.unwrap();
    assert!(csrf.verify(&after).await.unwrap());
    let messages: Option<String> = session.get("_messages").await.unwrap();
    assert!(messages.unwrap().contains("hello"));
}
