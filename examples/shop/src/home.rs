//! The home page: the catalogue, and what the models say of the visitor, asked in the middle of the request.

use askama::Template;
use axum::{
    extract::Path,
    response::{Html, IntoResponse, Response},
};
use wayfarer::{
    Session, SessionInsights,
    event::{Insights, NextPage, Rests},
};

use crate::{
    catalogue::{CATEGORIES, Category, PRODUCTS, Product, at_path},
    page::{self, Failure, Frame, Visit, render},
    words::{Lang, Words},
};

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    products: Vec<&'static Product>,
    category: Option<Category>,
    hint: Option<Hint>,
}

pub(crate) async fn show(visit: Visit) -> Result<Html<String>, Failure> {
    let hint = Hint::ask(&visit.session, visit.lang).await;
    let products = PRODUCTS.iter().collect();
    render(&Home { frame: visit.frame().await?, products, category: None, hint: Some(hint) })
}

pub(crate) async fn show_category(
    visit: Visit,
    Path(slug): Path<String>,
) -> Result<Response, Failure> {
    let Some(category) = CATEGORIES.iter().copied().find(|category| category.slug == slug) else {
        return page::not_found(visit).await;
    };
    let products = PRODUCTS.iter().filter(|product| product.category == slug).collect();
    let frame = visit.frame().await?;
    Ok(render(&Home { frame, products, category: Some(category), hint: None })?.into_response())
}

/// What the models say, put into words.
struct Hint {
    headline: String,
    pages: Vec<Suggestion>,
    rests_on: &'static str,
    /// Visits that the answer rests on; none if there is no answer.
    visits: Option<u64>,
}

/// A page that the visitor may want next.
struct Suggestion {
    path: String,
    name: String,
    art: &'static str,
    percent: String,
    visits: u64,
}

impl Hint {
    /// The insights of this very moment: what the visitor did a second ago is in them.
    async fn ask(session: &Session, lang: Lang) -> Hint {
        let words = lang.words();
        match session.insights().await {
            Ok(insights) => Hint::of(&insights, lang),
            // A page without a hint is still a page.
            Err(error) => {
                tracing::warn!(%error, "no insights for the home page");
                Hint::without_pages(words.no_insights, None)
            }
        }
    }

    fn of(insights: &Insights, lang: Lang) -> Hint {
        let words = lang.words();
        let (headline, rests_on) = match insights.rests_on {
            Rests::Transitions => (went_on(insights, lang), words.rests_on_transitions),
            Rests::Popularity => (words.popular.to_owned(), words.rests_on_popularity),
            _ => return Hint::without_pages(words.too_few, Some(insights.visits)),
        };
        let next = insights.next_pages.iter().filter(|next| next.path != "/").take(4);
        let pages = next.map(|next| Suggestion::of(next, lang)).collect();
        Hint { headline, pages, rests_on, visits: Some(insights.visits) }
    }

    fn without_pages(rests_on: &'static str, visits: Option<u64>) -> Hint {
        Hint { headline: String::new(), pages: Vec::new(), rests_on, visits }
    }
}

/// `People who looked at Compass went on to`, after the page that the visitor comes from.
fn went_on(insights: &Insights, lang: Lang) -> String {
    let words = lang.words();
    match insights.pages.last() {
        Some(path) if path != "/" => {
            let name = page_name(path, lang);
            format!("{} {name} {}", words.went_on_from, words.went_on_from_end)
        }
        _ => words.went_on.to_owned(),
    }
}

impl Suggestion {
    fn of(next: &NextPage, lang: Lang) -> Suggestion {
        Suggestion {
            name: page_name(&next.path, lang),
            art: at_path(&next.path).map_or("", |product| product.art),
            percent: format!("{:.0} %", next.share * 100.0),
            visits: next.visits,
            path: next.path.clone(),
        }
    }
}

/// What people call the page of this path.
fn page_name(path: &str, lang: Lang) -> String {
    let words: &Words = lang.words();
    let category =
        || CATEGORIES.iter().find(|one| path.strip_prefix("/category/") == Some(one.slug));
    match path {
        "/cart" => words.cart.to_owned(),
        "/checkout" => words.checkout.to_owned(),
        "/login" => words.log_in.to_owned(),
        "/about" => words.about.to_owned(),
        "/thanks" => words.thanks.to_owned(),
        _ => at_path(path)
            .map(|product| product.name)
            .or_else(|| category().map(|category| category.name))
            .map_or_else(|| path.to_owned(), |name| name.text(&lang).to_owned()),
    }
}
