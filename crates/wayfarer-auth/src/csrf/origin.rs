//! Where a request comes from: `Origin`, and `Referer` where there is none.

use http::{HeaderMap, Uri, header};

use super::CsrfRefused;

/// Whether a request comes from a page of our own host, or of one of `trusted` (such as `https://shop.example`).
///
/// A request over https that says nothing of where it comes from is refused, as Django refuses it; `plain` says that the
/// application is served over http, where `Referer` is often left out.
pub(super) fn check(
    uri: &Uri,
    headers: &HeaderMap,
    trusted: &[String],
    plain: bool,
) -> Result<(), CsrfRefused> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = uri.authority().map(http::uri::Authority::as_str).or(text(header::HOST));
    let ours = |origin: &str| {
        let (scheme, authority) = origin.split_once("://").unwrap_or_default();
        let of_us = host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
        let safe =
            scheme.eq_ignore_ascii_case("https") || (plain && scheme.eq_ignore_ascii_case("http"));
        (of_us && safe) || trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(origin))
    };
    let known = match (text(header::ORIGIN), text(header::REFERER)) {
        (Some(origin), _) => ours(origin),
        (None, Some(referer)) => origin_of(referer).is_some_and(|origin| ours(&origin)),
        (None, None) if plain => true,
        (None, None) => return Err(CsrfRefused::NoOrigin),
    };
    if known { Ok(()) } else { Err(CsrfRefused::Origin) }
}

/// The origin of an address.
fn origin_of(address: &str) -> Option<String> {
    let uri: Uri = address.parse().ok()?;
    let host = uri.authority()?.as_str();
    // Before an `@` stands a name that looks like a host and is none.
    (!host.contains('@')).then(|| format!("{}://{host}", uri.scheme_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn says(pairs: &[(header::HeaderName, &'static str)], plain: bool) -> Result<(), CsrfRefused> {
        let pairs = pairs.iter().map(|(name, text)| (name.clone(), HeaderValue::from_static(text)));
        let host = (header::HOST, HeaderValue::from_static("shop.example"));
        let headers = pairs.chain([host]).collect();
        check(&Uri::from_static("/pay"), &headers, &["https://pay.example".to_owned()], plain)
    }

    #[test]
    fn only_our_own_pages_and_trusted_ones_count() {
        let (origin, referer) = (header::ORIGIN, header::REFERER);
        let good = [
            (&origin, "https://shop.example"),
            (&origin, "https://SHOP.example"),
            (&origin, "https://pay.example"),
            (&referer, "https://shop.example/cart?x=1"),
            (&referer, "https://pay.example/"),
        ];
        for (name, text) in good {
            assert_eq!(says(&[(name.clone(), text)], false), Ok(()), "{text}");
        }
        let bad = [
            (&origin, "null"),
            (&origin, ""),
            (&origin, "http://shop.example"),
            (&origin, "https://shop.example:8443"),
            (&origin, "https://shop.example.evil.example"),
            (&origin, "https://evil.example"),
            (&referer, "http://shop.example/"),
            (&referer, "https://evil.example/https://shop.example/"),
            (&referer, "https://shop.example@evil.example/"),
            (&referer, "https://evil.example\\@shop.example/"),
            (&referer, "/cart"),
            (&referer, ""),
        ];
        for (name, text) in bad {
            assert_eq!(says(&[(name.clone(), text)], false), Err(CsrfRefused::Origin), "{text}");
        }
        let both = [(origin, "https://evil.example"), (referer, "https://shop.example/")];
        assert_eq!(says(&both, false), Err(CsrfRefused::Origin), "an origin counts first");
    }

    #[test]
    fn silence_is_for_plain_http_alone() {
        assert_eq!(says(&[], false), Err(CsrfRefused::NoOrigin));
        assert_eq!(says(&[], true), Ok(()));
        assert_eq!(says(&[(header::ORIGIN, "http://shop.example")], true), Ok(()));
        assert_eq!(
            says(&[(header::ORIGIN, "http://evil.example")], true),
            Err(CsrfRefused::Origin)
        );
    }
}
