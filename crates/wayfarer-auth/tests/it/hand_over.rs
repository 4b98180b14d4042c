//! What an anonymous visitor had goes to the user who logs in, and what happens when that fails.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::timeout;
use wayfarer_auth::{Anonymous, AnonymousData, AuthError, HandOver};
use wayfarer_session::{
    BoxError, CookieSessions, MemoryStore, Outcome, Session, SessionManager, SessionManagerBuilder,
};

use crate::life::{Login, User, World};

/// Adds the anonymous cart to the user's.
struct Carts(Mutex<Vec<String>>);

#[async_trait]
impl HandOver<User> for Carts {
    async fn hand_over(
        &self,
        before: &Anonymous,
        session: &Session,
        user: &User,
    ) -> Result<(), BoxError> {
        let cart = before.get::<i32>("cart")?.unwrap_or(0);
        let (from, to) = (before.subject().unwrap(), session.subject().unwrap());
        let keeps = if from == to { "the same" } else { "another" };
        self.0.lock().unwrap().push(format!("{cart} to {} under {keeps} subject", user.name));
        if cart < 0 {
            return Err("no such cart".into());
        }
        session.insert("cart", cart + 100).await?;
        Ok(())
    }
}

#[tokio::test]
async fn an_anonymous_cart_is_handed_over() {
    for (data, kept) in [(AnonymousData::Stays, Some(1)), (AnonymousData::Goes, None)] {
        let told = Arc::new(Carts(Mutex::default()));
        let mut world =
            World::with(|layer| layer.anonymous_data(data).hand_over(Arc::clone(&told)));
        world.set("cart", 3).await;
        world.set("theme", 1).await;
        let anonymous = world.cookie.clone();
        world.login("ada", "ada-password").await;
        assert_eq!((world.value("cart").await, world.value("theme").await), (Some(103), kept));
        world.login("ada", "ada-password").await;
        world.login("bob", "bob-password").await;
        assert_eq!(world.value("cart").await, None, "nothing of one user goes to another");
        let subject = if kept.is_some() { "the same" } else { "another" };
        assert_eq!(*told.0.lock().unwrap(), [format!("3 to ada under {subject} subject")]);
        world.cookie = anonymous;
        assert_eq!(world.value("cart").await, None, "the anonymous key opens nothing");
    }
}

#[tokio::test]
async fn a_hand_over_that_fails_logs_nobody_in() {
    let mut world = World::with(|layer| layer.hand_over(Arc::new(Carts(Mutex::default()))));
    world.set("cart", -1).await;
    let auth = world.request();
    let error = auth.login(&Login("ada", "ada-password")).await.unwrap_err();
    assert!(matches!(error, AuthError::HandOver(_)), "{error}");
    let _ = auth.session().finish(Outcome::Discard).await.unwrap();
    assert_eq!((world.user().await, world.value("cart").await), (None, Some(-1)));
}

/// How a session may be kept.
fn kept() -> [fn() -> SessionManagerBuilder; 2] {
    [
        || SessionManager::builder(MemoryStore::new()),
        || SessionManager::in_cookies(CookieSessions::encrypted()),
    ]
}

#[tokio::test]
async fn a_form_that_is_shown_again_after_a_hand_over_failed_logs_nobody_in() {
    for (data, builder) in
        [AnonymousData::Stays, AnonymousData::Goes].iter().flat_map(|d| kept().map(|b| (*d, b)))
    {
        let carts = Arc::new(Carts(Mutex::default()));
        let mut world = World::over(builder(), |layer| layer.anonymous_data(data).hand_over(carts));
        world.set("cart", -1).await;
        let auth = world.request();
        auth.session().insert("theme", 1).await.unwrap();
        let error = auth.login(&Login("ada", "ada-password")).await.unwrap_err();
        assert!(matches!(error, AuthError::HandOver(_)), "{error}");
        assert!(auth.user().await.unwrap().is_none(), "not in this request either");
        world.end(auth.session()).await;
        assert_eq!(world.user().await, None, "{data:?}");
        assert_eq!((world.value("cart").await, world.value("theme").await), (Some(-1), Some(1)));
        assert!(!world.heard().contains(&"logged_in".to_owned()), "{:?}", world.heard());
        // The same browser may try again.
        world.set("cart", 1).await;
        world.login("ada", "ada-password").await;
        assert_eq!(
            (world.user().await.as_deref(), world.value("cart").await),
            (Some("ada"), Some(101))
        );
    }
}

/// Stores the session, and then fails.
struct Hasty;

#[async_trait]
impl HandOver<User> for Hasty {
    async fn hand_over(&self, _: &Anonymous, session: &Session, _: &User) -> Result<(), BoxError> {
        session.modify("cart", |cart: Option<i32>| cart.unwrap_or(0) + 1).await?;
        Err("and then the table was away".into())
    }
}

#[tokio::test]
async fn a_hand_over_that_stored_the_log_in_and_failed_logs_nobody_in() {
    for (data, cart) in [(AnonymousData::Stays, None), (AnonymousData::Goes, Some(3))] {
        for outcome in [Outcome::Keep, Outcome::Discard] {
            let mut world = World::with(|layer| layer.anonymous_data(data).hand_over(Hasty));
            world.set("cart", 3).await;
            let auth = world.request();
            assert!(auth.login(&Login("ada", "ada-password")).await.is_err());
            world.end_as(auth.session(), outcome).await;
            assert_eq!((world.user().await, world.value("cart").await), (None, cart));
            let manager = auth.session().manager();
            assert!(manager.sessions_of("ada").await.unwrap().is_empty(), "{data:?} {outcome:?}");
        }
    }
}

/// Never comes to an end, after it has stored the session or before.
struct Endless {
    stores: bool,
}

#[async_trait]
impl HandOver<User> for Endless {
    async fn hand_over(&self, _: &Anonymous, session: &Session, _: &User) -> Result<(), BoxError> {
        if self.stores {
            session.save().await?;
        }
        pending().await
    }
}

#[tokio::test]
async fn a_log_in_that_nobody_waits_for_any_more_logs_nobody_in() {
    for (data, stores, cart) in [
        (AnonymousData::Stays, false, Some(3)),
        (AnonymousData::Goes, false, Some(3)),
        (AnonymousData::Stays, true, None),
        (AnonymousData::Goes, true, Some(3)),
    ] {
        let hook = Endless { stores };
        let mut world = World::with(|layer| layer.anonymous_data(data).hand_over(hook));
        world.set("cart", 3).await;
        let auth = world.request();
        let login = Login("ada", "ada-password");
        assert!(timeout(Duration::from_millis(10), auth.login(&login)).await.is_err());
        world.end(auth.session()).await;
        assert_eq!((world.user().await, world.value("cart").await), (None, cart));
    }
}
