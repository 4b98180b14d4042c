//! The cart: a value in the session.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Form,
    response::{Html, Redirect},
};
use serde::{Deserialize, Serialize};
use wayfarer::{Error, Session};

use crate::{
    catalogue::{self, Product, price},
    page::{Failure, Frame, Visit, render},
};

/// Its name in the session.
const KEY: &str = "cart";
/// More of one thing nobody carries.
const MOST: u32 = 99;

/// How many of what: anything that serde can write fits into a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart(BTreeMap<String, u32>);

impl Cart {
    /// The cart in the session. The first question to a session loads it, the others are free.
    pub(crate) async fn of(session: &Session) -> Result<Cart, Error> {
        Ok(session.get(KEY).await?.unwrap_or_default())
    }

    /// Changes the cart in the session. Two requests at the same time both count: `modify` compares and swaps, where
    /// `get` and `insert` would lose one of them.
    async fn change(
        session: &Session,
        mut change: impl FnMut(&mut Cart) + Send,
    ) -> Result<Cart, Error> {
        let changed = move |cart: Option<Cart>| {
            let mut cart = cart.unwrap_or_default();
            change(&mut cart);
            cart
        };
        session.modify(KEY, changed).await
    }

    /// Takes the cart out of the session.
    pub(crate) async fn take(session: &Session) -> Result<Cart, Error> {
        Ok(session.pop(KEY).await?.unwrap_or_default())
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.values().sum()
    }

    pub(crate) fn cents(&self) -> u32 {
        self.lines().iter().map(Line::cents).sum()
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let line = |(slug, &count): (&String, &u32)| {
            catalogue::product(slug).map(|product| Line { product, count })
        };
        self.0.iter().filter_map(line).collect()
    }
}

/// A line of the cart.
pub(crate) struct Line {
    pub(crate) product: &'static Product,
    pub(crate) count: u32,
}

impl Line {
    fn cents(&self) -> u32 {
        self.product.cents * self.count
    }

    pub(crate) fn price(&self) -> String {
        price(self.cents())
    }
}

#[derive(Template)]
#[template(path = "cart.html")]
struct CartPage {
    frame: Frame,
    lines: Vec<Line>,
    total: String,
}

pub(crate) async fn show(visit: Visit) -> Result<Html<String>, Failure> {
    let cart = Cart::of(&visit.session).await?;
    let total = price(cart.cents());
    render(&CartPage { frame: visit.frame().await?, lines: cart.lines(), total })
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    product: String,
}

/// Forms are safe from other sites without a token: the session cookie is `SameSite=Lax`, so their posts come without it.
pub(crate) async fn add(visit: Visit, Form(choice): Form<Choice>) -> Result<Redirect, Failure> {
    if let Some(product) = catalogue::product(&choice.product) {
        Cart::change(&visit.session, |cart| {
            let count = cart.0.entry(product.slug.to_owned()).or_default();
            *count = (*count + 1).min(MOST);
        })
        .await?;
        visit.track.event("add_to_cart").prop("product", product.slug).send();
    }
    Ok(Redirect::to("/cart"))
}

pub(crate) async fn remove(visit: Visit, Form(choice): Form<Choice>) -> Result<Redirect, Failure> {
    Cart::change(&visit.session, |cart| _ = cart.0.remove(&choice.product)).await?;
    visit.track.event("remove_from_cart").prop("product", choice.product).send();
    Ok(Redirect::to("/cart"))
}
