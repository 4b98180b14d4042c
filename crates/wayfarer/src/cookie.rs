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
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        }
    }
}

/// How the cookie is called and flagged.
#[derive(Clone, Debug)]
pub(crate) struct CookieStyle {
    /// `__Host-` and the name.
    secure_name: String,
    plain_name: String,
    pub(crate) same_site: SameSite,
    /// On loopback hosts the cookie goes without `Secure` and `__Host-`.
    pub(crate) development: bool,
}

/// Which of its two forms the cookie has in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `__Host-name`, with `Secure`.
    Secure,
    /// `name`, without `Secure`: a loopback host in development.
    Plain,
}

impl CookieStyle {
    /// `None` if `name` is not a token of RFC 6265.
    pub(crate) fn new(name: &str) -> Option<CookieStyle> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return None;
        }
        Some(CookieStyle {
            secure_name: format!("__Host-{name}"),
            plain_name: name.to_owned(),
            same_site: SameSite::Lax,
            development: false,
        })
    }

    /// The form that the cookie has on the host of this request.
    pub(crate) fn form(&self, uri: &Uri, headers: &HeaderMap) -> Form {
        if !self.development {
            return Form::Secure;
        }
        let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = uri.host().or(header).unwrap_or_default();
        if is_loopback(host) { Form::Plain } else { Form::Secure }
    }

    fn name(&self, form: Form) -> &str {
        match form {
            Form::Secure => &self.secure_name,
            Form::Plain => &self.plain_name,
        }
    }

    /// The value of the session cookie in a request.
    pub(crate) fn find<'a>(&self, form: Form, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.name(form);
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        texts.flat_map(|text| text.split(';')).find_map(|pair| {
            let (known, value) = pair.split_once('=')?;
            (known.trim() == name).then(|| value.trim())
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
        let (name, same_site) = (self.name(form), self.same_site.as_str());
        let life = max_age.map_or_else(
            || "; HttpOnly".to_owned(),
            |age| {
                let expires = http_date(now.checked_add(age).unwrap_or(Timestamp::MAX));
                format!("; expires={expires}; HttpOnly; Max-Age={}", age.as_secs())
            },
        );
        let secure = secure(form);
        let text = format!("{name}={value}{life}; Path=/; SameSite={same_site}{secure}");
        let mut header = HeaderValue::try_from(text).ok()?;
        // Keeps the value out of anything that prints headers.
        header.set_sensitive(true);
        Some(header)
    }

    /// The `Set-Cookie` that makes the browser forget the cookie.
    pub(crate) fn remove(&self, form: Form) -> Option<HeaderValue> {
        let (name, same_site) = (self.name(form), self.same_site.as_str());
        let expires = http_date(Timestamp::UNIX_EPOCH);
        let secure = secure(form);
        let text = format!(
            "{name}=\"\"; expires={expires}; Max-Age=0; Path=/; SameSite={same_site}{secure}"
        );
        HeaderValue::try_from(text).ok()
    }
}

fn secure(form: Form) -> &'static str {
    match form {
        Form::Secure => "; Secure",
        Form::Plain => "",
    }
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
        let style = CookieStyle::new("id").unwrap();
        let all = headers(&["a=1; xid=no", "id=plain;__Host-id=secret ; b=2"]);
        assert_eq!(style.find(Form::Secure, &all), Some("secret"));
        assert_eq!(style.find(Form::Plain, &all), Some("plain"));
        assert_eq!(style.find(Form::Secure, &headers(&["id=1", "novalue"])), None);
    }

    #[test]
    fn flags_are_strict_by_default() {
        let style = CookieStyle::new("id").unwrap();
        let week = Some(SignedDuration::from_secs(604_800));
        let header = style.set(Form::Secure, "v", week, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            header.to_str().unwrap(),
            "__Host-id=v; expires=Thu, 08 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=604800; Path=/; \
             SameSite=Lax; Secure"
        );
        assert!(header.is_sensitive());
        let header = style.set(Form::Plain, "v", None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(header.to_str().unwrap(), "id=v; HttpOnly; Path=/; SameSite=Lax");
        assert_eq!(
            style.remove(Form::Plain).unwrap().to_str().unwrap(),
            "id=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax"
        );
    }

    #[test]
    fn only_loopback_is_relaxed() {
        let mut style = CookieStyle::new("id").unwrap();
        let form = |style: &CookieStyle, host: &str| {
            let headers = [(header::HOST, HeaderValue::from_str(host).unwrap())];
            style.form(&Uri::from_static("/"), &headers.into_iter().collect())
        };
        assert_eq!(form(&style, "localhost:8081"), Form::Secure);
        style.development = true;
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8081", "127.8.8.8", "[::1]:80"] {
            assert_eq!(form(&style, host), Form::Plain, "{host}");
        }
        for host in ["", "example.org", "127.0.0.1.example.org", "localhost.example", "10.0.0.1"] {
            assert_eq!(form(&style, host), Form::Secure, "{host}");
        }
    }

    #[test]
    fn a_name_must_be_a_token() {
        assert!(CookieStyle::new("my-app.id").is_some());
        for bad in ["", "a b", "a;b", "a=b", "é"] {
            assert!(CookieStyle::new(bad).is_none(), "{bad}");
        }
    }
}
