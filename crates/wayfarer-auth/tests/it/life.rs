//! Log-in, log-out and their signals, in native mode.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Map, Value};
use wayfarer_auth::{Auth, AuthUser, UsersBackend};
use wayfarer_session::{
    BoxError, CookieChange, CookieKeys, MemoryStore, Outcome, Session, SessionManager, Signal,
    SignalBus, SignalReceiver,
};

#[derive(Clone)]
struct User {
    name: String,
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

#[derive(Default)]
struct Users(Mutex<Vec<User>>);

struct Login(&'static str, &'static str);

#[async_trait]
impl UsersBackend for Users {
    type User = User;
    type Credentials = Login;

    async fn authenticate(&self, Login(name, password): &Login) -> Result<Option<User>, BoxError> {
        let user = self.get_user(name).await?;
        Ok(user.filter(|user| user.password == *password))
    }

    async fn get_user(&self, id: &str) -> Result<Option<User>, BoxError> {
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
struct World {
    manager: SessionManager,
    users: Arc<Users>,
    heard: Arc<Heard>,
    cookie: Option<String>,
}

impl World {
    fn new() -> World {
        let user = |name: &str| User { name: name.into(), password: format!("{name}-password") };
        let (bus, heard) = (SignalBus::new(), Arc::new(Heard::default()));
        bus.connect(heard.clone());
        let keys = CookieKeys::new(&[7; 32]).unwrap();
        let builder = SessionManager::builder(MemoryStore::new()).cookie_keys(keys).signals(bus);
        World {
            manager: builder.build().unwrap(),
            users: Arc::new(Users(Mutex::new(vec![user("ada"), user("bob")]))),
            heard,
            cookie: None,
        }
    }

    fn request(&self) -> Auth<Users> {
        Auth::new(self.manager.open(self.cookie.as_deref()), Arc::clone(&self.users))
    }

    async fn end(&mut self, session: &Session) {
        match session.finish(Outcome::Keep).await.unwrap().cookie {
            CookieChange::Keep => {}
            CookieChange::Set { value, .. } => self.cookie = Some(value),
            CookieChange::Remove => self.cookie = None,
        }
    }

    async fn login(&mut self, name: &'static str, password: &'static str) -> bool {
        let auth = self.request();
        let user = auth.login(&Login(name, password)).await.unwrap();
        self.end(auth.session()).await;
        user.is_some()
    }

    async fn user(&mut self) -> Option<String> {
        let auth = self.request();
        let user = auth.user().await.unwrap();
        self.end(auth.session()).await;
        user.map(|user| user.name)
    }

    async fn set(&mut self, key: &str, value: i32) {
        let auth = self.request();
        auth.session().insert(key, value).await.unwrap();
        self.end(auth.session()).await;
    }

    async fn value(&self, key: &str) -> Option<i32> {
        self.request().session().get(key).await.unwrap()
    }

    fn heard(&self) -> Vec<String> {
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
            world.users.0.lock().unwrap().clear();
        } else {
            world.users.0.lock().unwrap()[0].password = "new".into();
        }
        assert_eq!(world.user().await, None);
        assert_eq!(world.value("cart").await, None);
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
