//! Addresses of pages and referrers: host, path and query, cut apart without being rewritten.
//!
//! A path stays as its percent-encoding has it: decoding would merge pages that a server tells apart. Of the query only
//! campaign fields are ever read (see `campaign`), the rest and the fragment are dropped here.

use compact_str::CompactString;
use wayfarer_event::limit;

/// An address, cut apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// Lower case, without user name and port; `None` for a path alone.
    pub(crate) host: Option<CompactString>,
    /// Begins with `/`.
    pub(crate) path: CompactString,
    /// Without its `?`.
    pub(crate) query: &'a str,
}

impl<'a> Address<'a> {
    /// Cuts `https://host/path?query#fragment`, `//host/path…` or `/path…`; `None` for anything else.
    pub(crate) fn parse(text: &'a str) -> Option<Address<'a>> {
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => rest,
            _ => match text.strip_prefix("//") {
                Some(rest) => rest,
                None => return text.starts_with('/').then(|| Address::of_path(text)),
            },
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let address = Address::of_path(tail);
        match authority {
            "" => Some(address),
            _ => Some(Address { host: Some(host(authority)?), ..address }),
        }
    }

    /// Cuts a path with or without query and fragment.
    pub(crate) fn of_path(text: &'a str) -> Address<'a> {
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = match path.starts_with('/') {
            true => CompactString::new(path),
            false => compact_str::format_compact!("/{path}"),
        };
        Address { host: None, path, query }
    }
}

/// The host of `user@host:port`, in lower case; `None` if it is none.
pub(crate) fn host(authority: &str) -> Option<CompactString> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let fits = !host.is_empty() && host.len() <= limit::HOST && host.chars().all(is_host_char);
    fits.then(|| match host.is_ascii() {
        true => {
            let mut host = CompactString::new(host);
            host.make_ascii_lowercase();
            host
        }
        false => host.chars().flat_map(char::to_lowercase).collect(),
    })
}

/// The host without a `www.` before it: what tells sites apart for people.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// Whether `host` is `domain` or lies under it.
pub(crate) fn is_under(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn is_host_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Option<(Option<String>, String, String)> {
        let address = Address::parse(text)?;
        Some((address.host.map(Into::into), address.path.into(), address.query.into()))
    }

    fn is(host: Option<&str>, path: &str, query: &str) -> Option<(Option<String>, String, String)> {
        Some((host.map(Into::into), path.into(), query.into()))
    }

    #[test]
    fn addresses_are_cut_and_not_rewritten() {
        assert_eq!(
            cut("https://Me:pw@Example.ORG:8443/a%20b/../c?q=1#f?x"),
            is(Some("example.org"), "/a%20b/../c", "q=1")
        );
        assert_eq!(cut("http://example.org"), is(Some("example.org"), "/", ""));
        assert_eq!(cut("http://example.org?q"), is(Some("example.org"), "/", "q"));
        assert_eq!(cut("//example.org/x"), is(Some("example.org"), "/x", ""));
        assert_eq!(cut("/a?b=//c://d"), is(None, "/a", "b=//c://d"));
        assert_eq!(cut("file:///etc"), is(None, "/etc", ""));
        assert_eq!(cut("http://[2001:db8::1]:80/"), is(Some("[2001:db8::1]"), "/", ""));
        assert_eq!(cut("http://例え.jp./"), is(Some("例え.jp"), "/", ""));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in ["", "about:blank", "example.org/x", "http://a b/", "http://:80/", "1http://x/"]
        {
            assert_eq!(cut(text), None, "{text}");
        }
    }

    #[test]
    fn under_is_a_matter_of_labels() {
        assert!(is_under("example.org", "example.org"));
        assert!(is_under("a.example.org", "example.org"));
        assert!(!is_under("badexample.org", "example.org"));
    }
}
