//! Where to go after a log-in: [`Next`], which cannot lead away from the site.
//!
//! The text comes from an address that anybody can write, so a `next` that was followed blindly would send people who have
//! just typed their password to somebody else's page.

use std::{convert::Infallible, fmt};

use axum_core::extract::FromRequestParts;
use http::{Uri, request::Parts};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The parameter that carries it, as in Django.
pub(crate) const PARAMETER: &str = "next";

/// What must not stand as it is in the value of a parameter.
const VALUE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'?');

/// More than this is no address of a page.
const MOST: usize = 2048;

/// A path of this site, with its query. As an extractor of axum: the parameter `next` of the address, or `/` where there is
/// none or it leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next(String);

impl Next {
    /// The path that this text is. `None` if a browser could take it for anything else than a path of this site.
    #[must_use]
    pub fn new(text: &str) -> Option<Next> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        // Browsers take a backslash for a slash, and drop tabs and line ends before they look.
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        let fits = text.len() <= MOST
            && text.starts_with('/')
            && text.bytes().all(plain)
            && !path.starts_with("//")
            && path.split('/').all(is_segment);
        fits.then(|| Next(text.to_owned()))
    }

    /// The path and query of a request.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Next> {
        Next::new(uri.path_and_query()?.as_str())
    }

    /// The path, with its query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `login` with this as its parameter `next`.
    #[must_use]
    pub fn to_login(&self, login: &str) -> String {
        let sign = if login.contains('?') { '&' } else { '?' };
        format!("{login}{sign}{PARAMETER}={}", utf8_percent_encode(&self.0, VALUE))
    }

    /// The parameter `next` of a query.
    fn in_query(query: &str) -> Option<Next> {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == PARAMETER)?;
        let spaced = value.replace('+', " ");
        Next::new(&percent_decode_str(&spaced).decode_utf8().ok()?)
    }
}

/// Servers in between may resolve `.` and `..`, and then see two slashes at the front where there were none.
fn is_segment(segment: &str) -> bool {
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    decoded != "." && decoded != ".."
}

impl Default for Next {
    fn default() -> Next {
        Next("/".to_owned())
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Next {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Next, Infallible> {
        Ok(parts.uri.query().and_then(Next::in_query).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ways to leave a site by its own `next` that have worked somewhere.
    const ELSEWHERE: &[&str] = &[
        "",
        "evil.example",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        " //evil.example",
        "http:evil.example",
        "http:/evil.example",
        "http://evil.example",
        "https:///evil.example",
        "HTTP://evil.example",
        "ftp://evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/.//evil.example",
        "/..//evil.example",
        "/a/..//evil.example",
        "/%2e//evil.example",
        "/a/%2E%2e//evil.example",
        "//user@evil.example/",
        "//evil.example\\@site.example/",
        "/é",
        "/\u{2028}/evil.example",
        "/\0",
        "?next=//evil.example",
        "#//evil.example",
    ];

    const HERE: &[&str] = &[
        "/",
        "/cart",
        "/a//b",
        "/cart?item=3&size=xl",
        "/search?q=http://other.example",
        "/page#part",
        "/%E7%AE%80/",
        "/a.b/..c",
        "/x?y=../..",
    ];

    #[test]
    fn what_leads_away_is_refused() {
        for text in ELSEWHERE {
            assert_eq!(Next::new(text), None, "{text:?}");
        }
        assert_eq!(Next::new(&format!("/{}", "a".repeat(MOST))), None);
        for text in HERE {
            assert_eq!(Next::new(text).unwrap().as_str(), *text);
        }
    }

    #[test]
    fn a_browser_stays_on_the_site() {
        let base = url::Url::parse("https://site.example/login?next=x").unwrap();
        let mut away = 0;
        for text in HERE.iter().chain(ELSEWHERE) {
            let joined = base.join(text).map(|url| url.origin());
            let stays = joined.is_ok_and(|origin| origin == base.origin());
            assert!(stays || Next::new(text).is_none(), "{text:?}");
            away += u32::from(!stays);
        }
        assert!(away > 15, "the table holds what browsers follow: {away}");
    }

    #[test]
    fn it_comes_back_from_the_address_of_a_log_in() {
        for text in HERE.iter().filter(|text| !text.contains('#')) {
            let login = Next::new(text).unwrap().to_login("/login?lang=en");
            let uri: Uri = login.parse().unwrap();
            assert_eq!(Next::in_query(uri.query().unwrap()).unwrap().as_str(), *text, "{login}");
        }
        for away in
            ["next=//evil.example", "next=%2F%2Fevil.example", "next=/%5Cevil.example", "x=1"]
        {
            assert_eq!(Next::in_query(away), None, "{away}");
        }
    }
}
