//! The last look before an event is kept: the visitor's address must not stand in any text of it.
//!
//! Addresses get into paths and properties by accident (`/whois/192.0.2.1`, `{"ip":…}`). The address of the client is
//! known here and nowhere later, so it is taken out here, wherever it stands by itself. Other people's addresses cannot be
//! told from version numbers and stay.

use std::net::IpAddr;

use wayfarer_event::{Event, Text};

use crate::visitor::Address;

/// What stands in the place of an address.
pub(crate) const MASK: &str = "[address]";

/// Whether a host is an address instead of a name.
pub(crate) fn is_address(host: &str) -> bool {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or(host).parse::<IpAddr>().is_ok()
}

/// Takes the client's address out of what is kept.
pub(crate) fn client_address(event: &mut Event, address: Address<'_>) {
    let Address::Ip(ip) = address else { return };
    let ip = compact_str::format_compact!("{ip}");
    let texts = [
        &mut event.user,
        &mut event.path,
        &mut event.title,
        &mut event.referrer,
        &mut event.source,
        &mut event.utm_source,
        &mut event.utm_medium,
        &mut event.utm_campaign,
        &mut event.utm_term,
        &mut event.utm_content,
        &mut event.props,
    ];
    for text in texts.into_iter().flatten() {
        take_out(text, &ip);
    }
}

fn take_out(text: &mut Text, ip: &str) {
    if !text.contains(ip) {
        return;
    }
    let mut out = Text::default();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(ip) {
        out.push_str(before);
        let alone = !out.ends_with(is_part) && !after.starts_with(is_part);
        out.push_str(if alone { MASK } else { ip });
        rest = after;
    }
    out.push_str(rest);
    *text = out;
}

/// Whether a character next to an address makes it part of a longer number.
fn is_part(c: char) -> bool {
    c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, ip: &str) -> String {
        let mut event = Event {
            path: Some(text.into()),
            props: Some(format!(r#"{{"ip":"{ip}"}}"#).into()),
            ..Event::default()
        };
        client_address(&mut event, Address::Ip(ip.parse().unwrap()));
        assert_eq!(event.props.as_deref(), Some(r#"{"ip":"[address]"}"#));
        event.path.unwrap().into()
    }

    #[test]
    fn the_client_s_address_is_taken_out_where_it_stands_alone() {
        assert_eq!(without("/a/192.0.2.1/192.0.2.1", "192.0.2.1"), "/a/[address]/[address]");
        assert_eq!(without("/v1192.0.2.1/192.0.2.11", "192.0.2.1"), "/v1192.0.2.1/192.0.2.11");
        assert_eq!(without("/x-2001:db8::1.", "2001:db8::1"), "/x-[address].");
    }

    #[test]
    fn a_host_that_is_an_address_is_told_from_a_name() {
        assert!(
            is_address("192.0.2.1") && is_address("[2001:db8::1]") && is_address("2001:db8::1")
        );
        assert!(!is_address("192.0.2.1.example") && !is_address("localhost"));
    }
}
