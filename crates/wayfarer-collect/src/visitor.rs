//! Who it was: the keyed hash that is all that stays of a visitor's identity.
//!
//! A visitor is the first eight bytes, little-endian, of HMAC-SHA256 under a salt, over the site's name, the kind and the
//! claimed id, each after its length as a 64-bit little-endian number. Two sites never share a visitor; without the salt
//! nobody can go back from the number to the claim.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac, digest::Key};
use sha2::Sha256;
use wayfarer_event::{VisitorId, VisitorKind};

/// A salt that many are hashed under: what depends on it alone is worked out once.
pub(crate) struct Salt(Hmac<Sha256>);

impl Salt {
    pub(crate) fn new(salt: &[u8; 32]) -> Salt {
        Salt(keyed(salt))
    }

    /// The visitor of one site that is known by `parts`.
    pub(crate) fn visitor(&self, site: &str, kind: VisitorKind, parts: &[&[u8]]) -> VisitorId {
        let mut mac = self.0.clone();
        update(&mut mac, site.as_bytes());
        update(&mut mac, kind.as_str().as_bytes());
        for part in parts {
            update(&mut mac, part);
        }
        let bytes = mac.finalize().into_bytes();
        VisitorId(bytes.iter().take(8).rev().fold(0, |id, &byte| id << 8 | u64::from(byte)))
    }
}

/// HMAC-SHA256 under a salt.
pub(crate) fn keyed(salt: &[u8; 32]) -> Hmac<Sha256> {
    // A key shorter than a block is padded with zeros by definition; padding it here leaves no length to go wrong.
    let mut key = Key::<Hmac<Sha256>>::default();
    for (byte, salt) in key.iter_mut().zip(salt) {
        *byte = *salt;
    }
    Hmac::<Sha256>::new(&key)
}

/// Adds a part after its length, so that no two lists of parts give the same bytes.
pub(crate) fn update(mac: &mut Hmac<Sha256>, part: &[u8]) {
    mac.update(&(part.len() as u64).to_le_bytes());
    mac.update(part);
}

/// What is known of the other end of a connection. Borrowed for as long as one event is read, and never kept.
#[derive(Clone, Copy, Default)]
pub(crate) struct Peer<'a> {
    pub(crate) address: Address<'a>,
    pub(crate) agent: Agent<'a>,
}

/// Where somebody is. A log may hold a host's name in the place of an address.
#[derive(Clone, Copy, Default)]
pub(crate) enum Address<'a> {
    #[default]
    Unknown,
    Ip(IpAddr),
    Host(&'a [u8]),
}

/// What somebody's software calls itself.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Agent<'a> {
    /// Nobody wrote down whether there was one.
    #[default]
    NotKnown,
    /// There was none.
    Missing,
    Said(&'a str),
}

impl Peer<'_> {
    /// What a daily visitor is known by, handed to `hash`; `None` where there is no address.
    pub(crate) fn daily(&self, hash: impl FnOnce(&[&[u8]]) -> VisitorId) -> Option<VisitorId> {
        let agent = match self.agent {
            Agent::Said(agent) => agent,
            Agent::Missing | Agent::NotKnown => "",
        };
        match self.address {
            Address::Unknown => None,
            Address::Host(host) => Some(hash(&[host, agent.as_bytes()])),
            Address::Ip(ip) => Some(match ip.to_canonical() {
                IpAddr::V4(ip) => hash(&[&ip.octets(), agent.as_bytes()]),
                IpAddr::V6(ip) => hash(&[&ip.octets(), agent.as_bytes()]),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(salt: &[u8; 32], site: &str, kind: VisitorKind, parts: &[&[u8]]) -> VisitorId {
        Salt::new(salt).visitor(site, kind, parts)
    }

    #[test]
    fn site_kind_and_salt_part_visitors() {
        let of = |salt: u8, site, kind, id: &[u8]| hash(&[salt; 32], site, kind, &[id]);
        let one = of(1, "s", VisitorKind::Subject, b"x");
        assert_eq!(one, of(1, "s", VisitorKind::Subject, b"x"));
        assert_ne!(one, of(2, "s", VisitorKind::Subject, b"x"));
        assert_ne!(one, of(1, "t", VisitorKind::Subject, b"x"));
        assert_ne!(one, of(1, "s", VisitorKind::FirstParty, b"x"));
        assert_ne!(
            hash(&[1; 32], "s", VisitorKind::Daily, &[b"a", b"bc"]),
            hash(&[1; 32], "s", VisitorKind::Daily, &[b"ab", b"c"])
        );
    }

    // Computed with Python's hmac module, so that a change of the byte layout is seen: visitors are kept for years.
    #[test]
    fn the_hash_is_the_documented_one() {
        let id = hash(&[7; 32], "shop", VisitorKind::Subject, &[b"abc"]);
        assert_eq!(id.to_string(), "87b9ed1d2db915dc");
    }

    #[test]
    fn a_mapped_address_is_the_same_visitor() {
        let daily = |ip: &str| {
            let peer = Peer { address: Address::Ip(ip.parse().unwrap()), agent: Agent::Said("a") };
            peer.daily(|parts| hash(&[1; 32], "s", VisitorKind::Daily, parts))
        };
        assert_eq!(daily("192.0.2.1"), daily("::ffff:192.0.2.1"));
        assert_ne!(daily("192.0.2.1"), daily("192.0.2.2"));
    }
}
