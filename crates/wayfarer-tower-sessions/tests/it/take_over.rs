//! Sessions of tower-sessions, made by the real one, in an application that has moved to Wayfarer.

use axum::{Router, http::StatusCode, routing::get};
use axum_login::{AuthManagerLayerBuilder, AuthSession};
use tower_sessions::{
    MemoryStore as OldMemory, SessionManagerLayer, SessionStore, cookie::Key, session::Record,
};
use wayfarer::{
    Session, SessionLayer, async_trait,
    auth::{Auth, AuthLayer, AuthUser, UsersBackend},
    session::{BoxError, MemoryStore},
};
use wayfarer_tower_sessions::{OldCookie, OldStore, TakeOver, TowerStore};

use crate::browser::Browser;

/// The application before the move, over its own store.
fn before(
    layer: SessionManagerLayer<
        impl SessionStore + Clone,
        impl tower_sessions::service::CookieController + Sync,
    >,
) -> Router {
    let cart = |session: tower_sessions::Session| async move {
        session.insert("cart", [3, 5]).await.unwrap();
    };
    Router::new().route("/cart", get(cart)).layer(layer)
}

/// The application after it.
fn after(take_over: TakeOver) -> Router {
    let sessions = SessionLayer::builder(MemoryStore::new())
        .cookie_keys(wayfarer::CookieKeys::new(&[7; 32]).unwrap())
        .hook(take_over)
        .build()
        .unwrap();
    let cart = |session: Session| async move {
        format!("{:?}", session.get::<Vec<u32>>("cart").await.unwrap())
    };
    let broken = |session: Session| async move {
        session.insert("x", 1).await.unwrap();
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let user = |auth: Auth<Users>| async move {
        auth.user().await.unwrap().map_or_else(|| "nobody".to_owned(), |user| user.id())
    };
    let routes = Router::new().route("/cart", get(cart)).route("/broken", get(broken));
    routes.route("/user", get(user)).layer(AuthLayer::new(Users)).layer(sessions)
}

async fn finds_the_cart(browser: &Browser, app: &Router) {
    let thief = browser.copy();
    let (status, _) = browser.get(app, "/broken").await;
    assert_eq!((status, browser.names()), (StatusCode::INTERNAL_SERVER_ERROR, thief.names()));
    for _ in 0..2 {
        assert_eq!(browser.get(app, "/cart").await.1, "Some([3, 5])");
        assert_eq!(browser.names(), ["__Host-wayfarer"], "the old cookie is taken away");
    }
    assert_eq!(thief.get(app, "/cart").await.1, "None", "the old session is forgotten");
}

#[tokio::test]
async fn a_plain_cookie_finds_its_session() {
    let (store, browser) = (OldMemory::default(), Browser::default());
    browser.get(&before(SessionManagerLayer::new(store.clone())), "/cart").await;
    finds_the_cart(&browser, &after(TakeOver::new(OldCookie::plain("id"), OldStore(store)))).await;
}

#[tokio::test]
async fn a_signed_or_encrypted_cookie_finds_its_session() {
    let key = Key::generate();
    let (store, browser) = (OldMemory::default(), Browser::default());
    let layer = SessionManagerLayer::new(store.clone()).with_name("sid").with_signed(key.clone());
    browser.get(&before(layer), "/cart").await;
    let copy = browser.copy();
    let other =
        TakeOver::new(OldCookie::plain("sid").signed(Key::generate()), OldStore(store.clone()));
    assert_eq!(copy.get(&after(other), "/cart").await.1, "None", "signed by another key");
    let cookie = OldCookie::plain("sid").signed(key.clone());
    finds_the_cart(&browser, &after(TakeOver::new(cookie, OldStore(store)))).await;

    let (store, browser) = (OldMemory::default(), Browser::default());
    let layer = SessionManagerLayer::new(store.clone()).with_private(key.clone());
    browser.get(&before(layer), "/cart").await;
    let cookie = OldCookie::plain("id").private(key);
    finds_the_cart(&browser, &after(TakeOver::new(cookie, OldStore(store)))).await;
}

#[tokio::test]
async fn the_second_step_follows_the_first() {
    let (store, browser) = (TowerStore::new(MemoryStore::new()), Browser::default());
    browser.get(&before(SessionManagerLayer::new(store.clone())), "/cart").await;
    finds_the_cart(&browser, &after(TakeOver::new(OldCookie::plain("id"), OldStore(store)))).await;
}

#[derive(Clone, Debug)]
struct User;

const HASH: &[u8] = b"a hash of ada's password";

impl AuthUser for User {
    fn id(&self) -> String {
        "42".to_owned()
    }

    fn auth_hash(&self) -> Vec<u8> {
        HASH.to_vec()
    }
}

impl axum_login::AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        42
    }

    fn session_auth_hash(&self) -> &[u8] {
        HASH
    }
}

#[derive(Clone)]
struct Users;

#[async_trait]
impl UsersBackend for Users {
    type User = User;
    type Credentials = ();

    async fn authenticate(&self, (): &()) -> Result<Option<User>, BoxError> {
        Ok(Some(User))
    }

    async fn get_user(&self, id: &str) -> Result<Option<User>, BoxError> {
        Ok((id == "42").then_some(User))
    }
}

impl axum_login::AuthnBackend for Users {
    type User = User;
    type Credentials = ();
    type Error = std::convert::Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<User>, Self::Error> {
        Ok(Some(User))
    }

    async fn get_user(&self, id: &i64) -> Result<Option<User>, Self::Error> {
        Ok((*id == 42).then_some(User))
    }
}

/// A record that the real axum-login wrote, and the browser that owns it.
async fn logged_in_before() -> (Record, Browser) {
    use tower_sessions_before::{MemoryStore, SessionManagerLayer, SessionStore, session::Id};
    let store = MemoryStore::default();
    let login = |mut auth: AuthSession<Users>| async move { auth.login(&User).await.unwrap() };
    let layer =
        AuthManagerLayerBuilder::new(Users, SessionManagerLayer::new(store.clone())).build();
    let app: Router = Router::new().route("/login", get(login)).layer(layer);
    let browser = Browser::default();
    assert_eq!(browser.get(&app, "/login").await.0, StatusCode::OK);
    let id: Id = browser.cookies()["id"].parse().unwrap();
    let old = store.load(&id).await.unwrap().unwrap();
    let id = tower_sessions::session::Id(old.id.0);
    (Record { id, data: old.data, expiry_date: old.expiry_date }, browser)
}

#[tokio::test]
async fn who_was_logged_in_stays_logged_in() {
    let (mut record, browser) = logged_in_before().await;
    let store = OldMemory::default();
    store.create(&mut record).await.unwrap();
    let users = || AuthLayer::new(Users);
    let take_over = TakeOver::new(OldCookie::plain("id"), OldStore(store.clone())).users(users());
    let app = after(take_over);
    assert_eq!(browser.get(&app, "/user").await.1, "42");
    assert_eq!(browser.get(&app, "/user").await.1, "42");
    assert_eq!(browser.names(), ["__Host-wayfarer"]);
}

#[tokio::test]
async fn who_has_another_password_since_is_logged_out() {
    let (mut record, browser) = logged_in_before().await;
    record.data.get_mut("axum-login.data").unwrap()["auth_hash"] = serde_json::json!([1, 2, 3]);
    let store = OldMemory::default();
    store.create(&mut record).await.unwrap();
    let take_over =
        TakeOver::new(OldCookie::plain("id"), OldStore(store)).users(AuthLayer::new(Users));
    assert_eq!(browser.get(&after(take_over), "/user").await.1, "nobody");
}
