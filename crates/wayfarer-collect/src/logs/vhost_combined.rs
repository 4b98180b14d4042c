//! Apache's vhost_combined: `host:port`, then Combined.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{
    combined, common,
    fields::{Fields, LineError},
    request::Request,
};
use crate::address;

/// Reads a line.
pub(super) fn parse<'a>(line: &'a [u8], zone: &TimeZone) -> Result<Request<'a>, LineError> {
    let mut fields = Fields(line);
    let server = fields.word().and_then(|word| std::str::from_utf8(word).ok());
    let host = server.and_then(address::host).ok_or(LineError::new("the host is missing"))?;
    let request = common::head(&mut fields, zone)?;
    if request.address.as_ref() == b"-" {
        return Err(LineError::new("there is no host before the address"));
    }
    let request = combined::tail(request, fields)?;
    Ok(Request { host: Some(Cow::Owned(host.into())), ..request })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_stands_before_a_combined_line() {
        let line = br#"Shop.example:443 192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x""#;
        let request = parse(line, &TimeZone::UTC).unwrap();
        assert_eq!(request.host.as_deref(), Some("shop.example"));
        assert_eq!(request.address.as_ref(), b"192.0.2.1");
        let error = combined::parse(line, &TimeZone::UTC).unwrap_err();
        assert_eq!(error.to_string(), "there is a host before the address: vhost-combined?");
    }

    #[test]
    fn a_combined_line_is_refused() {
        let line = br#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x""#;
        let error = parse(line, &TimeZone::UTC).unwrap_err();
        assert_eq!(error.to_string(), "there is no host before the address");
    }
}
