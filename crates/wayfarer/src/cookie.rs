//! The session cookie on the wire: found in a request, written into a response.
//!
//! The rules are those of OWASP's ASVS 3.3: `__Host-`, `Secure`, `HttpOnly`, `SameSite`, no `Domain`. The order of the
//! attributes is Django's.

use http::{HeaderMap, HeaderValue, Uri, header};
use jiff::{SignedDuration, Timestamp};

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

/// How the cookie is called and flagged.
#[derive(Clone, Debug)]
pub(crate) struct CookieStyle {
    strict: Flags,
    /// On loopback hosts, in development.
    relaxed: Option<Flags>,
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

/// Which of its two forms the cookie has in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is set up: by default `__Host-name`, with `Secure`.
    Strict,
    /// `name`, without `Secure`: a loopback host in development.
    Relaxed,
}

impl Flags {
    fn host_only(name: String, same_site: SameSite, secure: bool) -> Flags {
        let tail = format!("; Path=/; SameSite={}", same_site.as_str());
        let tail = if secure { tail + "; Secure" } else { tail };
        Flags {
            name,
            domain: String::new(),
            http_only: "; HttpOnly",
            removal_tail: tail.clone(),
            tail,
        }
    }

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
            domain: cookie.domain.as_ref().map(|d| format!("; Domain={d}")).unwrap_or_default(),
            http_only: if cookie.http_only { "; HttpOnly" } else { "" },
            // Django removes a cookie without the flags that it was set with, save where browsers would then refuse.
            removal_tail: format!("{tail}{}", secure(must_be_secure)),
            tail: format!("{tail}{}", secure(cookie.secure)),
        }
    }
}

impl CookieStyle {
    /// The strict cookie of native mode, and with `development` the relaxed one beside it. `None` if `name` is not a token
    /// of RFC 6265.
    pub(crate) fn new(name: &str, same_site: SameSite, development: bool) -> Option<CookieStyle> {
        is_token(name).then(|| CookieStyle {
            strict: Flags::host_only(format!("__Host-{name}"), same_site, true),
            relaxed: development.then(|| Flags::host_only(name.to_owned(), same_site, false)),
        })
    }

    /// The cookie of a Django project. `None` if one of its settings cannot stand in a header.
    #[cfg(feature = "django")]
    pub(crate) fn of_django(cookie: &DjangoCookie) -> Option<CookieStyle> {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b';');
        let fits = is_token(&cookie.name)
            && plain(&cookie.path)
            && cookie.domain.as_deref().is_none_or(plain);
        fits.then(|| CookieStyle { strict: Flags::of_django(cookie), relaxed: None })
    }

    /// The form that the cookie has on the host of this request.
    pub(crate) fn form(&self, uri: &Uri, headers: &HeaderMap) -> Form {
        if self.relaxed.is_none() {
            return Form::Strict;
        }
        let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = uri.host().or(header).unwrap_or_default();
        if is_loopback(host) { Form::Relaxed } else { Form::Strict }
    }

    fn flags(&self, form: Form) -> &Flags {
        match (form, &self.relaxed) {
            (Form::Relaxed, Some(relaxed)) => relaxed,
            _ => &self.strict,
        }
    }

    /// The value of the session cookie in a request.
    pub(crate) fn find<'a>(&self, form: Form, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.flags(form).name.as_bytes();
        let pairs = headers.get_all(header::COOKIE).iter();
        let mut pairs = pairs.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        pairs.find_map(|pair| {
            let value = pair.trim_ascii_start().strip_prefix(name)?.strip_prefix(b"=")?;
            std::str::from_utf8(value.trim_ascii()).ok()
        })
    }

    /// The `Set-Cookie` that gives the browser `value`. `None` if that is no header value.
    pub(crate) fn set(
        &self,
        form: Form,
        value: &str,
        max_age: Option<SignedDuration>,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let Flags { name, domain, http_only, tail, .. } = self.flags(form);
        let life = max_age.map_or_else(
            || (*http_only).to_owned(),
            |age| {
                let expires = http_date(now.checked_add(age).unwrap_or(Timestamp::MAX));
                format!("; expires={expires}{http_only}; Max-Age={}", age.as_secs())
            },
        );
        let mut header =
            HeaderValue::try_from(format!("{name}={value}{domain}{life}{tail}")).ok()?;
        // Keeps the value out of anything that prints headers.
        header.set_sensitive(true);
        Some(header)
    }

    /// The `Set-Cookie` that makes the browser forget the cookie.
    pub(crate) fn remove(&self, form: Form) -> Option<HeaderValue> {
        let Flags { name, domain, removal_tail, .. } = self.flags(form);
        let expires = http_date(Timestamp::UNIX_EPOCH);
        let text = format!("{name}=\"\"{domain}; expires={expires}; Max-Age=0{removal_tail}");
        HeaderValue::try_from(text).ok()
    }
}

fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
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

    #[test]
    fn the_cookie_is_found_among_others() {
        let style = CookieStyle::new("id", SameSite::Lax, true).unwrap();
        let all = headers(&["a=1; xid=no", "id=plain;__Host-id=secret ; b=2"]);
        assert_eq!(style.find(Form::Strict, &all), Some("secret"));
        assert_eq!(style.find(Form::Relaxed, &all), Some("plain"));
        assert_eq!(style.find(Form::Strict, &headers(&["id=1", "novalue"])), None);
    }

    #[test]
    fn flags_are_strict_by_default() {
        let style = CookieStyle::new("id", SameSite::Lax, true).unwrap();
        let week = Some(SignedDuration::from_secs(604_800));
        let header = style.set(Form::Strict, "v", week, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            header.to_str().unwrap(),
            "__Host-id=v; expires=Thu, 08 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=604800; Path=/; \
             SameSite=Lax; Secure"
        );
        assert!(header.is_sensitive());
        let header = style.set(Form::Relaxed, "v", None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(header.to_str().unwrap(), "id=v; HttpOnly; Path=/; SameSite=Lax");
        assert_eq!(
            style.remove(Form::Relaxed).unwrap().to_str().unwrap(),
            "id=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax"
        );
    }

    #[test]
    fn only_loopback_is_relaxed() {
        let form = |style: &CookieStyle, host: &str| {
            let headers = [(header::HOST, HeaderValue::from_str(host).unwrap())];
            style.form(&Uri::from_static("/"), &headers.into_iter().collect())
        };
        let style = CookieStyle::new("id", SameSite::Lax, false).unwrap();
        assert_eq!(form(&style, "localhost:8081"), Form::Strict);
        let style = CookieStyle::new("id", SameSite::Lax, true).unwrap();
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8081", "127.8.8.8", "[::1]:80"] {
            assert_eq!(form(&style, host), Form::Relaxed, "{host}");
        }
        for host in ["", "example.org", "127.0.0.1.example.org", "localhost.example", "10.0.0.1"] {
            assert_eq!(form(&style, host), Form::Strict, "{host}");
        }
    }

    #[test]
    fn a_name_must_be_a_token() {
        assert!(CookieStyle::new("my-app.id", SameSite::Lax, false).is_some());
        for bad in ["", "a b", "a;b", "a=b", "é"] {
            assert!(CookieStyle::new(bad, SameSite::Lax, false).is_none(), "{bad}");
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
        let style = CookieStyle::of_django(&cookie).unwrap();
        let set = style.set(Form::Strict, "k", None, Timestamp::UNIX_EPOCH).unwrap();
        let expected = "sessionid=k; Domain=example.org; HttpOnly; Path=/app; SameSite=Lax; Secure";
        assert_eq!(set.to_str().unwrap(), expected);
        for bad in ["/a;b", "/a b", "/a\n"] {
            let bad = DjangoCookie { path: bad.into(), ..DjangoCookie::default() };
            assert!(CookieStyle::of_django(&bad).is_none(), "{bad:?}");
        }
    }
}
