//! The cookie of tower-sessions: plain, signed or encrypted, as its layer was set up.

use std::fmt;

use cookie::{Cookie, CookieJar, Key};
use http::{HeaderMap, HeaderValue, header};
use tower_sessions_core::session::Id;

/// How the cookie of tower-sessions was called and kept.
#[derive(Clone)]
pub struct OldCookie {
    name: String,
    seal: Seal,
    domain: Option<String>,
    path: String,
}

#[derive(Clone)]
enum Seal {
    Plain,
    Signed(Key),
    Private(Key),
}

/// Shows the name, never a key.
impl fmt::Debug for OldCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldCookie").field("name", &self.name).finish_non_exhaustive()
    }
}

impl OldCookie {
    /// The cookie of this name; tower-sessions calls it `id`.
    #[must_use]
    pub fn plain(name: &str) -> OldCookie {
        OldCookie { name: name.to_owned(), seal: Seal::Plain, domain: None, path: "/".to_owned() }
    }

    /// The same, where the layer was set up `with_signed`.
    #[must_use]
    pub fn signed(self, key: Key) -> OldCookie {
        OldCookie { seal: Seal::Signed(key), ..self }
    }

    /// The same, where the layer was set up `with_private`.
    #[must_use]
    pub fn private(self, key: Key) -> OldCookie {
        OldCookie { seal: Seal::Private(key), ..self }
    }

    /// The same, where the layer was set up `with_domain`: without it the browser would not forget the cookie.
    #[must_use]
    pub fn domain(self, domain: &str) -> OldCookie {
        OldCookie { domain: Some(domain.to_owned()), ..self }
    }

    /// The same, where the layer was set up `with_path`.
    #[must_use]
    pub fn path(self, path: &str) -> OldCookie {
        OldCookie { path: path.to_owned(), ..self }
    }

    /// The id in a request, if its cookie is genuine.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Id> {
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|text| text.to_str().ok());
        let mut pairs =
            texts.flat_map(|text| Cookie::split_parse_encoded(text.to_owned())).flatten();
        let cookie = pairs.find(|cookie| cookie.name() == self.name)?.into_owned();
        let mut jar = CookieJar::new();
        jar.add_original(cookie);
        let opened = match &self.seal {
            Seal::Plain => jar.get(&self.name).cloned(),
            Seal::Signed(key) => jar.signed(key).get(&self.name),
            Seal::Private(key) => jar.private(key).get(&self.name),
        };
        opened?.value().parse().ok()
    }

    /// The `Set-Cookie` that makes the browser forget it.
    pub(crate) fn removal(&self) -> Option<HeaderValue> {
        let cookie = Cookie::build((self.name.as_str(), "")).path(self.path.as_str()).removal();
        let cookie = match &self.domain {
            Some(domain) => cookie.domain(domain.as_str()),
            None => cookie,
        };
        HeaderValue::try_from(cookie.build().to_string()).ok()
    }
}
