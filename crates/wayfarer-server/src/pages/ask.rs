//! What a dashboard's address asks for, and the addresses of its links.
//!
//! The whole state of the page stands in its address: a link is the same question with one thing changed, and works
//! without a script, in a bookmark, and in a message to somebody else.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use wayfarer_analysis::filter::{Field, parse};
use wayfarer_event::Column;

use crate::messages::Lang;

/// The cookie that remembers the language.
pub(crate) const LANG_COOKIE: &str = "wayfarer_lang";
/// The most filters at one time.
const MOST_FILTERS: usize = 8;

/// How long a time the page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Span {
    Today,
    #[default]
    Week,
    Month,
    All,
}

impl Span {
    pub(crate) const ALL: [Span; 4] = [Span::Today, Span::Week, Span::Month, Span::All];

    /// Its name in the address.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Span::Today => "today",
            Span::Week => "7d",
            Span::Month => "30d",
            Span::All => "all",
        }
    }

    /// `from` of a report.
    pub(crate) fn from(self) -> Option<&'static str> {
        (self != Span::All).then(|| self.name())
    }
}

/// A choice of one of several names, the first of which holds when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its name in the address.
    pub(crate) name: &'static str,
    pub(crate) options: &'static [&'static str],
}

/// Which metric the chart shows.
pub(crate) const METRIC: Choice = Choice {
    name: "metric",
    options: &[
        "visitors",
        "visits",
        "pageviews",
        "bounce_rate",
        "visit_duration_s",
        "views_per_visit",
    ],
};
/// The lists, each with the dimensions that it can show.
pub(crate) const LISTS: [Choice; 5] = [
    Choice { name: "pages", options: &["path", "entry", "exit"] },
    Choice { name: "sources", options: &["source", "channel", "referrer", "utm_campaign"] },
    Choice { name: "events", options: &["name", "status"] },
    Choice { name: "devices", options: &["browser", "os", "device"] },
    Choice { name: "places", options: &["language", "country"] },
];

/// What an address asks for. What it says wrongly is as if it were not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) site: Option<String>,
    pub(crate) span: Span,
    pub(crate) filters: Vec<String>,
    pub(crate) bots: bool,
    lang: Option<Lang>,
    chosen: Vec<(&'static str, &'static str)>,
}

impl Ask {
    /// Reads the parameters of an address.
    pub(crate) fn read(pairs: Vec<(String, String)>) -> Ask {
        let mut ask = Ask::default();
        for (name, value) in pairs {
            match name.as_str() {
                "site" => ask.site = Some(value),
                "period" => ask.span = span(&value).unwrap_or_default(),
                "filter" if !value.trim().is_empty() && ask.filters.len() < MOST_FILTERS => {
                    ask.filters.push(value.trim().to_owned());
                }
                "bots" => ask.bots = value == "1",
                "lang" => ask.lang = Lang::from_tag(&value),
                _ => ask.choose(&name, &value),
            }
        }
        ask
    }

    fn choose(&mut self, name: &str, value: &str) {
        let known = LISTS.iter().chain([&METRIC]).find(|choice| choice.name == name);
        let option =
            known.and_then(|choice| choice.options.iter().find(|option| **option == value));
        if let (Some(choice), Some(option)) = (known, option) {
            self.chosen.retain(|(name, _)| *name != choice.name);
            self.chosen.push((choice.name, option));
        }
    }

    /// What is chosen of these.
    pub(crate) fn chosen(&self, choice: Choice) -> &'static str {
        let said = self.chosen.iter().find(|(name, _)| *name == choice.name);
        said.map(|(_, option)| *option).or(choice.options.first().copied()).unwrap_or_default()
    }

    /// The language: of the address, of the cookie, of the browser.
    pub(crate) fn lang(&self, headers: &HeaderMap) -> Lang {
        let text =
            |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.lang
            .or_else(|| cookie(text(header::COOKIE), LANG_COOKIE).and_then(Lang::from_tag))
            .unwrap_or_else(|| Lang::negotiate(text(header::ACCEPT_LANGUAGE)))
    }

    /// The language, if the address names one: then the cookie is to remember it.
    pub(crate) fn named_lang(&self) -> Option<Lang> {
        self.lang
    }

    /// All filters as one.
    pub(crate) fn filter(&self) -> Option<String> {
        match self.filters.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(many.iter().map(|f| format!("({f})")).collect::<Vec<_>>().join(" and ")),
        }
    }

    /// Whether a filter chooses among events by what was done.
    pub(crate) fn chooses_events(&self) -> bool {
        let parsed = self.filters.iter().filter_map(|filter| parse(filter).ok());
        let name = Field::Column(Column::Name);
        parsed.into_iter().any(|filter| filter.fields().contains(&&name))
    }

    pub(crate) fn with_site(&self, site: &str) -> String {
        Ask { site: Some(site.to_owned()), filters: Vec::new(), ..self.clone() }.address()
    }

    pub(crate) fn with_span(&self, span: Span) -> String {
        Ask { span, ..self.clone() }.address()
    }

    pub(crate) fn with_lang(&self, lang: Lang) -> String {
        Ask { lang: Some(lang), ..self.clone() }.address()
    }

    pub(crate) fn with_bots(&self, bots: bool) -> String {
        Ask { bots, ..self.clone() }.address()
    }

    pub(crate) fn with_choice(&self, choice: Choice, option: &str) -> String {
        let mut ask = self.clone();
        ask.choose(choice.name, option);
        ask.address()
    }

    pub(crate) fn with_filter(&self, filter: String) -> String {
        let mut ask = self.clone();
        if !ask.filters.contains(&filter) {
            ask.filters.push(filter);
        }
        ask.address()
    }

    pub(crate) fn without_filter(&self, filter: &str) -> String {
        let mut ask = self.clone();
        ask.filters.retain(|other| other != filter);
        ask.address()
    }

    /// Everything that is said, as the pairs of an address; the language only while it is being changed.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut pairs: Vec<(&'static str, Cow<'_, str>)> = Vec::new();
        pairs.extend(self.site.as_deref().map(|site| ("site", site.into())));
        if self.span != Span::default() {
            pairs.push(("period", self.span.name().into()));
        }
        pairs.extend(self.filters.iter().map(|filter| ("filter", filter.into())));
        if self.bots {
            pairs.push(("bots", "1".into()));
        }
        pairs.extend(self.chosen.iter().map(|(name, option)| (*name, Cow::from(*option))));
        pairs.extend(self.lang.map(|lang| ("lang", lang.tag().into())));
        pairs
    }

    fn address(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs());
        format!("/?{}", query.finish())
    }

    /// The same question about this site.
    pub(crate) fn about(&self, site: &str) -> Ask {
        Ask { site: Some(site.to_owned()), ..self.clone() }
    }

    /// The same without the language: links remember it by the cookie.
    pub(crate) fn without_lang(&self) -> Ask {
        Ask { lang: None, ..self.clone() }
    }
}

fn span(name: &str) -> Option<Span> {
    Span::ALL.into_iter().find(|span| span.name() == name)
}

fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

/// The filter for one value of a dimension, as clicking on it means; `None` where no filter says it.
pub(crate) fn filter_for(dimension: &str, value: Option<&str>) -> Option<String> {
    let column = match dimension {
        // A visit's first or last page is no property of an event.
        "entry" | "exit" => return None,
        column => column,
    };
    match value {
        None => Some(format!("{column} is null")),
        Some(value) if column == "status" => Some(format!("status = {value}")),
        Some(value) => Some(format!("{column} = '{}'", value.replace('\'', "''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Ask {
        Ask::read(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_link_is_the_same_question_with_one_thing_changed() {
        let ask = read(&[
            ("site", "a b"),
            ("period", "30d"),
            ("filter", "path = '/x'"),
            ("pages", "exit"),
        ]);
        assert_eq!(ask.with_span(Span::Week), "/?site=a+b&filter=path+%3D+%27%2Fx%27&pages=exit");
        assert_eq!(ask.without_filter("path = '/x'"), "/?site=a+b&period=30d&pages=exit");
        assert_eq!(ask.with_site("b"), "/?site=b&period=30d&pages=exit");
        assert_eq!(ask.with_choice(LISTS[0], "path"), ask.with_choice(LISTS[0], "path"));
        assert_eq!(ask.chosen(LISTS[0]), "exit");
        assert_eq!(ask.chosen(LISTS[1]), "source");
    }

    #[test]
    fn what_an_address_says_wrongly_is_not_said() {
        let ask = read(&[
            ("period", "9y"),
            ("pages", "colour"),
            ("colour", "red"),
            ("lang", "xx"),
            ("filter", " "),
        ]);
        assert_eq!(ask, Ask::default());
    }

    #[test]
    fn filters_are_joined_and_quoted() {
        let ask = read(&[("filter", "a = 1"), ("filter", "b = 2 or c = 3")]);
        assert_eq!(ask.filter().as_deref(), Some("(a = 1) and (b = 2 or c = 3)"));
        assert_eq!(filter_for("path", Some("/it's")).as_deref(), Some("path = '/it''s'"));
        assert_eq!(filter_for("browser", None).as_deref(), Some("browser is null"));
        assert_eq!(filter_for("entry", Some("/")), None);
        for (dimension, value) in
            [("path", Some("/it's")), ("source", None), ("status", Some("404"))]
        {
            let filter = filter_for(dimension, value).unwrap();
            assert!(wayfarer_analysis::filter::parse(&filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn the_address_wins_over_the_cookie_and_the_cookie_over_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, "zh-CN".parse().unwrap());
        assert_eq!(read(&[]).lang(&headers), Lang::ZhCn);
        headers.insert(header::COOKIE, "a=b; wayfarer_lang=en".parse().unwrap());
        assert_eq!(read(&[]).lang(&headers), Lang::En);
        assert_eq!(read(&[("lang", "zh-CN")]).lang(&headers), Lang::ZhCn);
    }
}
