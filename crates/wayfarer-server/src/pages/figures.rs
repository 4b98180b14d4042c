//! The numbers of the first page: which reports are asked, and what is made of their answers.

use serde_json::Value;
use wayfarer_chart::{Numbers, Plot, Series, Style, Theme};
use wayfarer_embedded::{Answer, ErrorKind, Request};
use wayfarer_event::Micros;

use super::{
    ask::{Ask, Choice, LISTS, METRIC, Span, filter_for},
    dashboard::Link,
    numbers::{Change, Shape, change, label, shape, show},
};
use crate::{Server, errors::ApiError, messages::Catalogue};

/// Rows of a list.
const ROWS: usize = 8;

/// The events that show a page.
const SHOWN: &str = "name = 'page_view'";

/// What the reports say.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) tiles: Vec<Tile>,
    pub(crate) chart: Option<Chart>,
    pub(crate) lists: Vec<List>,
    pub(crate) bots: u64,
    /// The days that the page covers.
    pub(crate) period: String,
}

/// A number at a glance. A click makes it the chart's.
pub(crate) struct Tile {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) change: Option<Change>,
    pub(crate) href: String,
    pub(crate) chosen: bool,
}

/// The chart, and the same as a table.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// Drawings, each with the class that a style sheet shows or hides it by.
    pub(crate) drawings: Vec<(&'static str, String)>,
    pub(crate) rows: Vec<(String, String)>,
}

/// A list: the values of a dimension.
pub(crate) struct List {
    pub(crate) title: String,
    pub(crate) tabs: Vec<Link>,
    pub(crate) column: String,
    pub(crate) metric: String,
    pub(crate) rows: Vec<Item>,
    /// Values that are not among the rows.
    pub(crate) more: String,
}

/// A value of a dimension.
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) href: Option<String>,
    pub(crate) value: String,
    /// Its share of the largest, 0-100: the length of its bar.
    pub(crate) bar: u32,
}

/// Asks all reports of the page. A filter that cannot be read leaves the page without numbers and with the reason.
pub(crate) async fn ask(
    server: &Server,
    site: &str,
    ask: &Ask,
    words: &Catalogue,
) -> Result<(Figures, Option<String>), ApiError> {
    let questions = Questions { server, site, ask };
    let overview = match questions.overview().await {
        Ok(answer) => answer,
        Err(error) if error.kind() == ErrorKind::Invalid => {
            return Ok((Figures::default(), Some(error.to_string())));
        }
        Err(error) => return Err(error.into()),
    };
    let lists = LISTS.map(|list| questions.list(list));
    let (trend, lists) =
        tokio::try_join!(questions.trend(), futures_util::future::try_join_all(lists))?;
    let answered = LISTS.into_iter().zip(&lists);
    let figures = Figures {
        tiles: tiles(&overview, ask, words),
        chart: chart(&trend, ask, words),
        lists: answered.map(|(list, answer)| list_of(list, answer, ask, words)).collect(),
        bots: number(&overview, "bots"),
        period: period(&overview),
    };
    Ok((figures, None))
}

struct Questions<'a> {
    server: &'a Server,
    site: &'a str,
    ask: &'a Ask,
}

impl Questions<'_> {
    fn request(&self, report: &str) -> Request {
        Request {
            report: report.to_owned(),
            site: self.site.to_owned(),
            from: self.ask.span.from().map(ToOwned::to_owned),
            filter: self.ask.filter(),
            bots: self.ask.bots,
            ..Request::default()
        }
    }

    async fn overview(&self) -> Result<Answer, wayfarer_embedded::Error> {
        let mut request = self.request("overview");
        request.compare = (self.ask.span != Span::All).then(|| "previous".to_owned());
        self.server.wayfarer().report(request).await
    }

    async fn trend(&self) -> Result<Answer, wayfarer_embedded::Error> {
        let mut request = self.request("trend");
        request.metrics = vec![self.ask.chosen(METRIC).to_owned()];
        request.interval = Some(self.interval().to_owned());
        self.server.wayfarer().report(request).await
    }

    async fn list(&self, list: Choice) -> Result<Answer, wayfarer_embedded::Error> {
        let mut request = self.request("breakdown");
        let by = self.ask.chosen(list);
        request.by = Some(by.to_owned());
        request.metrics = vec![metric_of(list, by).to_owned()];
        request.limit = Some(ROWS);
        // A page is what was shown, not every address at which something was done.
        if by == "path" && !self.ask.chooses_events() {
            let filters = request.filter.map(|filter| format!("({filter}) and {SHOWN}"));
            request.filter = Some(filters.unwrap_or_else(|| SHOWN.to_owned()));
        }
        self.server.wayfarer().report(request).await
    }

    /// Intervals of a length that makes a line one can read.
    fn interval(&self) -> &'static str {
        match self.ask.span {
            Span::Today => "hour",
            Span::Week | Span::Month => "day",
            Span::All => {
                let range = self.server.wayfarer().lake().view().time_range(self.site);
                let days = range.map_or(0, |(first, last)| (last.0 - first.0) / Micros::DAY);
                match days {
                    0..=1 => "hour",
                    2..=120 => "day",
                    121..=800 => "week",
                    _ => "month",
                }
            }
        }
    }
}

/// What a list counts: visitors, but for what is done many times by one.
fn metric_of(list: Choice, by: &str) -> &'static str {
    match (list.name, by) {
        ("events", _) => "events",
        (_, "entry" | "exit") => "visits",
        _ => "visitors",
    }
}

fn tiles(overview: &Answer, ask: &Ask, words: &Catalogue) -> Vec<Tile> {
    let row = overview.rows.first();
    let value = |metric: &str| row.and_then(|row| row.get(metric));
    let before = |metric: &str| value("previous").and_then(|previous| previous.get(metric));
    let tile = |&metric: &&str| Tile {
        name: words.text(&format!("metric-{metric}")),
        value: show(value(metric), shape(metric), words),
        change: change(metric, value(metric), before(metric)),
        href: ask.with_choice(METRIC, metric),
        chosen: ask.chosen(METRIC) == metric,
    };
    METRIC.options.iter().map(tile).collect()
}

fn chart(trend: &Answer, ask: &Ask, words: &Catalogue) -> Option<Chart> {
    let metric = ask.chosen(METRIC);
    let title = words.text(&format!("metric-{metric}"));
    let value = |row: &wayfarer_analysis::Row| row.get(metric).and_then(Value::as_f64);
    let labels = trend
        .rows
        .iter()
        .map(|row| label(row.get("t").and_then(Value::as_str).unwrap_or_default(), words.lang()));
    let plot = Plot {
        title: String::new(),
        labels: labels.collect(),
        series: vec![Series {
            name: title.clone(),
            values: trend.rows.iter().map(value).collect(),
        }],
        numbers: match shape(metric) {
            Shape::Share => Numbers::Share,
            Shape::Seconds => Numbers::Seconds,
            Shape::Count | Shape::Mean => Numbers::Plain,
        },
        empty: words.text("nothing-yet"),
    };
    let written = trend.rows.iter().map(|row| show(row.get(metric), shape(metric), words));
    let rows = plot.labels.iter().cloned().zip(written).collect();
    Some(Chart { drawings: draw(&plot)?, title, rows })
}

/// For light and dark screens, wide and narrow ones: text keeps its size.
fn draw(plot: &Plot) -> Option<Vec<(&'static str, String)>> {
    let looks = [
        ("light wide", Theme::Light, 1100),
        ("dark wide", Theme::Dark, 1100),
        ("light narrow", Theme::Light, 420),
        ("dark narrow", Theme::Dark, 420),
    ];
    let drawn = looks.into_iter().map(|(class, theme, width)| {
        let style = Style { theme, width, height: 260 };
        wayfarer_chart::line(plot, &style).map(|svg| (class, svg))
    });
    let drawn: Result<Vec<_>, _> = drawn.collect();
    drawn.inspect_err(|error| tracing::warn!(error = %error, "the chart was left out")).ok()
}

fn list_of(list: Choice, answer: &Answer, ask: &Ask, words: &Catalogue) -> List {
    let by = ask.chosen(list);
    let metric = metric_of(list, by);
    let count =
        |row: &wayfarer_analysis::Row| row.get(metric).and_then(Value::as_f64).unwrap_or(0.0);
    let most = answer.rows.iter().map(count).fold(1.0, f64::max);
    let item = |row: &wayfarer_analysis::Row| {
        let key = row.get("key").and_then(Value::as_str);
        Item {
            name: key.map_or_else(|| words.text("unknown"), |key| spoken(by, key, words)),
            href: filter_for(by, key).map(|filter| ask.with_filter(filter)),
            value: show(row.get(metric), Shape::Count, words),
            bar: bar(count(row), most),
        }
    };
    let tab = |&option: &&'static str| Link {
        text: words.text(&format!("by-{option}")),
        href: ask.with_choice(list, option),
        chosen: option == by,
    };
    let keys = answer.meta.get("keys").and_then(Value::as_u64).unwrap_or(0);
    let hidden = keys.saturating_sub(answer.rows.len() as u64);
    List {
        title: words.text(&format!("list-{}", list.name)),
        tabs: list.options.iter().map(tab).collect(),
        column: words.text(&format!("by-{by}")),
        metric: words.text(&format!("metric-{metric}")),
        rows: answer.rows.iter().map(item).collect(),
        more: if hidden == 0 {
            String::new()
        } else {
            words.with("list-more", &[("count", hidden.into())])
        },
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn bar(value: f64, most: f64) -> u32 {
    (value / most * 100.0).clamp(0.0, 100.0).round() as u32
}

/// A value in the words of the language, where the catalogue has one for it.
fn spoken(by: &str, key: &str, words: &Catalogue) -> String {
    let name: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let message = format!("value-{by}-{name}");
    if words.has(&message) { words.text(&message) } else { key.to_owned() }
}

fn number(answer: &Answer, field: &str) -> u64 {
    answer.rows.first().and_then(|row| row.get(field)).and_then(Value::as_u64).unwrap_or(0)
}

fn period(answer: &Answer) -> String {
    match (&answer.from, &answer.to) {
        (Some(from), Some(to)) if from == to => from.clone(),
        (Some(from), Some(to)) => format!("{from} – {to}"),
        _ => String::new(),
    }
}
