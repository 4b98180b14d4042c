//! What happens to a session in its life: when it ends, who logs in, who writes beside whom.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use wayfarer::{
    CookieChange, DjangoCodec, DjangoKeys, Expiry, ManualClock, Session, async_trait,
    auth::{AuthLayer, AuthUser, DjangoUsers, UsersBackend},
    session::{
        BoxError, MemoryStore, Outcome, Record, SessionManager, SessionStore, StoreKey,
        django::SALT,
        jiff::{SignedDuration, Timestamp},
    },
};

use super::{instant, text};

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

/// Sessions of a Django project at one moment.
struct Project {
    codec: DjangoCodec,
    store: MemoryStore,
    manager: SessionManager,
    now: Timestamp,
}

impl Project {
    fn new(secret: &str, now: Timestamp) -> Project {
        let codec = DjangoCodec::new(&DjangoKeys::new(secret).unwrap(), SALT).unwrap();
        let store = MemoryStore::new();
        let manager = SessionManager::builder(store.clone()).django(codec.clone());
        let manager = manager.subject_entry(false).clock(Arc::new(ManualClock::new(now)));
        Project { codec, store, manager: manager.build().unwrap(), now }
    }

    /// Puts a session there, as Django would.
    async fn put(&self, session: &Value) {
        let data = self.codec.encode(&session.to_string(), self.now).into_bytes().into();
        let record = Record { data, expires_at: Timestamp::MAX, subject: None, user: None };
        let _ = self.store.create(&StoreKey::new(KEY), &record, self.now).await.unwrap();
    }

    /// What lies under a key.
    async fn stored(&self, key: &str) -> Option<Value> {
        let loaded = self.store.load(&StoreKey::new(key), Timestamp::MIN).await.unwrap()?;
        let value = String::from_utf8(loaded.record.data.to_vec()).unwrap();
        Some(serde_json::from_str(&self.codec.decode(&value).unwrap().json).unwrap())
    }
}

/// The cookie that a session has after it was saved.
async fn end(session: &Session, before: &str) -> String {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => value,
        CookieChange::Keep | CookieChange::Remove => before.to_owned(),
    }
}

/// What Django's argument is in our words; `None` where there are none for it.
fn expiry_of(argument: &str, stored: &Value) -> Option<Expiry> {
    match argument {
        "'unset'" | "None" => Some(Expiry::Default),
        "0" => Some(Expiry::BrowserClose),
        _ => match stored {
            Value::Number(number) => number.as_i64().map(Expiry::Seconds),
            Value::String(text) => text.parse().ok().map(Expiry::At),
            _ => None,
        },
    }
}

pub(super) async fn expiry(vector: &Value) {
    let project = Project::new("a secret key", instant(&vector["now"]));
    let (id, stored) = (&vector["id"], &vector["stored"]);
    let mut session = Map::from_iter([("a".to_owned(), json!(1))]);
    if !stored.is_null() {
        session.insert("_session_expiry".to_owned(), stored.clone());
    }
    project.put(&Value::Object(session)).await;
    let read = project.manager.open(Some(KEY));
    if vector["error"].is_null() {
        let age = match &vector["expiry_age"] {
            Value::Bool(yes) => f64::from(u8::from(*yes)),
            age => age.as_f64().unwrap(),
        };
        assert_eq!(read.expiry_age().await.unwrap().as_secs_f64(), age, "{id}");
        let date: Timestamp = text(vector, "expiry_date").parse().unwrap();
        assert_eq!(read.expiry_date().await.unwrap(), date, "{id}");
    } else {
        // Django cannot compute with an instant that has no offset: an error in the handler there, the default here.
        assert_eq!((id, &vector["error"]), (&json!("expiry/datetime_naive"), &json!("TypeError")));
        let two_weeks = SignedDuration::from_secs(vector["session_cookie_age"].as_i64().unwrap());
        assert_eq!(read.expiry_age().await.unwrap(), two_weeks);
    }
    let closes = read.expires_at_browser_close().await.unwrap();
    assert_eq!(closes, vector["browser_close"] == true, "{id}");

    // What Django stores for its argument, we store for ours.
    let Some(expiry) = expiry_of(text(vector, "set_expiry"), stored) else {
        assert!(
            ["expiry/float", "expiry/true_bool", "expiry/datetime_naive"]
                .contains(&id.as_str().unwrap())
        );
        return;
    };
    let written = project.manager.open(None);
    written.insert("a", 1).await.unwrap();
    written.set_expiry(expiry).await.unwrap();
    let key = end(&written, "").await;
    let ours = project.stored(&key).await.unwrap();
    let ours = ours.get("_session_expiry").unwrap_or(&Value::Null);
    match (ours, stored) {
        // An instant of ours has no offset of its own.
        (Value::String(ours), Value::String(theirs)) => {
            let (ours, theirs): (Timestamp, Timestamp) =
                (ours.parse().unwrap(), theirs.parse().unwrap());
            assert_eq!(ours, theirs, "{id}");
        }
        _ => assert_eq!(ours, stored, "{id}"),
    }
}

#[derive(Clone)]
struct User {
    id: String,
    password: String,
}

impl AuthUser for User {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn auth_hash(&self) -> Vec<u8> {
        self.password.clone().into_bytes()
    }
}

#[async_trait]
impl UsersBackend for User {
    type User = User;
    type Credentials = ();

    async fn authenticate(&self, (): &()) -> Result<Option<User>, BoxError> {
        Ok(Some(self.clone()))
    }

    async fn get_user(&self, id: &str) -> Result<Option<User>, BoxError> {
        Ok((id == self.id).then(|| self.clone()))
    }
}

pub(super) async fn login(vector: &Value) {
    let (id, secret) = (text(vector, "id"), text(vector, "secret_key"));
    let project = Project::new(secret, instant(&json!(1_767_225_600)));
    project.put(&vector["session_before"]).await;
    let user =
        User { id: text(vector, "user_pk").into(), password: text(vector, "user_password").into() };
    let users = DjangoUsers::new(DjangoKeys::new(secret).unwrap());
    let auth = AuthLayer::new(user.clone()).django(users).auth(project.manager.open(Some(KEY)));
    auth.login_user(&user).await.unwrap();
    let key = end(auth.session(), KEY).await;
    assert_eq!(project.stored(&key).await.as_ref(), Some(&vector["session_after"]), "{id}");
    // Django keeps the key when the same user logs in again. We never do.
    let changed = vector["key_changed"] == true || id == "login/same_user_same_hash";
    assert_eq!(key != KEY, changed, "{id}");
    let old_is_there = project.manager.open(Some(KEY)).contains("cart").await.unwrap();
    assert_eq!(old_is_there, vector["old_key_still_in_store"] == true, "{id}");
}

/// Django loses the first writer's key. Here both stay.
pub(super) async fn concurrency(vector: &Value) {
    let project = Project::new("a secret key", instant(&json!(1_767_225_600)));
    project.put(&vector["start"]).await;
    let writers = ["writer_1", "writer_2"].map(|writer| (project.manager.open(Some(KEY)), writer));
    let mut expected = vector["result"].as_object().unwrap().clone();
    for (session, writer) in &writers {
        for (key, value) in vector[*writer].as_object().unwrap() {
            session.insert(key, value.clone()).await.unwrap();
            expected.insert(key.clone(), value.clone());
        }
    }
    for (session, _) in &writers {
        end(session, KEY).await;
    }
    assert!(expected.len() > vector["result"].as_object().unwrap().len(), "Django loses one");
    assert_eq!(project.stored(KEY).await, Some(Value::Object(expected)), "{vector}");
}
