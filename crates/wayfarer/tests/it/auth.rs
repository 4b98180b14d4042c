//! Users over HTTP: who gets in where, where people are sent, and what another site cannot do.

use std::collections::HashSet;

use axum::{
    Router,
    routing::{get, post},
};
use http::{HeaderMap, Method, StatusCode};
use wayfarer::{
    SessionLayer, async_trait,
    auth::{
        Auth, AuthLayer, AuthUser, ClearSiteData, Csrf, CsrfLayer, CurrentUser, Guard, Next,
        PermissionsBackend, UsersBackend,
    },
    session::{BoxError, MemoryHistory, MemoryStore, Outcome, Whose},
    testing::TestSession,
};

use crate::browser::{Answer, App, sessions};

#[path = "../../examples/users.rs"]
#[expect(dead_code, reason = "the example's main")]
mod users;

const HOST: &str = "127.0.0.1";

#[derive(Clone)]
struct User(&'static str);

impl AuthUser for User {
    fn id(&self) -> String {
        self.0.to_owned()
    }

    fn auth_hash(&self) -> Vec<u8> {
        self.0.into()
    }
}

#[derive(Clone)]
struct Users;

#[async_trait]
impl UsersBackend for Users {
    type User = User;
    type Credentials = String;

    async fn authenticate(&self, name: &String) -> Result<Option<User>, BoxError> {
        self.get_user(name).await
    }

    async fn get_user(&self, id: &str) -> Result<Option<User>, BoxError> {
        Ok(["ada", "bob", "eve"].into_iter().find(|name| *name == id).map(User))
    }
}

#[async_trait]
impl PermissionsBackend for Users {
    type Permission = &'static str;

    async fn permissions(&self, User(name): &User) -> Result<HashSet<&'static str>, BoxError> {
        match *name {
            "ada" => Ok(HashSet::from(["sell"])),
            "eve" => Err("the directory is away".into()),
            _ => Ok(HashSet::new()),
        }
    }

    async fn group_permissions(
        &self,
        User(name): &User,
    ) -> Result<HashSet<&'static str>, BoxError> {
        Ok(if *name == "bob" { HashSet::from(["buy"]) } else { HashSet::new() })
    }
}

fn routes() -> Router {
    let name = |CurrentUser(User(name)): CurrentUser<Users>| async move { name };
    let page = |guard: Guard<Users>| get(|| async { "in" }).post(|| async { "in" }).layer(guard);
    let permitted = |permission| Guard::permitted(permission).login_at("/login");
    let account = Router::new().route("/orders", page(Guard::logged_in().login_at("/login")));
    Router::new()
        .route("/name", get(name))
        .route(
            "/maybe",
            get(|user: Option<CurrentUser<Users>>| async move {
                user.map_or("nobody", |CurrentUser(User(name))| name)
            }),
        )
        .route("/sell", page(permitted("sell")))
        .route("/buy", page(permitted("buy")))
        .route("/api", page(Guard::logged_in()))
        .route("/short", page(Guard::passes(|_, user: User| async move { Ok(user.0 == "bob") })))
        .nest("/account", account)
        .route("/login", get(|next: Next| async move { next.to_string() }))
        .route(
            "/logout",
            get(|auth: Auth<Users>| async move {
                auth.logout().await.map(|()| (ClearSiteData::AllButCookies, "bye"))
            }),
        )
}

struct World {
    app: App,
    layer: SessionLayer,
    auth: AuthLayer<Users>,
}

impl World {
    async fn start(router: Router) -> World {
        let layer = sessions(MemoryStore::new()).build().unwrap();
        let auth = AuthLayer::new(Users);
        let app = App::start(router.layer(auth.clone()).layer(layer.clone())).await;
        World { app, layer, auth }
    }

    /// The headers of a browser in which this user is logged in.
    async fn of(&self, name: &'static str) -> HeaderMap {
        let test = TestSession::new(&self.layer);
        test.login_as(&self.auth, &User(name)).await.unwrap();
        test.headers(HOST).await.unwrap()
    }

    async fn get(&self, path: &str, headers: &HeaderMap) -> Answer {
        self.app.browser().get_with(path, headers.clone()).await
    }
}

#[tokio::test]
async fn a_handler_asks_for_the_user() {
    let world = World::start(routes()).await;
    let (nobody, ada) = (HeaderMap::new(), world.of("ada").await);
    assert_eq!(world.get("/name", &ada).await.body, "ada");
    assert_eq!(world.get("/name", &nobody).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get("/maybe", &ada).await.body, "ada");
    assert_eq!(world.get("/maybe", &nobody).await.body, "nobody");
    let left = world.get("/logout", &ada).await;
    assert_eq!(left.header("clear-site-data"), Some("\"cache\", \"storage\""));
    assert_eq!(world.get("/maybe", &ada).await.body, "nobody");
}

#[tokio::test]
async fn a_guard_sends_people_to_log_in_and_back() {
    let world = World::start(routes()).await;
    let nobody = HeaderMap::new();
    let sent = world.get("/account/orders?page=2&size=9", &nobody).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let to = sent.header("location").unwrap();
    assert_eq!(to, "/login?next=/account/orders%3Fpage=2%26size=9", "all of the nested path");
    assert_eq!(world.get(to, &nobody).await.body, "/account/orders?page=2&size=9");
    assert_eq!(sent.header("vary"), Some("Cookie"));
    let away = world.get("/login?next=//evil.example", &nobody).await;
    assert_eq!(away.body, "/");
    let posted =
        world.app.browser().send(Method::POST, "/account/orders", nobody.clone(), "").await;
    assert_eq!(posted.status, StatusCode::UNAUTHORIZED, "a form is not posted twice");
    assert_eq!(world.get("/api", &nobody).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get("/account/orders", &world.of("ada").await).await.body, "in");
}

#[tokio::test]
async fn a_guard_asks_what_a_user_may() {
    let world = World::start(routes()).await;
    let table = [
        ("/sell", "ada", StatusCode::OK),
        ("/buy", "ada", StatusCode::FORBIDDEN),
        ("/sell", "bob", StatusCode::FORBIDDEN),
        ("/buy", "bob", StatusCode::OK),
        ("/sell", "eve", StatusCode::INTERNAL_SERVER_ERROR),
        ("/short", "ada", StatusCode::FORBIDDEN),
        ("/short", "bob", StatusCode::OK),
    ];
    for (path, name, expected) in table {
        let headers = world.of(name).await;
        assert_eq!(world.get(path, &headers).await.status, expected, "{name} {path}");
    }
    assert_eq!(world.get("/sell", &HeaderMap::new()).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_list_of_sessions_names_their_devices() {
    let login = |auth: Auth<Users>| async move {
        auth.login(&"ada".to_owned()).await.unwrap();
    };
    let world = World::start(Router::new().route("/in", get(login))).await;
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let headers = HeaderMap::from_iter([(http::header::USER_AGENT, agent.parse().unwrap())]);
    world.get("/in", &headers).await;
    let sessions = world.layer.manager().sessions_of("ada").await.unwrap();
    assert_eq!(sessions[0].device.as_deref(), Some("Firefox on Linux"));
}

#[tokio::test]
async fn history_tells_when_and_where_somebody_logged_in_and_out() {
    let login = |auth: Auth<Users>| async move {
        auth.login(&"ada".to_owned()).await.unwrap();
    };
    let history = MemoryHistory::new(100);
    let week = std::time::Duration::from_secs(604_800);
    let layer = sessions(MemoryStore::new()).history(history, week).build().unwrap();
    let router = routes().route("/in", get(login)).layer(AuthLayer::new(Users));
    let browser = App::start(router.layer(layer.clone())).await;
    let agent = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0";
    let mut headers = HeaderMap::from_iter([(http::header::USER_AGENT, agent.parse().unwrap())]);
    let inside = browser.browser().get_with("/in", headers.clone()).await;
    let cookie = inside.set_cookie().unwrap().split(';').next().unwrap();
    headers.insert(http::header::COOKIE, cookie.parse().unwrap());
    browser.browser().get_with("/logout", headers).await;
    let told = layer.manager().history(&Whose::User("ada".to_owned()), 10).await.unwrap();
    let told = told.iter().rev().map(|entry| (entry.kind.as_str(), entry.device.as_deref()));
    let firefox = Some("Firefox on Windows");
    let told: Vec<_> = told.filter(|(kind, _)| kind.starts_with("logged")).collect();
    assert_eq!(told, [("logged_in", firefox), ("logged_out", firefox)]);
}

/// An application with a form, and the session and token of a browser that has loaded it.
async fn form(csrf: CsrfLayer) -> (World, HeaderMap, String) {
    let echo = post(|body: String| async move { body });
    let world = World::start(Router::new().route("/pay", echo).layer(csrf)).await;
    let test = TestSession::new(&world.layer);
    let token = Csrf::new(test.session().clone()).token().await.unwrap();
    let headers = test.headers(HOST).await.unwrap();
    (world, headers, token)
}

async fn pay(world: &World, headers: &HeaderMap, extra: Extra<'_>, body: &str) -> Answer {
    let mut headers = headers.clone();
    for (name, value) in extra {
        headers.insert(*name, value.parse().unwrap());
    }
    world.app.browser().send(Method::POST, "/pay", headers, body).await
}

type Extra<'a> = &'a [(&'static str, &'a str)];

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn only_our_own_forms_are_taken() {
    let (world, headers, token) = form(CsrfLayer::new().plain_http()).await;
    let whole = format!("amount=3&csrfmiddlewaretoken={token}&note=a%26b");
    let taken = pay(&world, &headers, &[FORM], &whole).await;
    assert_eq!((taken.status, taken.body), (StatusCode::OK, whole.clone()), "the form is put back");
    let scripted = pay(&world, &headers, &[("x-csrftoken", &token)], "{}").await;
    assert_eq!((scripted.status, scripted.body.as_str()), (StatusCode::OK, "{}"));

    let other = form(CsrfLayer::new()).await.2;
    let wrong = whole.replace(&token, &other);
    let long = "x".repeat(2 << 20);
    let away = ("origin", "http://evil.example");
    let refused: [(Extra<'_>, &str, &str); 6] = [
        (&[FORM], "amount=3", "no CSRF token"),
        (&[], "{}", "no CSRF token"),
        (&[FORM], &wrong, "not of this session"),
        (&[("x-csrftoken", "junk")], "{}", "not of this session"),
        (&[FORM], &long, "too long"),
        (&[FORM, away], &whole, "another site"),
    ];
    for (extra, body, why) in refused {
        let answer = pay(&world, &headers, extra, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{why}");
        assert!(answer.body.contains(why), "{why}: {}", answer.body);
    }
    let stranger = pay(&world, &HeaderMap::new(), &[FORM], &whole).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN, "a token without its session");
    let get = world.get("/pay", &HeaderMap::new()).await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED, "safe methods pass");
}

#[tokio::test]
async fn over_https_a_request_must_say_where_it_comes_from() {
    let (world, headers, token) = form(CsrfLayer::new().trust("https://pay.example")).await;
    let token = ("x-csrftoken", token.as_str());
    let silent = pay(&world, &headers, &[token], "").await;
    assert!(silent.body.contains("does not say"), "{}", silent.body);
    let trusted = pay(&world, &headers, &[token, ("origin", "https://pay.example")], "").await;
    assert_eq!(trusted.status, StatusCode::OK);
    let plain = pay(&world, &headers, &[token, ("origin", "http://pay.example")], "").await;
    assert_eq!(plain.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_prepared_session_that_holds_nothing_has_no_headers() {
    let layer = sessions(MemoryStore::new()).build().unwrap();
    assert!(TestSession::new(&layer).headers(HOST).await.unwrap().is_empty());
    let read = layer.manager().open(None);
    assert!(read.is_empty().await.unwrap());
    let _ = read.finish(Outcome::Keep).await.unwrap();
}

#[tokio::test]
async fn the_example_goes_from_a_cart_to_a_log_out() {
    let app = App::start(users::app(&[7; 32]).unwrap()).await;
    let browser = app.browser();
    assert_eq!(browser.get("/cart").await.body, "a book");
    let sent = browser.get("/account/devices").await;
    let login = sent.header("location").unwrap();
    assert_eq!(login, "/login?next=/account/devices");
    let page = browser.get(login).await.body;
    let (_, rest) = page.split_once("value=\"").unwrap();
    let token = rest.split('"').next().unwrap();
    let form = |password: &str| format!("csrfmiddlewaretoken={token}&name=ada&password={password}");
    let wrong = browser.post(login, FORM.1, &form("guess")).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let inside = browser.post(login, FORM.1, &form("adaada")).await;
    assert_eq!(inside.header("location"), Some("/account/devices"));
    assert_eq!(browser.get("/cart").await.body, "a voucher, a book, a book");
    assert!(browser.get("/account/devices").await.body.contains("ada on something, this one"));
    let stale = browser.post("/logout", FORM.1, &form("")).await;
    assert_eq!(stale.status, StatusCode::FORBIDDEN, "a form from before the log-in");
    let page = browser.get("/login").await.body;
    let (_, rest) = page.split_once("value=\"").unwrap();
    let token = format!("csrfmiddlewaretoken={}", rest.split('"').next().unwrap());
    assert_eq!(browser.post("/account/devices/end", FORM.1, &token).await.body, "0 ended\n");
    let out = browser.post("/logout", FORM.1, &token).await;
    assert_eq!((out.status, browser.cookie()), (StatusCode::SEE_OTHER, None));
    assert_eq!(browser.get("/account/devices").await.status, StatusCode::SEE_OTHER);
}
