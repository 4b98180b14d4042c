//! Traefik's access log with `format: json`. Referrer and user agent are there when the configuration keeps those headers.

use jiff::tz::TimeZone;

use super::{
    fields::LineError,
    json::{Object, host, millis},
    request::{Logged, Request},
};

/// Reads a line.
pub(super) fn parse<'a>(line: &'a [u8], zone: &TimeZone) -> Result<Request<'a>, LineError> {
    let object = Object::read(line)?;
    let target = object.text(&["RequestPath"]);
    let agent = object.text(&["request_User-Agent"]);
    Ok(Request {
        address: object.address(&["ClientHost", "ClientAddr"])?,
        user: object.text(&["ClientUsername"]),
        ts: object.time(&["StartUTC", "StartLocal", "time"], zone)?,
        method: object.text(&["RequestMethod"]),
        target: Some(target.ok_or(LineError::new("the request is missing"))?),
        status: object.status(&["DownstreamStatus", "OriginStatus"])?,
        bytes: object.whole(&["DownstreamContentSize"]),
        host: host(object.text(&["RequestHost", "RequestAddr"]).as_deref()),
        referrer: object.text(&["request_Referer"]),
        // Headers are dropped unless the configuration keeps them, so a missing one tells nothing.
        agent: agent.map_or(Logged::Not, Logged::Said),
        latency_ms: millis(object.number(&["Duration"]), 1e-6),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = br#"{"ClientAddr":"192.0.2.1:5000","ClientHost":"192.0.2.1","ClientUsername":"-","DownstreamContentSize":7,"DownstreamStatus":200,"Duration":1500000,"RequestHost":"a.example","RequestMethod":"GET","RequestPath":"/a","StartUTC":"2025-03-10T06:30:00.123456789Z","request_User-Agent":"x"}"#;
        let request = parse(line, &TimeZone::UTC).unwrap();
        assert_eq!(request.ts.to_string(), "2025-03-10T06:30:00.123456Z");
        assert_eq!((request.latency_ms, request.bytes, request.user), (Some(1.5), Some(7), None));
        assert!(matches!(request.agent, Logged::Said(agent) if agent == "x"));
    }
}
