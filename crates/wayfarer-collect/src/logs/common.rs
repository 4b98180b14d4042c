//! NCSA Common: `address ident user [time] "request" status bytes`.

use std::{borrow::Cow, net::IpAddr};

use jiff::tz::TimeZone;

use super::{
    fields::{Fields, LineError, apache_time, number, request_line, text},
    request::{Logged, Request},
};

/// Reads a line of which nothing may be left.
pub(super) fn parse<'a>(line: &'a [u8], zone: &TimeZone) -> Result<Request<'a>, LineError> {
    let mut fields = Fields(line);
    let request = head(&mut fields, zone)?;
    match fields.is_empty() {
        true => Ok(request),
        false => Err(LineError::new("there is more than Common has after the bytes")),
    }
}

/// Reads the fields that Common and Combined share.
pub(super) fn head<'a>(fields: &mut Fields<'a>, zone: &TimeZone) -> Result<Request<'a>, LineError> {
    let error = LineError::new;
    let address = fields.word().ok_or(error("the address is missing"))?;
    let names = fields.before(b"[").ok_or(error("the time is missing"))?;
    if names.split(|byte| *byte == b' ').next().is_some_and(is_ip) {
        return Err(error("there is a host before the address: vhost-combined?"));
    }
    let time = fields.before(b"]").ok_or(error("the time is not closed by a bracket"))?;
    let ts = apache_time(time, zone).ok_or(error("the time is none of 1970 to 9998"))?;
    let line = fields.quoted().ok_or(error("the request is not in quotes"))?;
    let status = fields.word().and_then(number::<u16>);
    let status = status.filter(|status| (100..=599).contains(status));
    let bytes = fields.word().ok_or(error("the bytes are missing"))?;
    let (method, target) = asked(line);
    Ok(Request {
        address: Cow::Borrowed(address),
        user: user(names),
        ts,
        method,
        target,
        status: status.ok_or(error("the status is not between 100 and 599"))?,
        bytes: match bytes {
            b"-" => None,
            bytes => Some(number(bytes).ok_or(error("the bytes are not a number"))?),
        },
        host: None,
        referrer: None,
        agent: Logged::Not,
        latency_ms: None,
    })
}

/// Whether a field is an address: no `ident` is one.
fn is_ip(field: &[u8]) -> bool {
    // Most fields here are a dash.
    field.len() > 2 && number::<IpAddr>(field).is_some()
}

/// The user of `ident user `; it may hold spaces.
fn user(names: &[u8]) -> Option<Cow<'_, str>> {
    let names = names.trim_ascii();
    let at = memchr::memchr(b' ', names)?;
    text(names.get(at + 1..)?.trim_ascii()).filter(|user| user != "\"\"")
}

/// Method and target; both `None` where the client sent no HTTP.
fn asked(line: &[u8]) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    let split = |line: &str| {
        let (method, target) = request_line(line)?;
        Some((Cow::Owned(method.to_owned()), Cow::Owned(target.to_owned())))
    };
    match text(line) {
        Some(Cow::Borrowed(line)) => {
            request_line(line).map(|(method, target)| (method.into(), target.into())).unzip()
        }
        Some(Cow::Owned(line)) => split(&line).unzip(),
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request<'_>, LineError> {
        parse(line.as_bytes(), &TimeZone::UTC)
    }

    #[test]
    fn a_line_is_read_whole() {
        let line = r#"2001:db8::5 - a b [17/May/2015:10:05:03 +0000] "GET /x\"y?q HTTP/1.1" 200 -"#;
        let request = read(line).unwrap();
        assert_eq!(request.address.as_ref(), b"2001:db8::5");
        assert_eq!(request.user.as_deref(), Some("a b"));
        assert_eq!(request.method.as_deref(), Some("GET"));
        assert_eq!(request.target.as_deref(), Some("/x\"y?q"));
        assert_eq!((request.status, request.bytes), (200, None));
    }

    #[test]
    fn garbage_on_the_wire_is_a_request_without_a_path() {
        let line = r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 226"#;
        let request = read(line).unwrap();
        assert!(request.method.is_none() && request.target.is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            ("", "the address is missing"),
            ("192.0.2.1 - -", "the time is missing"),
            ("192.0.2.1 - - [x] \"GET / HTTP/1.0\" 200 1", "the time is none of 1970 to 9998"),
            ("192.0.2.1 - - [17/May/2015:10:05:03 +0000] GET", "the request is not in quotes"),
            (
                "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.0\" 99 1",
                "the status is not between 100 and 599",
            ),
            (
                "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.0\" 200",
                "the bytes are missing",
            ),
            (
                "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.0\" 200 1 \"-\" \"x\"",
                "there is more than Common has after the bytes",
            ),
        ];
        for (line, reason) in cases {
            assert_eq!(read(line).unwrap_err().to_string(), reason, "{line}");
        }
    }
}
