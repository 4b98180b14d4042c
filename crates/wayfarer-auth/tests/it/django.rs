//! Users that Django knows too: real Django and we log each other's users in and out, where there is a Django.

use std::path::Path;

use async_trait::async_trait;
use wayfarer_auth::{Auth, AuthLayer, AuthUser, Csrf, DjangoUsers, UsersBackend};
use wayfarer_session::{
    BoxError, CookieChange, CookieKeys, MemoryStore, Outcome, Session, SessionManager,
    django::{DjangoCodec, DjangoKeys, SALT},
};
use wayfarer_store_sql::{DjangoSqliteStore, SqliteOptions};
use wayfarer_testkit::{
    Django,
    django::{SECRET, sqlite},
};

const OLD: &str = "the-secret-key-that-it-had-before";

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

/// One user, and the `password` column of that user.
struct OneUser(User);

#[async_trait]
impl UsersBackend for OneUser {
    type User = User;
    type Credentials = ();

    async fn authenticate(&self, (): &()) -> Result<Option<User>, BoxError> {
        Ok(Some(self.0.clone()))
    }

    async fn get_user(&self, id: &str) -> Result<Option<User>, BoxError> {
        Ok((id == self.0.id).then(|| self.0.clone()))
    }
}

fn auth(session: Session, keys: DjangoKeys, id: &str, password: &str) -> Auth<OneUser> {
    let user = User { id: id.to_owned(), password: password.to_owned() };
    AuthLayer::new(OneUser(user)).django(DjangoUsers::new(keys)).auth(session)
}

fn keys(secret: &str) -> DjangoKeys {
    DjangoKeys::new(secret).unwrap()
}

async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

#[tokio::test]
async fn a_hash_under_an_old_key_is_honoured_and_noted_anew() {
    let cookie_keys = CookieKeys::new(&[7; 32]).unwrap();
    let manager =
        SessionManager::builder(MemoryStore::new()).cookie_keys(cookie_keys).build().unwrap();
    let first = auth(manager.open(None), keys(OLD), "1", "!x1");
    first.login(&()).await.unwrap();
    let cookie = end(first.session()).await.unwrap();

    let rotated = keys(SECRET).with_fallback(OLD);
    let second = auth(manager.open(Some(&cookie)), rotated, "1", "!x1");
    assert!(second.user().await.unwrap().is_some());
    let noted: String = second.session().get("_auth_user_hash").await.unwrap().unwrap();
    assert_eq!(noted, keys(SECRET).auth_hash("!x1"));
    let renewed = end(second.session()).await.unwrap();
    assert_ne!(renewed, cookie, "with a new key");

    let stranger = auth(manager.open(Some(&renewed)), keys("another key"), "1", "!x1");
    assert!(stranger.user().await.unwrap().is_none());
}

#[tokio::test]
async fn a_user_of_another_backend_is_left_alone() {
    let cookie_keys = CookieKeys::new(&[7; 32]).unwrap();
    let manager =
        SessionManager::builder(MemoryStore::new()).cookie_keys(cookie_keys).build().unwrap();
    let session = manager.open(None);
    session.insert("_auth_user_id", "1").await.unwrap();
    session.insert("_auth_user_backend", "project.auth.Other").await.unwrap();
    let auth = auth(session, keys(SECRET), "1", "!x1");
    assert!(auth.user().await.unwrap().is_none());
    assert!(auth.session().contains("_auth_user_id").await.unwrap(), "not flushed");
}

/// A Django project with users on a database in this folder.
fn project(folder: &Path) -> Django {
    let database = sqlite(&folder.join("db.sqlite3"));
    let more = format!("CSRF_USE_SESSIONS=True, ALLOWED_HOSTS=['testserver'], {database}");
    wayfarer_testkit::django::project(&[], "db", &more).unwrap()
}

/// Runs `code` in a project and gives what it prints.
fn django(project: &Django, code: &str) -> String {
    let before = "from django.middleware.csrf import CsrfViewMiddleware
CSRF = CsrfViewMiddleware(lambda request: None); SessionStore = S";
    project.run(&format!("{before}\n{code}")).unwrap()
}

mod real {
    use super::*;

    #[tokio::test]
    async fn who_logged_in_there_is_logged_in_here_and_the_reverse() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let made = django(
            &project,
            r#"
call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("ada", password="first")
r = request(); r.session["_csrftoken"] = "kept"; login(r, user); r.session.save()
print(user.pk, user.password, r.session.session_key)"#,
        );
        let made: Vec<&str> = made.split(' ').collect();
        let [id, password, key] = made[..] else { panic!("{made:?}") };
        let path = folder.path().join("db.sqlite3");
        let store = DjangoSqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
        let codec = DjangoCodec::new(&keys(SECRET), SALT).unwrap();
        let manager = SessionManager::builder(store).django(codec).build().unwrap();

        let there = auth(manager.open(Some(key)), keys(SECRET), id, password);
        assert_eq!(there.user().await.unwrap().unwrap().id, id);
        let csrf: String = there.session().get("_csrftoken").await.unwrap().unwrap();
        assert_eq!(csrf, "kept");

        let here = auth(manager.open(None), keys(SECRET), id, password);
        here.login(&()).await.unwrap();
        let ours = end(here.session()).await.unwrap();
        let known = django(&project, &format!("print(get_user(request({ours:?})))"));
        assert_eq!(known, "ada");

        let changed = django(
            &project,
            &format!(
                r#"
user = get_user_model().objects.get(); user.set_password("second"); user.save()
print(user.password, get_user(request({ours:?})))"#
            ),
        );
        let (password, nobody) = changed.split_once(' ').unwrap();
        assert_eq!(nobody, "AnonymousUser");
        let late = auth(manager.open(Some(key)), keys(SECRET), id, password);
        assert!(late.user().await.unwrap().is_none(), "the new password ends it here too");
        assert!(late.session().is_empty().await.unwrap());
    }
    #[tokio::test]
    async fn csrf_tokens_messages_and_log_outs_cross_over() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let django = |code: &str| django(&project, code);
        let made = django(
            r#"
from django.contrib.messages import info
from django.contrib.messages.storage.session import SessionStorage
from django.middleware.csrf import get_token
call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("ada", password="first")
r = request(); login(r, user)
r._messages = SessionStorage(r); info(r, "welcome"); r._messages.update(r)
CSRF.process_request(r); token = get_token(r); CSRF._set_csrf_cookie(r, None); r.session.save()
print(user.pk, user.password, r.session.session_key, token)"#,
        );
        let made: Vec<&str> = made.split(' ').collect();
        let [id, password, key, token] = made[..] else { panic!("{made:?}") };
        let path = folder.path().join("db.sqlite3");
        let store = DjangoSqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
        let codec = DjangoCodec::new(&keys(SECRET), SALT).unwrap();
        let manager = SessionManager::builder(store).django(codec).build().unwrap();

        let there = manager.open(Some(key));
        let csrf = Csrf::new(there.clone());
        assert!(csrf.verify(token).await.unwrap(), "Django's token is good here");
        let (rest, last) = token.split_at(token.len() - 1);
        let other = format!("{rest}{}", if last == "x" { "y" } else { "x" });
        assert!(!csrf.verify(&other).await.unwrap());
        let ours = csrf.token().await.unwrap();
        // A log-in of the same user here: a new key, a new secret, and the messages as they were.
        auth(there.clone(), keys(SECRET), id, password).login(&()).await.unwrap();
        let renewed = csrf.token().await.unwrap();
        let key = end(&there).await.unwrap();
        let seen = django(&format!(
            r#"
from django.contrib.messages.storage.session import SessionStorage
def good(token):
    r = RequestFactory().post("/", {{"csrfmiddlewaretoken": token}}); r.session = SessionStore({key:?})
    CSRF.process_request(r); return CSRF.process_view(r, lambda r: None, (), {{}}) is None
r = request({key:?})
print(get_user(r), good({renewed:?}), good({ours:?}), [str(m) for m in SessionStorage(r)])"#
        ));
        assert_eq!(seen, "ada True False ['welcome']");

        let out = auth(manager.open(Some(&key)), keys(SECRET), id, password);
        out.logout().await.unwrap();
        let gone =
            format!("r = request({key:?}); print(get_user(r), SessionStore().exists({key:?}))");
        assert_eq!(django(&gone), "AnonymousUser False", "out here is out there");

        let here = auth(manager.open(None), keys(SECRET), id, password);
        here.login(&()).await.unwrap();
        let key = end(here.session()).await.unwrap();
        django(&format!("from django.contrib.auth import logout; logout(request({key:?}))"));
        let late = auth(manager.open(Some(&key)), keys(SECRET), id, password);
        assert!(late.user().await.unwrap().is_none(), "out there is out here");
    }
}
