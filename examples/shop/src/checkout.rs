//! The checkout: an event of our own, with what it was worth.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::{
    cart::{Cart, Line},
    catalogue::price,
    page::{Failure, Frame, Visit, render},
};

/// What was paid last, in cents: shown once, after the redirect.
const PAID: &str = "paid";

#[derive(Template)]
#[template(path = "checkout.html")]
struct CheckoutPage {
    frame: Frame,
    lines: Vec<Line>,
    total: String,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Failure> {
    let cart = Cart::of(&visit.session).await?;
    if cart.count() == 0 {
        return Ok(Redirect::to("/cart").into_response());
    }
    if visit.auth.user().await?.is_none() {
        return Ok(Redirect::to("/login?next=/checkout").into_response());
    }
    let (lines, total) = (cart.lines(), price(cart.cents()));
    Ok(render(&CheckoutPage { frame: visit.frame().await?, lines, total })?.into_response())
}

pub(crate) async fn pay(visit: Visit) -> Result<Redirect, Failure> {
    // The event below carries the user, since we asked who it is.
    if visit.auth.user().await?.is_none() {
        return Ok(Redirect::to("/login?next=/checkout"));
    }
    let cart = Cart::take(&visit.session).await?;
    if cart.count() == 0 {
        return Ok(Redirect::to("/cart"));
    }
    visit.session.insert(PAID, cart.cents()).await?;
    visit
        .track
        .event("purchase")
        .value(f64::from(cart.cents()) / 100.0)
        .currency("EUR")
        .prop("items", cart.count())
        .send();
    Ok(Redirect::to("/thanks"))
}

#[derive(Template)]
#[template(path = "thanks.html")]
struct Thanks {
    frame: Frame,
    total: Option<String>,
}

pub(crate) async fn thanks(visit: Visit) -> Result<Html<String>, Failure> {
    let paid: Option<u32> = visit.session.pop(PAID).await?;
    render(&Thanks { frame: visit.frame().await?, total: paid.map(price) })
}
