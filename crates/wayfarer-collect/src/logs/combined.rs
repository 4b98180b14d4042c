//! Combined, of Apache and nginx: Common, then `"referrer" "user agent"`. Further fields are passed over.

use jiff::tz::TimeZone;

use super::{
    common,
    fields::{Fields, LineError, text},
    request::{Logged, Request},
};

/// Reads a line.
pub(super) fn parse<'a>(line: &'a [u8], zone: &TimeZone) -> Result<Request<'a>, LineError> {
    let mut fields = Fields(line);
    let request = common::head(&mut fields, zone)?;
    tail(request, fields)
}

/// Adds what Combined has more than Common.
pub(super) fn tail<'a>(
    request: Request<'a>,
    mut fields: Fields<'a>,
) -> Result<Request<'a>, LineError> {
    let error = LineError::new;
    let referrer = fields.quoted().ok_or(error("the referrer is not in quotes"))?;
    // Lines are cut off in real logs, and the user agent stands last: what is left of it will do.
    let agent = fields
        .quoted()
        .or_else(|| fields.open_quoted())
        .ok_or(error("the user agent is not in quotes"))?;
    Ok(Request { referrer: text(referrer), agent: Logged::of(text(agent)), ..request })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referrer_and_agent_are_read() {
        let line = br#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "http://example.org/" "a \"b\"" 0.001"#;
        let request = parse(line, &TimeZone::UTC).unwrap();
        assert_eq!(request.referrer.as_deref(), Some("http://example.org/"));
        assert!(matches!(request.agent, Logged::Said(agent) if agent == "a \"b\""));
        let line = br#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-""#;
        let request = parse(line, &TimeZone::UTC).unwrap();
        assert!(matches!((request.referrer, request.agent), (None, Logged::Missing)));
    }

    #[test]
    fn a_line_may_be_cut_off_in_its_user_agent() {
        let line =
            br#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozi"#;
        let request = parse(line, &TimeZone::UTC).unwrap();
        assert!(matches!(request.agent, Logged::Said(agent) if agent == "Mozi"));
    }

    #[test]
    fn a_common_line_is_refused() {
        let line = br#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#;
        let error = parse(line, &TimeZone::UTC).unwrap_err();
        assert_eq!(error.to_string(), "the referrer is not in quotes");
    }
}
