//! The first page: what happens on a site.
//!
//! [`get`] reads the address, `figures` asks the reports, this file makes of both what the template
//! shows. All words come from the catalogue, all links from [`Ask`].

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use jiff::tz::TimeZone;
use wayfarer_event::{Micros, VisitorId};

use super::{
    ask::{Ask, LANG_COOKIE, Span},
    figures::{self, Chart, Figures, List, Tile},
    numbers::clock,
};
use crate::{
    Server,
    access::Reader,
    errors::ApiError,
    messages::{Catalogue, Lang, Variable, grouped},
};

/// Visitors that the list of who is there names.
const PRESENT: usize = 8;

/// A link of a choice.
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) href: String,
    pub(crate) chosen: bool,
}

/// A filter that is on.
struct Chip {
    text: String,
    remove: String,
}

/// A visitor who is there.
struct Here {
    path: String,
    visitor: String,
    pageviews: String,
    last: String,
}

/// One of the last events.
struct Happening {
    at: String,
    name: String,
    path: String,
    visitor: String,
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Page<'a> {
    words: &'a Catalogue,
    lang: Lang,
    site: String,
    sites: Vec<Link>,
    spans: Vec<Link>,
    langs: Vec<Link>,
    chips: Vec<Chip>,
    /// The rest of the question, for the form that adds a filter.
    hidden: Vec<(&'static str, String)>,
    problem: Option<String>,
    bots: bool,
    bots_href: String,
    bots_note: String,
    tiles: Vec<Tile>,
    chart: Option<Chart>,
    lists: Vec<List>,
    active: String,
    here: Vec<Here>,
    recent: Vec<Happening>,
    live: String,
    period: String,
    timezone: String,
}

/// What is shown while there is no site yet.
#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome<'a> {
    words: &'a Catalogue,
    lang: Lang,
    langs: Vec<Link>,
    folder: String,
}

pub(crate) async fn get(
    State(server): State<Server>,
    reader: Reader,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let asked = Ask::read(pairs);
    let lang = asked.lang(&headers);
    let words = server.words(lang);
    let names = sites(&server, &reader);
    let site = asked.site.clone().or_else(|| busiest(&server, &names));
    let Some(site) = site else {
        let folder = server.wayfarer().folder().display().to_string();
        let langs = langs(&asked, lang);
        return page(StatusCode::OK, &Welcome { words, lang, langs, folder }, &asked);
    };
    let site = reader.site(&site)?;
    let Some(known) = server.wayfarer().control().site(&site) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, format!("there is no site `{site}`")));
    };
    let ask = asked.without_lang().about(&site);
    let (figures, problem) = figures::ask(&server, &site, &ask, words).await?;
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let shown = Page::new(&server, &ask, words, &known.timezone, figures, problem);
    page(status, &shown.with_choices(&asked, &names), &asked)
}

/// The sites that this reader may see.
fn sites(server: &Server, reader: &Reader) -> Vec<String> {
    let all = server.wayfarer().control().sites().into_iter().map(|site| site.name);
    all.filter(|name| reader.site(name).is_ok()).collect()
}

/// The site with the most events: what one wants to see when one has not said.
fn busiest(server: &Server, names: &[String]) -> Option<String> {
    let view = server.wayfarer().lake().view();
    let rows = |name: &String| view.rows(Some(name));
    names.iter().max_by_key(|name| (rows(name), std::cmp::Reverse((*name).clone()))).cloned()
}

fn langs(ask: &Ask, lang: Lang) -> Vec<Link> {
    let link = |other: Lang| Link {
        text: other.own_name().to_owned(),
        href: ask.with_lang(other),
        chosen: other == lang,
    };
    Lang::ALL.map(link).into()
}

impl<'a> Page<'a> {
    fn new(
        server: &Server,
        ask: &Ask,
        words: &'a Catalogue,
        zone: &TimeZone,
        figures: Figures,
        problem: Option<String>,
    ) -> Page<'a> {
        let site = ask.site.clone().unwrap_or_default();
        let now = Micros::from(server.wayfarer().now());
        let presence = server.wayfarer().presence();
        let (active, exact) = presence.count(&site, now);
        let here = presence.latest(&site, now, PRESENT).into_iter().map(|present| Here {
            path: present.path.map_or_else(|| "–".to_owned(), String::from),
            visitor: short(present.visitor),
            pageviews: grouped(present.pageviews.into()),
            last: clock(present.last, zone),
        });
        let recent = presence.recent(&site).into_iter().map(|event| Happening {
            at: clock(event.ts, zone),
            name: event.name.into(),
            path: event.path.map(Into::into).unwrap_or_default(),
            visitor: short(event.visitor),
        });
        let mut live = url::form_urlencoded::Serializer::new("/api/v1/live?".to_owned());
        live.append_pair("site", &site);
        if ask.bots {
            live.append_pair("bots", "true");
        }
        Page {
            words,
            lang: words.lang(),
            sites: Vec::new(),
            spans: Vec::new(),
            langs: Vec::new(),
            chips: chips(ask),
            hidden: hidden(ask),
            problem,
            bots: ask.bots,
            bots_href: ask.with_bots(!ask.bots),
            bots_note: bots_note(&figures, ask, words),
            tiles: figures.tiles,
            chart: figures.chart,
            lists: figures.lists,
            active: format!("{}{}", if exact { "" } else { "≥ " }, grouped(active as i64)),
            here: here.collect(),
            recent: recent.collect(),
            live: live.finish(),
            period: figures.period,
            timezone: zone.iana_name().unwrap_or("UTC").to_owned(),
            site,
        }
    }

    /// The same with the choices of site, period and language.
    fn with_choices(self, asked: &Ask, names: &[String]) -> Page<'a> {
        let ask = asked.about(&self.site);
        let bare = ask.without_lang();
        let site = |name: &String| Link {
            text: name.clone(),
            href: bare.with_site(name),
            chosen: *name == self.site,
        };
        let span = |span: Span| Link {
            text: self.words.text(&format!("period-{}", span.name())),
            href: bare.with_span(span),
            chosen: span == ask.span,
        };
        Page {
            sites: names.iter().map(site).collect(),
            spans: Span::ALL.map(span).into(),
            langs: langs(&ask, self.lang),
            ..self
        }
    }
}

/// Enough of a visitor to tell those on one page apart.
fn short(visitor: VisitorId) -> String {
    visitor.to_string().chars().take(4).collect()
}

fn chips(ask: &Ask) -> Vec<Chip> {
    let chip = |filter: &String| Chip { text: filter.clone(), remove: ask.without_filter(filter) };
    ask.filters.iter().map(chip).collect()
}

fn hidden(ask: &Ask) -> Vec<(&'static str, String)> {
    ask.pairs().into_iter().map(|(name, value)| (name, value.into_owned())).collect()
}

fn bots_note(figures: &Figures, ask: &Ask, words: &Catalogue) -> String {
    let key = if ask.bots { "bots-shown" } else { "bots-hidden" };
    let count = Variable::from(figures.bots);
    words.with(key, &[("count", count), ("shown", grouped(figures.bots as i64).into())])
}

/// The page, and the cookie that remembers the language if the address named one.
fn page(status: StatusCode, page: &impl Template, asked: &Ask) -> Result<Response, ApiError> {
    let html = page.render().map_err(|error| ApiError::broken(&error))?;
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    if let Some(lang) = asked.named_lang() {
        let cookie = format!("{LANG_COOKIE}={lang}; Path=/; Max-Age=31536000; SameSite=Lax");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    headers.append(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    Ok(response)
}
