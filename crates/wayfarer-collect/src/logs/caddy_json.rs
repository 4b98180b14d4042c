//! Caddy's access log, as it writes it by itself.

use jiff::tz::TimeZone;

use super::{
    fields::LineError,
    json::{Object, host, millis},
    request::{Logged, Request},
};

/// Reads a line.
pub(super) fn parse<'a>(line: &'a [u8], zone: &TimeZone) -> Result<Request<'a>, LineError> {
    let object = Object::read(line)?;
    let header = |name: &str| {
        let path = format!("/request/headers/{name}");
        object.text(&[path.as_str()])
    };
    let target = object.text(&["/request/uri"]);
    Ok(Request {
        address: object.address(&[
            "/request/client_ip",
            "/request/remote_ip",
            "/request/remote_addr",
        ])?,
        user: object.text(&["user_id"]),
        ts: object.time(&["ts", "time"], zone)?,
        method: object.text(&["/request/method"]),
        target: Some(target.ok_or(LineError::new("the request is missing"))?),
        status: object.status(&["status"])?,
        bytes: object.whole(&["size"]),
        host: host(object.text(&["/request/host"]).as_deref()),
        referrer: header("Referer"),
        agent: Logged::of(header("User-Agent")),
        latency_ms: millis(object.number(&["duration"]), 1000.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = br#"{"level":"info","ts":1741588200.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"192.0.2.1","client_ip":"192.0.2.2","method":"GET","host":"a.example","uri":"/a?b","headers":{"User-Agent":["x"],"Referer":["https://b.example/"]}},"user_id":"","duration":0.002,"size":7,"status":404}"#;
        let request = parse(line, &TimeZone::UTC).unwrap();
        assert_eq!(request.address.as_ref(), b"192.0.2.2");
        assert_eq!(request.ts.to_string(), "2025-03-10T06:30:00.5Z");
        assert_eq!((request.status, request.latency_ms), (404, Some(2.0)));
        assert_eq!(request.referrer.as_deref(), Some("https://b.example/"));
        assert!(matches!(request.agent, Logged::Said(agent) if agent == "x"));
    }
}
