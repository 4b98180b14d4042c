//! Accounts: who may log in, and the pages for it.

use askama::Template;
use async_trait::async_trait;
use axum::{
    Form,
    extract::Query,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use wayfarer::{
    auth::{AuthUser, UsersBackend},
    session::BoxError,
};

use crate::page::{Failure, Frame, Visit, render};

/// An account of the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: &'static str,
}

/// Both demo accounts have this password, and the log-in page tells it to everybody.
///
/// With real accounts, keep an Argon2 hash of each password, check it on a blocking thread, and use it as the
/// [`AuthUser::auth_hash`]: then a new password logs out every other session of the account.
const PASSWORD: &str = "demo";
const ACCOUNTS: [Account; 2] = [Account { name: "demo" }, Account { name: "mei" }];

impl AuthUser for Account {
    fn id(&self) -> String {
        self.name.to_owned()
    }

    fn auth_hash(&self) -> Vec<u8> {
        PASSWORD.into()
    }
}

/// Where accounts come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accounts;

/// What a visitor fills in to log in.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    user: String,
    password: String,
    next: Option<String>,
}

#[async_trait]
impl UsersBackend for Accounts {
    type User = Account;
    type Credentials = Credentials;

    async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Account>, BoxError> {
        let account = self.get_user(&credentials.user).await?;
        Ok(account.filter(|_| credentials.password == PASSWORD))
    }

    async fn get_user(&self, id: &str) -> Result<Option<Account>, BoxError> {
        Ok(ACCOUNTS.into_iter().find(|account| account.name == id))
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LogIn {
    frame: Frame,
    next: String,
    user: String,
    is_wrong: bool,
}

#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

pub(crate) async fn show(visit: Visit, Query(query): Query<Next>) -> Result<Html<String>, Failure> {
    let next = within_shop(query.next);
    render(&LogIn { frame: visit.frame().await?, next, user: String::new(), is_wrong: false })
}

/// Logging in gives the session a new key, so that nobody who knew the old one gets in with it; the cart stays.
pub(crate) async fn log_in(
    visit: Visit,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Failure> {
    let user = visit.auth.login(&credentials).await?;
    let next = within_shop(credentials.next);
    if user.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let page = LogIn { frame: visit.frame().await?, next, user: credentials.user, is_wrong: true };
    Ok((StatusCode::UNAUTHORIZED, render(&page)?).into_response())
}

/// Logging out ends the session: its data, its key and its subject.
pub(crate) async fn log_out(visit: Visit) -> Result<Redirect, Failure> {
    visit.auth.logout().await?;
    Ok(Redirect::to("/"))
}

/// Where to go after the log-in. An address of another site would make the shop a decoy.
fn within_shop(next: Option<String>) -> String {
    let is_ours = |next: &String| {
        let mut start = next.chars();
        start.next() == Some('/') && !matches!(start.next(), Some('/' | '\\'))
    };
    next.filter(is_ours).unwrap_or_else(|| "/".to_owned())
}

#[cfg(test)]
mod tests {
    use super::within_shop;

    #[test]
    fn only_the_shop_is_gone_to_after_a_log_in() {
        for (next, goes_to) in [
            (Some("/checkout"), "/checkout"),
            (Some("/"), "/"),
            (None, "/"),
            (Some(""), "/"),
            (Some("//example.org"), "/"),
            (Some("/\\example.org"), "/"),
            (Some("https://example.org"), "/"),
        ] {
            assert_eq!(within_shop(next.map(str::to_owned)), goes_to, "{next:?}");
        }
    }
}
