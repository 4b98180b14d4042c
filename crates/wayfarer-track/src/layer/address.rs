//! Whose address is it? The rule by which a visitor's address is read off a request.
//!
//! The address is used by the collector for country and daily hash, and dropped there. A header can be written by anybody,
//! so it counts only as far as the proxies that wrote it are known.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{Extensions, HeaderMap};

/// Where the address of a visitor is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressRule {
    /// From the connection: axum's `ConnectInfo<SocketAddr>`, or a plain `SocketAddr` in the request's extensions.
    #[default]
    Connection,
    /// From `X-Forwarded-For`, if the connection comes from one of these networks: the rightmost address that is in none
    /// of them. From the connection otherwise.
    Forwarded(Vec<Network>),
}

impl AddressRule {
    pub(crate) fn read(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        let peer = peer(extensions)?.ip().to_canonical();
        match self {
            AddressRule::Connection => Some(peer),
            AddressRule::Forwarded(proxies) => Some(forwarded(headers, peer, proxies)),
        }
    }
}

#[cfg(feature = "axum")]
fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    let info = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|info| info.0);
    info.or_else(|| extensions.get::<SocketAddr>().copied())
}

#[cfg(not(feature = "axum"))]
fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<SocketAddr>().copied()
}

/// Walks from the nearest hop outwards for as long as the hops are known proxies. An unreadable hop ends the walk: what
/// stands left of it was written by nobody known.
fn forwarded(headers: &HeaderMap, peer: IpAddr, proxies: &[Network]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.rsplit(','))
        .map_while(|hop| parse_hop(hop.trim()));
    let mut address = peer;
    while is_proxy(address) {
        match hops.next() {
            Some(hop) => address = hop,
            None => break,
        }
    }
    address
}

/// An address, or an address with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok().or_else(|| hop.parse().ok().map(|hop: SocketAddr| hop.ip()));
    address.map(|address| address.to_canonical())
}

/// A network in CIDR notation, such as `10.0.0.0/8`; a lone address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address lies in this network. IPv4 and IPv6 never mix.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differs = network.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differs = network.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(widest), str::parse).map_err(|_| error())?;
        if prefix > widest { Err(error()) } else { Ok(Network { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 10.0.0.0/8 or 192.0.2.7")]
pub struct NetworkError(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: &AddressRule, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(peer.parse::<SocketAddr>().unwrap());
        rule.read(&headers, &extensions).unwrap().to_string()
    }

    #[test]
    fn the_connection_counts_and_headers_do_not() {
        let rule = AddressRule::Connection;
        assert_eq!(read(&rule, "192.0.2.1:1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(read(&rule, "[::ffff:192.0.2.1]:1", &[]), "192.0.2.1");
        assert_eq!(rule.read(&HeaderMap::new(), &Extensions::new()), None);
    }

    #[test]
    fn only_what_known_proxies_wrote_counts() {
        let rule = AddressRule::Forwarded(vec![
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ]);
        // a visitor who writes the header himself, without and through the proxy
        assert_eq!(read(&rule, "192.0.2.1:1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(read(&rule, "10.0.0.1:1", &["1.1.1.1, 203.0.113.9"]), "203.0.113.9");
        // two proxies, in one line, in two lines, with a port
        assert_eq!(read(&rule, "10.0.0.1:1", &["203.0.113.9, 10.9.9.9"]), "203.0.113.9");
        assert_eq!(read(&rule, "10.0.0.1:1", &["1.1.1.1, 203.0.113.9", "10.2.2.2"]), "203.0.113.9");
        assert_eq!(read(&rule, "[2001:db8::1]:1", &["203.0.113.9:4711"]), "203.0.113.9");
        // nothing, or nonsense, is not a visitor
        assert_eq!(read(&rule, "10.0.0.1:1", &[]), "10.0.0.1");
        assert_eq!(read(&rule, "10.0.0.1:1", &["203.0.113.9, unknown, 10.2.2.2"]), "10.2.2.2");
    }

    #[test]
    fn a_network_is_read_as_it_is_written() {
        let network: Network = "192.0.2.128/25".parse().unwrap();
        assert!(network.contains("192.0.2.129".parse().unwrap()));
        assert!(!network.contains("192.0.2.127".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("9.9.9.9".parse().unwrap()));
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
        assert!("192.0.2.1/33".parse::<Network>().is_err());
        assert!("proxy.internal".parse::<Network>().is_err());
    }
}
