//! nginx with a `log_format … escape=json`. There is no standard for it: fields are found by the names of nginx's
//! variables, and by the names that guides use in their place.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{
    fields::{LineError, request_line},
    json::{Object, host, millis},
    request::{Logged, Request},
};

/// Reads a line.
pub(super) fn parse<'a>(line: &'a [u8], zone: &TimeZone) -> Result<Request<'a>, LineError> {
    let object = Object::read(line)?;
    let (method, target) = asked(&object)?;
    Ok(Request {
        address: object.address(&["remote_addr", "client_ip", "remote_ip", "client", "ip"])?,
        user: object.text(&["remote_user", "user"]),
        ts: object.time(
            &["time_iso8601", "time_local", "msec", "@timestamp", "timestamp", "time", "ts"],
            zone,
        )?,
        method,
        target,
        status: object.status(&["status", "response_status"])?,
        bytes: object.whole(&["body_bytes_sent", "bytes_sent", "bytes", "size"]),
        host: host(object.text(&["http_host", "host", "server_name", "vhost"]).as_deref()),
        referrer: object.text(&["http_referer", "http_referrer", "referer", "referrer"]),
        agent: Logged::of(object.text(&["http_user_agent", "user_agent", "agent"])),
        latency_ms: millis(object.number(&["request_time"]), 1000.0),
    })
}

/// Method and target, from the request line or from fields of their own.
type Asked = (Option<Cow<'static, str>>, Option<Cow<'static, str>>);

fn asked(object: &Object) -> Result<Asked, LineError> {
    let line = object.text(&["request", "request_line"]);
    let target = object.text(&["request_uri", "uri", "path"]);
    match (line, target) {
        (Some(line), _) => {
            let split = request_line(&line);
            let owned = |text: &str| Cow::Owned(text.to_owned());
            Ok(split.map(|(method, target)| (owned(method), owned(target))).unzip())
        }
        (None, Some(target)) => {
            Ok((object.text(&["request_method", "method", "verb"]), Some(target)))
        }
        (None, None) => Err(LineError::new("the request is missing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_by_the_names_of_variables() {
        let line = br#"{"time_iso8601":"2025-03-10T06:30:00+00:00","remote_addr":"192.0.2.1","remote_user":"","request":"GET /a?b HTTP/1.1","status":"200","body_bytes_sent":"12","http_referer":"-","http_user_agent":"x","request_time":"0.250","http_host":"a.example:80"}"#;
        let request = parse(line, &TimeZone::UTC).unwrap();
        assert_eq!(request.target.as_deref(), Some("/a?b"));
        assert_eq!((request.status, request.bytes), (200, Some(12)));
        assert_eq!((request.latency_ms, request.user), (Some(250.0), None));
        assert_eq!(request.host.as_deref(), Some("a.example"));
        assert!(request.referrer.is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = parse(br#"{"remote_addr":"192.0.2.1"}"#, &TimeZone::UTC).unwrap_err();
        assert_eq!(error.to_string(), "the request is missing");
    }
}
