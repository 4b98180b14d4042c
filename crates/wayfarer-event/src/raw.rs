//! The event as it is claimed: the JSON of `POST /api/v1/events`, and the limits that it must keep.
//!
//! Reading is strict about types and generous about presence: only `name` must be there. Whether the sender may say what it
//! says (a browser may not name a user or a time) is decided at the collector's door, not here.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Micros;

/// Limits of a claimed event. Lengths are in bytes of UTF-8.
pub mod limit {
    /// `name`.
    pub const NAME: usize = 64;
    /// `id`.
    pub const ID: usize = 64;
    /// `visitor`, `session`, `user`.
    pub const IDENTITY: usize = 128;
    /// `url`, `path`, `referrer`, `title`, `route`.
    pub const ADDRESS: usize = 2048;
    /// `host`.
    pub const HOST: usize = 253;
    /// `method`, `screen`, `language`, `currency`.
    pub const SHORT: usize = 32;
    /// Keys in `props`.
    pub const PROPS_KEYS: usize = 64;
    /// All of `props` as JSON text.
    pub const PROPS_BYTES: usize = 16 * 1024;
    /// How deep `props` may be nested.
    pub const PROPS_DEPTH: usize = 8;
    /// `client.user_agent`.
    pub const USER_AGENT: usize = 1024;
}

/// An event as somebody claims it.
///
/// ```
/// use wayfarer_event::RawEvent;
///
/// let event: RawEvent = serde_json::from_str(r#"{"name":"purchase","value":19.5,"props":{"plan":"pro"}}"#)?;
/// assert!(event.check().is_ok());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawEvent {
    /// What was done. Required.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Whose event it is, unless the token says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Makes a retry harmless: a second event of the same site and id is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The id that the site gave to the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// The subject of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The account. Server tokens only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it was done: RFC 3339 or Unix milliseconds. Server tokens only.
    #[serde(skip_serializing_if = "Option::is_none", with = "flexible_time")]
    pub ts: Option<Micros>,
    /// How long ago it was done, in milliseconds: what a browser says instead of `ts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Address of the page. `host`, `path` and the campaign fields are read from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Host of the page, where there is no `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path of the page, where there is no `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The pattern that the application routed by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// HTTP status, 100-599.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long the server took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Title of the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// Size of the screen, such as `1920x1080`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen: Option<String>,
    /// The visitor's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Time that the page was visible and focused, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_ms: Option<u32>,
    /// How far the page was scrolled, 0-100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scroll: Option<u8>,
    /// What it was worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Currency of `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub props: Option<Map<String, Value>>,
    /// The browser on whose behalf a server speaks. Server tokens only; used and dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
}

/// What a server says of the browser that it answers. It is used for country, device and the daily hash, then dropped.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Address of the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<std::net::IpAddr>,
    /// Its `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// It sent `DNT: 1`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dnt: bool,
    /// It sent `Sec-GPC: 1`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gpc: bool,
}

/// Shows that an address is there, never which.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("ip", &self.ip.map(|_| "…"))
            .field("user_agent", &self.user_agent)
            .field("dnt", &self.dnt)
            .field("gpc", &self.gpc)
            .finish()
    }
}

/// What is wrong with a claimed event: the field, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct Invalid {
    /// The field, as it is called in JSON.
    pub field: &'static str,
    /// What is wrong with it, so that `field` + `problem` reads as a sentence.
    pub problem: String,
}

impl Invalid {
    /// Says that `field` is wrong, and how.
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<String>) -> Invalid {
        Invalid { field, problem: problem.into() }
    }
}

impl RawEvent {
    /// An event of this name, with nothing else said.
    #[must_use]
    pub fn new(name: impl Into<String>) -> RawEvent {
        RawEvent { name: name.into(), ..RawEvent::default() }
    }

    /// Checks every limit of [`limit`] and every range.
    ///
    /// # Errors
    /// The first field that breaks one.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.name.is_empty() {
            return Err(Invalid::new("name", "is required"));
        }
        let texts = [
            ("name", Some(&self.name), limit::NAME),
            ("id", self.id.as_ref(), limit::ID),
            ("visitor", self.visitor.as_ref(), limit::IDENTITY),
            ("session", self.session.as_ref(), limit::IDENTITY),
            ("user", self.user.as_ref(), limit::IDENTITY),
            ("url", self.url.as_ref(), limit::ADDRESS),
            ("host", self.host.as_ref(), limit::HOST),
            ("path", self.path.as_ref(), limit::ADDRESS),
            ("route", self.route.as_ref(), limit::ADDRESS),
            ("method", self.method.as_ref(), limit::SHORT),
            ("title", self.title.as_ref(), limit::ADDRESS),
            ("referrer", self.referrer.as_ref(), limit::ADDRESS),
            ("screen", self.screen.as_ref(), limit::SHORT),
            ("language", self.language.as_ref(), limit::SHORT),
            ("currency", self.currency.as_ref(), limit::SHORT),
        ];
        for (field, text, most) in texts {
            check_text(field, text.map(String::as_str), most)?;
        }
        self.check_numbers()?;
        self.check_props()
    }

    fn check_numbers(&self) -> Result<(), Invalid> {
        if self.status.is_some_and(|status| !(100..=599).contains(&status)) {
            return Err(Invalid::new("status", "is not between 100 and 599"));
        }
        if self.scroll.is_some_and(|scroll| scroll > 100) {
            return Err(Invalid::new("scroll", "is not between 0 and 100"));
        }
        if self.latency_ms.is_some_and(|latency| !latency.is_finite() || latency < 0.0) {
            return Err(Invalid::new("latency_ms", "is not a number of milliseconds"));
        }
        if self.value.is_some_and(|value| !value.is_finite()) {
            return Err(Invalid::new("value", "is not a finite number"));
        }
        if self.ts.is_some_and(|ts| ts.in_range().is_none()) {
            return Err(Invalid::new("ts", "is not between 1970 and 9998"));
        }
        Ok(())
    }

    fn check_props(&self) -> Result<(), Invalid> {
        let Some(props) = &self.props else { return Ok(()) };
        if props.len() > limit::PROPS_KEYS {
            return Err(Invalid::new("props", format!("has more than {} keys", limit::PROPS_KEYS)));
        }
        if props.values().any(|value| deeper_than(value, limit::PROPS_DEPTH)) {
            return Err(Invalid::new(
                "props",
                format!("is nested deeper than {}", limit::PROPS_DEPTH),
            ));
        }
        let bytes = serde_json::to_string(props).map_or(usize::MAX, |text| text.len());
        if bytes > limit::PROPS_BYTES {
            return Err(Invalid::new(
                "props",
                format!("is longer than {} bytes", limit::PROPS_BYTES),
            ));
        }
        Ok(())
    }
}

fn check_text(field: &'static str, text: Option<&str>, most: usize) -> Result<(), Invalid> {
    match text {
        Some("") => Err(Invalid::new(field, "is empty")),
        Some(text) if text.len() > most => {
            Err(Invalid::new(field, format!("is longer than {most} bytes")))
        }
        Some(text) if text.contains('\0') => Err(Invalid::new(field, "holds a NUL character")),
        _ => Ok(()),
    }
}

fn deeper_than(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth == 0 || items.iter().any(|item| deeper_than(item, depth - 1)),
        Value::Object(map) => depth == 0 || map.values().any(|item| deeper_than(item, depth - 1)),
        _ => false,
    }
}

/// RFC 3339 text or a number of Unix milliseconds in; RFC 3339 out.
mod flexible_time {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::Micros;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Millis(i64),
        Text(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Micros>, D::Error> {
        match Option::<Time>::deserialize(d)? {
            None => Ok(None),
            Some(Time::Millis(millis)) => Ok(Some(Micros(millis.saturating_mul(1000)))),
            Some(Time::Text(text)) => Micros::parse(&text).map(Some).map_err(D::Error::custom),
        }
    }

    pub(super) fn serialize<S: Serializer>(time: &Option<Micros>, s: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => s.collect_str(time),
            None => s.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> RawEvent {
        serde_json::from_str(json).unwrap()
    }

    fn problem(json: &str) -> String {
        read(json).check().unwrap_err().to_string()
    }

    #[test]
    fn time_is_text_or_milliseconds() {
        let text = read(r#"{"name":"a","ts":"2026-01-01T00:00:00.5Z"}"#);
        let millis = read(r#"{"name":"a","ts":1767225600500}"#);
        assert_eq!(text.ts, Some(Micros(1_767_225_600_500_000)));
        assert_eq!(text, millis);
        assert_eq!(read(&serde_json::to_string(&text).unwrap()), text);
    }

    #[test]
    fn every_limit_names_its_field() {
        assert_eq!(problem("{}"), "`name` is required");
        assert_eq!(problem(r#"{"name":"a","status":42}"#), "`status` is not between 100 and 599");
        assert_eq!(problem(r#"{"name":"a","scroll":101}"#), "`scroll` is not between 0 and 100");
        assert_eq!(problem(r#"{"name":"a","id":""}"#), "`id` is empty");
        assert_eq!(problem(r#"{"name":"a","ts":-1}"#), "`ts` is not between 1970 and 9998");
        let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(65));
        assert_eq!(problem(&long), "`name` is longer than 64 bytes");
        let deep = format!(r#"{{"name":"a","props":{{"k":{}1{}}}}}"#, "[".repeat(9), "]".repeat(9));
        assert_eq!(problem(&deep), "`props` is nested deeper than 8");
        let wide: Vec<String> = (0..65).map(|i| format!(r#""k{i}":1"#)).collect();
        let wide = format!(r#"{{"name":"a","props":{{{}}}}}"#, wide.join(","));
        assert_eq!(problem(&wide), "`props` has more than 64 keys");
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = serde_json::from_str::<RawEvent>(r#"{"name":"a","vistor":"x"}"#).unwrap_err();
        assert!(error.to_string().contains("vistor"), "{error}");
    }

    #[test]
    fn a_client_address_is_never_shown() {
        let event = read(r#"{"name":"a","client":{"ip":"203.0.113.7"}}"#);
        assert!(!format!("{event:?}").contains("203.0.113.7"));
    }
}
