//! The session cookie on the wire: found in a request, written into a response.
//!
//! The rules are those of OWASP's ASVS 3.3: `__Host-`, `Secure`, `HttpOnly`, `SameSite`, no `Domain`. The order of the
//! attributes is Django's.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, Uri, header};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter};
use wayfarer_session::{CookieChange, Error, ErrorKind};

use crate::transport::{Arrived, KeyTransport, RequestHead, Route};

/// When a browser sends the cookie along with requests that come from other sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// When a link is followed, and not with embedded or posted requests.
    #[default]
    Lax,
    /// Never.
    Strict,
    /// Always. Browsers want `Secure` with it.
    None,
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        }
    }
}

/// A Django project's `SESSION_COOKIE_*` settings. The default is Django's; a project that is served over https should set
/// `secure`, there and here.
#[cfg(feature = "django")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DjangoCookie {
    /// `SESSION_COOKIE_NAME`.
    pub name: String,
    /// `SESSION_COOKIE_DOMAIN`.
    pub domain: Option<String>,
    /// `SESSION_COOKIE_PATH`.
    pub path: String,
    /// `SESSION_COOKIE_SECURE`.
    pub secure: bool,
    /// `SESSION_COOKIE_HTTPONLY`.
    pub http_only: bool,
    /// `SESSION_COOKIE_SAMESITE`; `None` is Django's `False`.
    pub same_site: Option<SameSite>,
}

#[cfg(feature = "django")]
impl Default for DjangoCookie {
    fn default() -> DjangoCookie {
        DjangoCookie {
            name: "sessionid".to_owned(),
            domain: None,
            path: "/".to_owned(),
            secure: false,
            http_only: true,
            same_site: Some(SameSite::Lax),
        }
    }
}

/// The session key in a cookie: how it travels unless another [`KeyTransport`] is chosen.
///
/// The cookie is `__Host-name` with `Secure`, `HttpOnly` and `SameSite=Lax`, and each call here loosens or tightens one thing.
#[derive(Clone, Debug)]
pub struct CookieTransport {
    style: Style,
    strict: Flags,
    /// On loopback hosts, in development.
    relaxed: Option<Flags>,
    /// Of several cookies of this name the last counts, as in Django.
    takes_last: bool,
}

/// What the flags of a cookie of ours are made from.
#[derive(Clone, Debug)]
struct Style {
    name: String,
    /// Shared with the hosts under this domain.
    domain: Option<String>,
    same_site: SameSite,
    partitioned: bool,
    development: bool,
}

/// Name and attributes of the cookie. The text of those that never change is made once.
#[derive(Clone, Debug)]
struct Flags {
    name: String,
    /// `; Domain=…`, or nothing.
    domain: String,
    /// `; HttpOnly`, or nothing.
    http_only: &'static str,
    /// `; Path=…; SameSite=…`, and what a cookie that is set has after it.
    tail: String,
    /// The same for one that is removed.
    removal_tail: String,
}

/// As it is set up: by default `__Host-name`, with `Secure`.
const STRICT: Route = Route(0);

/// `name`, without `Secure`: a loopback host in development.
const RELAXED: Route = Route(1);

impl Style {
    fn strict(&self) -> Flags {
        let prefix = if self.domain.is_some() { "__Secure-" } else { "__Host-" };
        let partitioned = if self.partitioned { "; Partitioned" } else { "" };
        let same_site = self.same_site.as_str();
        let tail = format!("; Path=/; SameSite={same_site}; Secure{partitioned}");
        self.flags(format!("{prefix}{}", self.name), tail)
    }

    /// Loopback hosts have no domain to share a cookie in.
    fn relaxed(&self) -> Flags {
        let tail = format!("; Path=/; SameSite={}", self.same_site.as_str());
        let own = Style { domain: None, ..self.clone() };
        own.flags(self.name.clone(), tail)
    }

    fn flags(&self, name: String, tail: String) -> Flags {
        Flags {
            name,
            domain: domain_text(self.domain.as_deref()),
            http_only: "; HttpOnly",
            removal_tail: tail.clone(),
            tail,
        }
    }
}

impl Flags {
    #[cfg(feature = "django")]
    fn of_django(cookie: &DjangoCookie) -> Flags {
        let same_site = cookie.same_site.map(SameSite::as_str);
        let same_site = same_site.map(|text| format!("; SameSite={text}")).unwrap_or_default();
        let tail = format!("; Path={}{same_site}", cookie.path);
        let prefixed = cookie.name.starts_with("__Secure-") || cookie.name.starts_with("__Host-");
        let must_be_secure = prefixed || cookie.same_site == Some(SameSite::None);
        let secure = |secure: bool| if secure { "; Secure" } else { "" };
        Flags {
            name: cookie.name.clone(),
            domain: domain_text(cookie.domain.as_deref()),
            http_only: if cookie.http_only { "; HttpOnly" } else { "" },
            // Django removes a cookie without the flags that it was set with, save where browsers would then refuse.
            removal_tail: format!("{tail}{}", secure(must_be_secure)),
            tail: format!("{tail}{}", secure(cookie.secure)),
        }
    }

    /// The `Set-Cookie` that gives the browser `value`. `None` if that is no header value.
    fn set(
        &self,
        value: &str,
        max_age: Option<SignedDuration>,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let Flags { name, domain, http_only, tail, .. } = self;
        let mut text = String::with_capacity(name.len() + value.len() + 192);
        for part in [name, "=", value, domain] {
            text.push_str(part);
        }
        if let Some(age) = max_age {
            text.push_str("; expires=");
            text.push_str(&http_date(now.checked_add(age).unwrap_or(Timestamp::MAX)));
        }
        text.push_str(http_only);
        if let Some(age) = max_age {
            // Writing to a String cannot fail.
            let _ = write!(text, "; Max-Age={}", age.as_secs());
        }
        text.push_str(tail);
        let mut header = HeaderValue::try_from(text).ok()?;
        // Keeps the value out of anything that prints headers.
        header.set_sensitive(true);
        Some(header)
    }

    /// The `Set-Cookie` that makes the browser forget the cookie.
    fn remove(&self) -> Option<HeaderValue> {
        let Flags { name, domain, removal_tail, .. } = self;
        let expires = http_date(Timestamp::UNIX_EPOCH);
        let text = format!("{name}=\"\"{domain}; expires={expires}; Max-Age=0{removal_tail}");
        HeaderValue::try_from(text).ok()
    }
}

impl CookieTransport {
    /// The cookie `__Host-name`: `Secure`, `HttpOnly`, `SameSite=Lax`, for this host and all of its paths.
    ///
    /// # Errors
    /// When `name` is no token of RFC 6265.
    pub fn new(name: impl Into<String>) -> Result<CookieTransport, Error> {
        let name = name.into();
        if !is_token(&name) {
            return Err(wrong(format!(
                "`{name}` is no name for a cookie: use letters, digits, - and _"
            )));
        }
        let same_site = SameSite::Lax;
        let style = Style { name, domain: None, same_site, partitioned: false, development: false };
        Ok(CookieTransport { strict: style.strict(), relaxed: None, style, takes_last: false })
    }

    /// When the browser sends the cookie along with requests from other sites.
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> CookieTransport {
        self.with(|style| style.same_site = same_site)
    }

    /// Shares the cookie, then `__Secure-name`, with every host under `domain`: for services on several hosts that share
    /// their sessions. Each of those hosts can then read and set it.
    ///
    /// # Errors
    /// When `domain` cannot stand in a header.
    pub fn domain(self, domain: impl Into<String>) -> Result<CookieTransport, Error> {
        let domain = domain.into();
        if domain.is_empty() || !is_plain(&domain) {
            return Err(wrong(format!("`{domain}` is no domain for a cookie")));
        }
        Ok(self.with(|style| style.domain = Some(domain)))
    }

    /// Keeps the cookie apart for each site that embeds this one (`Partitioned`). For pages inside a frame of another site,
    /// with [`SameSite::None`].
    #[must_use]
    pub fn partitioned(self) -> CookieTransport {
        self.with(|style| style.partitioned = true)
    }

    /// For development: on a loopback host the cookie goes without `Secure` and without its prefix, so that it works over
    /// plain http. Every other host gets the strict cookie.
    #[must_use]
    pub fn development(self) -> CookieTransport {
        self.with(|style| style.development = true)
    }

    /// The cookie of a Django project.
    ///
    /// # Errors
    /// When one of its settings cannot stand in a header.
    #[cfg(feature = "django")]
    pub fn django(cookie: &DjangoCookie) -> Result<CookieTransport, Error> {
        let fits = is_token(&cookie.name)
            && is_plain(&cookie.path)
            && cookie.domain.as_deref().is_none_or(is_plain);
        if !fits {
            let why = "name, path or domain of the Django cookie cannot stand in a header";
            return Err(wrong(why.to_owned()));
        }
        let transport = CookieTransport::new(&cookie.name)?;
        Ok(CookieTransport { strict: Flags::of_django(cookie), takes_last: true, ..transport })
    }

    fn with(mut self, change: impl FnOnce(&mut Style)) -> CookieTransport {
        change(&mut self.style);
        self.strict = self.style.strict();
        self.relaxed = self.style.development.then(|| self.style.relaxed());
        self
    }

    /// The form that the cookie has on the host of this request.
    fn route(&self, uri: &Uri, headers: &HeaderMap) -> Route {
        if self.relaxed.is_none() {
            return STRICT;
        }
        let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = uri.host().or(header).unwrap_or_default();
        if is_loopback(host) { RELAXED } else { STRICT }
    }

    fn flags(&self, route: Route) -> &Flags {
        match (route, &self.relaxed) {
            (RELAXED, Some(relaxed)) => relaxed,
            _ => &self.strict,
        }
    }

    /// The value of the session cookie in a request.
    ///
    /// A browser sends two of one name where their domains or paths differ: that of the longer path first, then the older.
    /// Django takes the last, and so must whoever shares its sessions. Of ours the first counts, which is the nearest to the
    /// request: `__Host-` lets there be one alone, and one that gets a domain has another name from then on.
    fn find<'a>(&self, route: Route, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.flags(route).name.as_bytes();
        let pairs = headers.get_all(header::COOKIE).iter();
        let pairs = pairs.flat_map(|value| split_pairs(value.as_bytes()));
        let mut values = pairs.filter_map(|pair| {
            let value = pair.trim_ascii_start().strip_prefix(name)?.strip_prefix(b"=")?;
            std::str::from_utf8(value.trim_ascii()).ok()
        });
        if self.takes_last { values.last() } else { values.next() }
    }
}

impl KeyTransport for CookieTransport {
    fn read<'r>(&self, request: RequestHead<'r>) -> Arrived<'r> {
        let route = self.route(request.uri, request.headers);
        Arrived { key: self.find(route, request.headers).map(Into::into), route }
    }

    fn write(&self, change: &CookieChange, route: Route, now: Timestamp, headers: &mut HeaderMap) {
        let flags = self.flags(route);
        let cookie = match change {
            CookieChange::Keep => None,
            CookieChange::Set { value, max_age } => flags.set(value, *max_age, now),
            CookieChange::Remove => flags.remove(),
        };
        if let Some(cookie) = cookie {
            headers.append(header::SET_COOKIE, cookie);
        }
    }

    fn varies_by(&self) -> HeaderValue {
        HeaderValue::from_static("Cookie")
    }

    fn carry(&self, key: &str, headers: &mut HeaderMap) {
        let route = self.route(&Uri::default(), headers);
        let pair = format!("{}={key}", self.flags(route).name);
        if let Ok(mut pair) = HeaderValue::try_from(pair) {
            pair.set_sensitive(true);
            headers.append(header::COOKIE, pair);
        }
    }
}

/// The parts between semicolons. Every request with a cookie comes here, so it looks at many bytes at once.
fn split_pairs(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(end) = memchr::memchr(b';', text) else { return Some(text) };
        let (pair, after) = text.split_at(end);
        rest = after.get(1..);
        Some(pair)
    })
}

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::Config, "set up sessions").because(why)
}

fn domain_text(domain: Option<&str>) -> String {
    domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default()
}

fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

/// Whether a text can stand as the value of an attribute.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
}

fn http_date(at: Timestamp) -> String {
    // Only a time before the year 0 cannot be written.
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

/// Whether a host, with or without its port, is this machine.
fn is_loopback(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split(']').next() == Some("::1");
    }
    let name = host.split(':').next().unwrap_or_default();
    let loopback = |address: std::net::Ipv4Addr| address.is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        let pair = |text: &&str| (header::COOKIE, HeaderValue::from_str(text).unwrap());
        cookies.iter().map(pair).collect()
    }

    fn id() -> CookieTransport {
        CookieTransport::new("id").unwrap()
    }

    fn text(header: Option<HeaderValue>) -> String {
        header.unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let cookie = id().development();
        let all = headers(&["a=1; xid=no", "id=plain;__Host-id=secret ; b=2"]);
        assert_eq!(cookie.find(STRICT, &all), Some("secret"));
        assert_eq!(cookie.find(RELAXED, &all), Some("plain"));
        assert_eq!(cookie.find(STRICT, &headers(&["id=1", "novalue"])), None);
        assert_eq!(cookie.find(RELAXED, &headers(&["id=near; id=far"])), Some("near"));
        for (text, found) in [("", None), (";;", None), (";id=;", Some("")), ("; id=v", Some("v"))]
        {
            assert_eq!(cookie.find(RELAXED, &headers(&[text])), found, "{text}");
        }
    }

    #[test]
    fn flags_are_strict_by_default() {
        let cookie = id().development();
        let week = Some(SignedDuration::from_secs(604_800));
        let header = cookie.flags(STRICT).set("v", week, Timestamp::UNIX_EPOCH).unwrap();
        assert!(header.is_sensitive());
        assert_eq!(
            text(Some(header)),
            "__Host-id=v; expires=Thu, 08 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=604800; Path=/; \
             SameSite=Lax; Secure"
        );
        let header = cookie.flags(RELAXED).set("v", None, Timestamp::UNIX_EPOCH);
        assert_eq!(text(header), "id=v; HttpOnly; Path=/; SameSite=Lax");
        assert_eq!(
            text(cookie.flags(RELAXED).remove()),
            "id=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax"
        );
    }

    #[test]
    fn a_shared_cookie_has_its_domain_and_another_prefix() {
        let cookie = id().domain("example.org").unwrap().same_site(SameSite::Strict).development();
        let set = |route| text(cookie.flags(route).set("v", None, Timestamp::UNIX_EPOCH));
        let strict = "__Secure-id=v; Domain=example.org; HttpOnly; Path=/; SameSite=Strict; Secure";
        assert_eq!(set(STRICT), strict);
        assert_eq!(set(RELAXED), "id=v; HttpOnly; Path=/; SameSite=Strict");
        for bad in ["", "a b", "a;b", "a\n"] {
            assert!(id().domain(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_embedded_page_has_a_cookie_of_its_own() {
        let cookie = id().same_site(SameSite::None).partitioned();
        let set = text(cookie.flags(STRICT).set("v", None, Timestamp::UNIX_EPOCH));
        assert!(set.ends_with("; SameSite=None; Secure; Partitioned"), "{set}");
    }

    #[test]
    fn only_loopback_is_relaxed() {
        let route = |cookie: &CookieTransport, host: &str| {
            let headers = [(header::HOST, HeaderValue::from_str(host).unwrap())];
            cookie.route(&Uri::from_static("/"), &headers.into_iter().collect())
        };
        assert_eq!(route(&id(), "localhost:8081"), STRICT);
        let cookie = id().development();
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8081", "127.8.8.8", "[::1]:80"] {
            assert_eq!(route(&cookie, host), RELAXED, "{host}");
        }
        for host in ["", "example.org", "127.0.0.1.example.org", "localhost.example", "10.0.0.1"] {
            assert_eq!(route(&cookie, host), STRICT, "{host}");
        }
    }

    #[test]
    fn a_name_must_be_a_token() {
        assert!(CookieTransport::new("my-app.id").is_ok());
        for bad in ["", "a b", "a;b", "a=b", "é"] {
            assert!(CookieTransport::new(bad).is_err(), "{bad}");
        }
    }

    #[cfg(feature = "django")]
    #[test]
    fn a_project_may_narrow_path_and_domain() {
        let cookie = DjangoCookie {
            domain: Some("example.org".into()),
            path: "/app".into(),
            secure: true,
            ..DjangoCookie::default()
        };
        let cookie = CookieTransport::django(&cookie).unwrap();
        let set = text(cookie.flags(STRICT).set("k", None, Timestamp::UNIX_EPOCH));
        let expected = "sessionid=k; Domain=example.org; HttpOnly; Path=/app; SameSite=Lax; Secure";
        assert_eq!(set, expected);
        for bad in ["/a;b", "/a b", "/a\n"] {
            let bad = DjangoCookie { path: bad.into(), ..DjangoCookie::default() };
            assert!(CookieTransport::django(&bad).is_err(), "{bad:?}");
        }
    }
}
