//! Who may ask: tokens, the owner of the folder, and people at a dashboard that only loopback reaches.
//!
//! Until there are accounts, whoever reaches a loopback address may read. A web page that somebody visits must not be able
//! to do so in their name, so the `Host` has to be a loopback name or one that the configuration allows: a foreign name
//! that was made to point here (DNS rebinding) gets nothing.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use wayfarer_collect::Site;
use wayfarer_embedded::{Grant, Scope};

use crate::{Server, errors::ApiError};

/// Marks requests that came through the socket in the data folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner;

/// A token that was given and is good.
pub(crate) struct Bearer(pub(crate) Grant);

impl FromRequestParts<Server> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Bearer, ApiError> {
        let token = bearer(&parts.headers)
            .ok_or_else(|| ApiError::unauthorized("a token is needed: Authorization: Bearer …"))?;
        grant(server, token).map(Bearer)
    }
}

/// Somebody who may read reports: of one site, with its server token, or of all.
pub(crate) enum Reader {
    Token(Grant),
    Person,
}

impl FromRequestParts<Server> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Reader, ApiError> {
        if let Some(token) = bearer(&parts.headers) {
            let grant = grant(server, token)?;
            return match grant.scope {
                Scope::Server => Ok(Reader::Token(grant)),
                Scope::Browser => Err(ApiError::forbidden("a browser token cannot read")),
            };
        }
        if parts.extensions.get::<Owner>().is_some() || host_is_ours(&parts.headers, server) {
            return Ok(Reader::Person);
        }
        let text = "this host is not served here: add it to `hosts` in the configuration";
        Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, text))
    }
}

impl Reader {
    /// The site to read of those that may be read, when this one was asked for (or none was).
    pub(crate) fn site(&self, asked: &str) -> Result<String, ApiError> {
        match self {
            Reader::Token(grant) if asked.is_empty() || asked == grant.site.name => {
                Ok(grant.site.name.clone())
            }
            Reader::Token(_) => Err(ApiError::forbidden("the token is for another site")),
            Reader::Person if asked.is_empty() => Err(ApiError::bad_request("`site` is missing")),
            Reader::Person => Ok(asked.to_owned()),
        }
    }
}

/// What a token allows.
pub(crate) fn grant(server: &Server, token: &str) -> Result<Grant, ApiError> {
    server
        .wayfarer()
        .control()
        .grant(token)
        .ok_or_else(|| ApiError::unauthorized("the token is not known here"))
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn host_is_ours(headers: &HeaderMap, server: &Server) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = without_port(host).to_ascii_lowercase();
    is_loopback(&name) || server.http().hosts.contains(&name)
}

fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => host.get(..colon).unwrap_or(host),
        _ => host,
    }
}

/// Whether a page of this origin may send events of a site: a page of one of its own hosts, or of a subdomain; any page,
/// where the site names no hosts.
pub(crate) fn origin_is_allowed(origin: &str, site: &Site) -> bool {
    if site.own_hosts.is_empty() {
        return true;
    }
    let Some((_, host)) = origin.split_once("://") else { return false };
    let host = without_port(host).to_ascii_lowercase();
    site.own_hosts.iter().any(|own| {
        host == *own || host.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('.'))
    })
}

/// Whether a page of this origin may send events of some site.
pub(crate) fn origin_is_known(origin: &str, server: &Server) -> bool {
    let control = server.wayfarer().control();
    let sites: Vec<Arc<Site>> =
        control.sites().iter().filter_map(|site| control.site(&site.name)).collect();
    sites.iter().any(|site| origin_is_allowed(origin, site))
}

/// The address at the other end, behind so many trusted proxies; `None` through the socket.
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl FromRequestParts<Server> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Peer, Infallible> {
        let direct = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let proxies = server.http().proxies;
        if proxies == 0 {
            return Ok(Peer(direct));
        }
        Ok(Peer(forwarded(&parts.headers, proxies).or(direct)))
    }
}

/// The address that the outermost trusted proxy saw: so many places from the end of `X-Forwarded-For`. What stands
/// before it, anybody may have written.
fn forwarded(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let all: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let place = all.len().checked_sub(proxies)?;
    all.get(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_loopback_by_name_or_address() {
        for host in
            ["localhost:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080", "[::1]", "a.localhost"]
        {
            assert!(is_loopback(without_port(host)), "{host}");
        }
        for host in
            ["example.org", "localhost.example.org", "10.0.0.1:80", "127.0.0.1.example.org", ""]
        {
            assert!(!is_loopback(without_port(host)), "{host}");
        }
    }

    #[test]
    fn an_origin_is_of_a_site_by_its_host() {
        let mut site = Site::new("s");
        assert!(origin_is_allowed("https://anything.example", &site));
        site.own_hosts = vec!["shop.example".to_owned()];
        assert!(origin_is_allowed("https://shop.example", &site));
        assert!(origin_is_allowed("http://www.shop.example:8080", &site));
        assert!(!origin_is_allowed("https://myshop.example", &site));
        assert!(!origin_is_allowed("https://shop.example.evil.example", &site));
        assert!(!origin_is_allowed("null", &site));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 203.0.113.7".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.1".parse().unwrap());
        assert_eq!(forwarded(&headers, 1), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(forwarded(&headers, 2), Some("203.0.113.7".parse().unwrap()));
        assert_eq!(forwarded(&headers, 4), None);
    }
}
