//! The words of Wayfarer, in every language, from one catalogue: dashboard, command line and shop read it.
//!
//! A message is a line of `messages/en.ftl` (or, for the command line, `en.cli.ftl`) and the same key in the file of the
//! same name for `zh-CN` (Project Fluent). Numbers are passed
//! in as text, already grouped, where they are only shown, and as numbers where the message chooses a plural by them.

use std::fmt;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

/// A language that Wayfarer speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// 简体中文.
    ZhCn,
}

impl Lang {
    /// Every language, in the order of the choice.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::ZhCn];

    /// Its tag: `en` or `zh-CN`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::ZhCn => "zh-CN",
        }
    }

    /// How it calls itself.
    #[must_use]
    pub fn own_name(self) -> &'static str {
        match self {
            Lang::En => "English",
            Lang::ZhCn => "简体中文",
        }
    }

    /// The language that a tag (`zh-Hans-CN`) or a locale of the environment (`zh_CN.UTF-8`) means; `None` for one that
    /// is not spoken here.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Lang> {
        let primary = tag.trim().split(['-', '_', '.', '@']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Lang::En),
            "zh" => Some(Lang::ZhCn),
            _ => None,
        }
    }

    /// The best language for an `Accept-Language`; English when none of them is spoken here.
    #[must_use]
    pub fn negotiate(accept_language: &str) -> Lang {
        let mut best: Option<(Lang, f32)> = None;
        for item in accept_language.split(',').take(32) {
            let (tag, weight) = weighted(item);
            let Some(lang) = Lang::from_tag(tag) else { continue };
            if weight > 0.0 && best.is_none_or(|(_, most)| weight > most) {
                best = Some((lang, weight));
            }
        }
        best.map_or(Lang::En, |(lang, _)| lang)
    }

    /// The language of a terminal: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set decides.
    #[must_use]
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Lang {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
            .and_then(|value| Lang::from_tag(&value))
            .unwrap_or_default()
    }

    fn source(self) -> &'static str {
        match self {
            Lang::En => {
                concat!(include_str!("../messages/en.ftl"), include_str!("../messages/en.cli.ftl"))
            }
            Lang::ZhCn => concat!(
                include_str!("../messages/zh-CN.ftl"),
                include_str!("../messages/zh-CN.cli.ftl")
            ),
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// `en;q=0.5` as `en` and .5.
fn weighted(item: &str) -> (&str, f32) {
    match item.split_once(';') {
        None => (item, 1.0),
        Some((tag, rest)) => {
            let weight = rest.trim().strip_prefix("q=").and_then(|q| q.trim().parse().ok());
            (tag, weight.unwrap_or(0.0))
        }
    }
}

/// The messages of one language.
pub struct Catalogue {
    lang: Lang,
    bundle: FluentBundle<FluentResource>,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").field("lang", &self.lang).finish_non_exhaustive()
    }
}

impl Catalogue {
    /// The messages of this language. Takes some hundred microseconds: keep it.
    ///
    /// A line that cannot be read is left out; a test sees to it that there is none.
    #[must_use]
    pub fn new(lang: Lang) -> Catalogue {
        let id: LanguageIdentifier = lang.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // The marks of direction around values are for texts of both directions; here they would only end up in copies.
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(lang.source().to_owned());
        let resource = resource.unwrap_or_else(|(readable, _)| readable);
        if let Err(errors) = bundle.add_resource(resource) {
            tracing::error!(?errors, lang = lang.tag(), "a message stands twice in the catalogue");
        }
        Catalogue { lang, bundle }
    }

    /// The language.
    #[must_use]
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Whether there is a message of this name.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.bundle.has_message(key)
    }

    /// A message without variables. One that is not in the catalogue is shown by its key.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// A message with its variables.
    ///
    /// ```
    /// use wayfarer_server::messages::{Catalogue, Lang};
    ///
    /// let words = Catalogue::new(Lang::En);
    /// assert_eq!(words.with("live-missed", &[("count", 2.into())]), "2 events were left out");
    /// ```
    #[must_use]
    pub fn with(&self, key: &str, variables: &[(&str, Variable)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in variables {
            args.set(*name, value.clone());
        }
        self.format(key, Some(&args))
    }

    fn format(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let pattern = self.bundle.get_message(key).and_then(|message| message.value());
        let Some(pattern) = pattern else { return key.to_owned() };
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, args, &mut errors).into_owned()
    }
}

/// The value of a variable in a message: text or a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Variable {
    /// Shown as it is.
    Text(String),
    /// A number, by which a message may choose a plural.
    Number(f64),
}

impl From<&str> for Variable {
    fn from(text: &str) -> Variable {
        Variable::Text(text.to_owned())
    }
}

impl From<String> for Variable {
    fn from(text: String) -> Variable {
        Variable::Text(text)
    }
}

impl From<u64> for Variable {
    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 no plural changes any more")]
    fn from(number: u64) -> Variable {
        Variable::Number(number as f64)
    }
}

impl From<i32> for Variable {
    fn from(number: i32) -> Variable {
        Variable::Number(f64::from(number))
    }
}

impl From<usize> for Variable {
    fn from(number: usize) -> Variable {
        Variable::from(number as u64)
    }
}

impl From<Variable> for FluentValue<'_> {
    fn from(variable: Variable) -> Self {
        match variable {
            Variable::Text(text) => FluentValue::from(text),
            Variable::Number(number) => FluentValue::from(number),
        }
    }
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
