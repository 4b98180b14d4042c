//! Users from the log-in to the list of their devices: a form with a CSRF token, a guard, a cart that survives the log-in.
//!
//! `cargo run -p wayfarer --example users`, then <http://localhost:8080/>. The password is the name, twice.

use axum::{
    Form, Router,
    extract::Query,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use wayfarer::{
    CookieKeys, Error, Handle, Session, SessionLayer, async_trait,
    auth::{
        Anonymous, Auth, AuthError, AuthLayer, AuthUser, ClearSiteData, Csrf, CsrfLayer,
        CurrentUser, Guard, HandOver, Next, UsersBackend, csrf::FIELD,
    },
    session::BoxError,
    store::MemoryStore,
};

/// A user. An application reads its own from a database.
#[derive(Clone, Debug)]
pub(crate) struct User {
    name: String,
    password: String,
}

impl AuthUser for User {
    fn id(&self) -> String {
        self.name.clone()
    }

    fn auth_hash(&self) -> Vec<u8> {
        // An application gives the hash of the password here.
        self.password.clone().into_bytes()
    }
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    name: String,
    password: String,
}

/// Everybody, with the name twice as the password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Users;

#[async_trait]
impl UsersBackend for Users {
    type User = User;
    type Credentials = Credentials;

    async fn authenticate(&self, with: &Credentials) -> Result<Option<User>, BoxError> {
        let user = self.get_user(&with.name).await?;
        Ok(user.filter(|user| user.password == with.password))
    }

    async fn get_user(&self, id: &str) -> Result<Option<User>, BoxError> {
        Ok((!id.is_empty()).then(|| User { name: id.to_owned(), password: id.repeat(2) }))
    }
}

/// Puts what was in the cart before the log-in behind what the user had there.
struct Carts;

#[async_trait]
impl HandOver<User> for Carts {
    async fn hand_over(
        &self,
        before: &Anonymous,
        session: &Session,
        _: &User,
    ) -> Result<(), BoxError> {
        let mut cart = vec!["a voucher".to_owned()];
        cart.extend(before.get::<Vec<String>>("cart")?.unwrap_or_default());
        session.insert("cart", cart).await?;
        Ok(())
    }
}

async fn cart(session: Session) -> Result<String, StatusCode> {
    let add = |cart: Option<Vec<String>>| {
        let mut cart = cart.unwrap_or_default();
        cart.push("a book".to_owned());
        cart
    };
    let cart = session.modify("cart", add).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(cart.join(", "))
}

async fn form(csrf: Csrf, next: Next) -> Result<Html<String>, StatusCode> {
    let token = csrf.token().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let to = next.to_login("/login");
    Ok(Html(format!(
        r#"<form method="post" action="{to}"><input type="hidden" name="{FIELD}" value="{token}">
<input name="name"><input name="password" type="password"><button>Log in</button></form>"#
    )))
}

async fn login(
    auth: Auth<Users>,
    next: Next,
    Form(with): Form<Credentials>,
) -> Result<Response, AuthError> {
    Ok(match auth.login(&with).await? {
        Some(_) => Redirect::to(next.as_str()).into_response(),
        None => (StatusCode::UNAUTHORIZED, "wrong name or password\n").into_response(),
    })
}

async fn logout(auth: Auth<Users>) -> Result<impl IntoResponse, AuthError> {
    auth.logout().await?;
    Ok((ClearSiteData::AllButCookies, Redirect::to("/")))
}

async fn devices(
    CurrentUser(user): CurrentUser<Users>,
    auth: Auth<Users>,
) -> Result<String, AuthError> {
    let lines = auth.sessions().await?.into_iter().map(|session| {
        let device = session.info.device.unwrap_or_else(|| "something".to_owned());
        let here = if session.current { ", this one" } else { "" };
        format!("{} on {device}{here}: {}\n", user.name, session.info.handle)
    });
    Ok(lines.collect())
}

#[derive(Deserialize)]
struct Which {
    handle: Option<Handle>,
}

/// Ends one session, or all others.
async fn end(auth: Auth<Users>, Query(which): Query<Which>) -> Result<String, AuthError> {
    let ended = match which.handle {
        Some(handle) => Some(u64::from(auth.revoke(&handle).await?)),
        None => auth.revoke_others().await?,
    };
    // Sessions that lie in their cookies end too, but nobody can count them.
    Ok(ended.map_or("all others ended\n".to_owned(), |ended| format!("{ended} ended\n")))
}

/// The application. `secret` is what its cookies are signed with.
///
/// # Errors
/// When the secret is under 32 bytes.
pub(crate) fn app(secret: &[u8]) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(MemoryStore::new())
        .cookie_keys(CookieKeys::new(secret)?)
        .development()
        .build()?;
    let account = Router::new()
        .route("/devices", get(devices))
        .route("/devices/end", post(end))
        .layer(Guard::<Users>::logged_in().login_at("/login"));
    Ok(Router::new()
        .route("/", get(|| async { Redirect::to("/account/devices") }))
        .route("/cart", get(cart))
        .route("/login", get(form).post(login))
        .route("/logout", post(logout))
        .nest("/account", account)
        .layer(CsrfLayer::new().plain_http())
        .layer(AuthLayer::new(Users).hand_over(Carts))
        .layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut secret = [0; 32];
    wayfarer::session::Random::fill(&wayfarer::session::SystemRandom, &mut secret)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app(&secret)?).await?;
    Ok(())
}
