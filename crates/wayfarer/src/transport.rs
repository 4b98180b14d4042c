//! How a session key travels: [`KeyTransport`], and [`HeaderTransport`] for programs that keep no cookies.
//!
//! Browsers are given a cookie ([`CookieTransport`](crate::CookieTransport)); that is the default. A transport only moves the
//! text: whether it is a key of ours, the session decides.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use jiff::Timestamp;
use wayfarer_session::{CookieChange, Error, ErrorKind};

/// The part of a request's head in which a key may travel.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'r> {
    /// Where the request goes.
    pub uri: &'r Uri,
    /// Its headers.
    pub headers: &'r HeaderMap,
}

/// What a transport noted of a request, to be given back to it with the response. What the number means is the transport's
/// own; 0 where it needs to note nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route(pub u8);

/// What a request brought.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Arrived<'r> {
    /// The text of the session key, if there is one. It may be anything: nobody has looked at it.
    pub key: Option<Cow<'r, str>>,
    /// For [`KeyTransport::write`].
    pub route: Route,
}

/// Shows whether a key came, never which.
impl fmt::Debug for Arrived<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_ref().map(|_| "…");
        f.debug_struct("Arrived").field("key", &key).field("route", &self.route).finish()
    }
}

/// Carries the session key between the client and the session layer.
///
/// A key is a secret. Do not log it, and mark the header values that hold it as sensitive.
pub trait KeyTransport: fmt::Debug + Send + Sync + 'static {
    /// The session key in a request. Runs for every request, so it should be quick.
    fn read<'r>(&self, request: RequestHead<'r>) -> Arrived<'r>;

    /// Tells the client what becomes of its key, in the headers of the response. `route` is what [`KeyTransport::read`]
    /// noted. Does nothing for [`CookieChange::Keep`].
    fn write(&self, change: &CookieChange, route: Route, now: Timestamp, headers: &mut HeaderMap);

    /// The request header that answers depend on, for `Vary`.
    fn varies_by(&self) -> HeaderValue;

    /// Puts `key` into the headers of a request, as a client that was given it would. For tests of applications.
    fn carry(&self, key: &str, headers: &mut HeaderMap);
}

/// The session key in a header: for programs that use an API and keep no cookies.
///
/// The client sends the key in a request header and finds a new one in a response header; an empty value there means that its
/// key is no longer good. There is nothing that a browser sends along by itself, so no other site can use the session.
#[derive(Clone, Debug)]
pub struct HeaderTransport {
    request: HeaderName,
    /// What comes before the key in the request header, such as `Bearer`.
    scheme: Option<&'static str>,
    response: HeaderName,
}

impl HeaderTransport {
    /// The key in the header of this name, in requests and in responses.
    ///
    /// # Errors
    /// When it is no name of a header.
    pub fn new(name: &str) -> Result<HeaderTransport, Error> {
        let name = HeaderName::try_from(name).map_err(|_| {
            let why = format!("`{name}` is no name for a header: use letters, digits and -");
            Error::new(ErrorKind::Config, "set up sessions").because(why)
        })?;
        Ok(HeaderTransport { request: name.clone(), scheme: None, response: name })
    }

    /// The key as `Authorization: Bearer …` in requests, and in the header of this name in responses.
    ///
    /// # Errors
    /// When it is no name of a header.
    pub fn bearer(response: &str) -> Result<HeaderTransport, Error> {
        let transport = HeaderTransport::new(response)?;
        Ok(HeaderTransport { request: header::AUTHORIZATION, scheme: Some("Bearer"), ..transport })
    }

    fn find<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let text = headers.get(&self.request)?.to_str().ok()?;
        let Some(scheme) = self.scheme else { return Some(text.trim()) };
        let (named, key) = text.split_once(' ')?;
        named.eq_ignore_ascii_case(scheme).then(|| key.trim())
    }
}

impl KeyTransport for HeaderTransport {
    fn read<'r>(&self, request: RequestHead<'r>) -> Arrived<'r> {
        Arrived { key: self.find(request.headers).map(Cow::Borrowed), route: Route(0) }
    }

    fn write(&self, change: &CookieChange, _: Route, _: Timestamp, headers: &mut HeaderMap) {
        let value = match change {
            CookieChange::Keep => return,
            CookieChange::Set { value, .. } => value,
            CookieChange::Remove => "",
        };
        if let Some(value) = secret(value) {
            headers.insert(&self.response, value);
        }
    }

    fn varies_by(&self) -> HeaderValue {
        HeaderValue::from(self.request.clone())
    }

    fn carry(&self, key: &str, headers: &mut HeaderMap) {
        let scheme = self.scheme.map(|scheme| format!("{scheme} ")).unwrap_or_default();
        if let Some(value) = secret(&format!("{scheme}{key}")) {
            headers.insert(&self.request, value);
        }
    }
}

/// A header value that nothing prints.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(transport: &HeaderTransport, name: &'static str, value: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )]);
        let uri = Uri::from_static("/");
        let arrived = transport.read(RequestHead { uri: &uri, headers: &headers });
        assert!(!format!("{arrived:?}").contains("secret"));
        arrived.key.map(Cow::into_owned)
    }

    #[test]
    fn a_key_is_found_in_its_header() {
        let plain = HeaderTransport::new("X-Session").unwrap();
        assert_eq!(read(&plain, "x-session", " secret ").as_deref(), Some("secret"));
        assert_eq!(read(&plain, "authorization", "Bearer secret"), None);
        let bearer = HeaderTransport::bearer("X-Session").unwrap();
        assert_eq!(read(&bearer, "authorization", "bearer secret").as_deref(), Some("secret"));
        for other in ["secret", "Basic secret", "Bearersecret", ""] {
            assert_eq!(read(&bearer, "authorization", other), None, "{other}");
        }
        assert_eq!(read(&bearer, "x-session", "secret"), None);
    }

    #[test]
    fn what_a_client_carries_is_what_is_read() {
        for transport in [HeaderTransport::new("x-session"), HeaderTransport::bearer("x-session")] {
            let transport = transport.unwrap();
            let mut headers = HeaderMap::new();
            transport.carry("secret", &mut headers);
            assert!(!format!("{headers:?}").contains("secret"));
            assert_eq!(transport.find(&headers), Some("secret"));
        }
    }

    #[test]
    fn a_name_must_be_one_of_a_header() {
        for bad in ["", "a b", "é", "a:b"] {
            assert!(HeaderTransport::new(bad).is_err(), "{bad}");
        }
    }
}
