//! What the formats share whose lines are JSON objects: looking fields up, and reading them generously.

use std::borrow::Cow;

use jiff::{civil::DateTime, tz::TimeZone};
use serde_json::Value;
use wayfarer_event::Micros;

use super::fields::{LineError, apache_time};

/// A line that is a JSON object.
pub(super) struct Object(Value);

impl Object {
    pub(super) fn read(line: &[u8]) -> Result<Object, LineError> {
        match serde_json::from_slice(line) {
            Ok(value @ Value::Object(_)) => Ok(Object(value)),
            Ok(_) => Err(LineError::new("the line is no JSON object")),
            Err(error) => {
                let (what, at) = (error.classify(), error.column());
                Err(LineError(format!("the line is not JSON ({what:?} at column {at})").into()))
            }
        }
    }

    /// The first field that is there, of names such as `status` or `/request/host` (a JSON pointer).
    fn get(&self, names: &[&str]) -> Option<&Value> {
        let find = |name: &&str| match name.starts_with('/') {
            true => self.0.pointer(name),
            false => self.0.get(*name),
        };
        names.iter().filter_map(find).find(|value| !value.is_null())
    }

    /// Text, or the first text of a list; `None` for an empty one and for `-`.
    pub(super) fn text(&self, names: &[&str]) -> Option<Cow<'static, str>> {
        let value = self.get(names)?;
        let text = value.as_str().or_else(|| value.get(0)?.as_str())?;
        (!matches!(text, "" | "-")).then(|| Cow::Owned(text.to_owned()))
    }

    /// A number, or text that is one.
    pub(super) fn number(&self, names: &[&str]) -> Option<f64> {
        let value = self.get(names)?;
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
        number.is_finite().then_some(number)
    }

    /// A whole number that is not negative, or text that is one.
    pub(super) fn whole(&self, names: &[&str]) -> Option<u64> {
        let value = self.get(names)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// A status of HTTP.
    pub(super) fn status(&self, names: &[&str]) -> Result<u16, LineError> {
        let status = self.whole(names).and_then(|status| u16::try_from(status).ok());
        let status = status.filter(|status| (100..=599).contains(status));
        status.ok_or(LineError::new("the status is not between 100 and 599"))
    }

    /// An instant: RFC 3339, local time, Apache's way, or Unix seconds with or without a fraction.
    pub(super) fn time(&self, names: &[&str], zone: &TimeZone) -> Result<Micros, LineError> {
        let error = LineError::new("the time is none of 1970 to 9998");
        let value = self.get(names).ok_or(LineError::new("the time is missing"))?;
        match value.as_str() {
            Some(text) => instant(text, zone).ok_or(error),
            None => value.as_f64().and_then(unix).ok_or(error),
        }
    }

    /// The address of the client.
    pub(super) fn address(&self, names: &[&str]) -> Result<Cow<'static, [u8]>, LineError> {
        let address = self.text(names).ok_or(LineError::new("the address is missing"))?;
        Ok(Cow::Owned(address.into_owned().into_bytes()))
    }
}

/// An instant that is text.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Option<Micros> {
    if let Ok(instant) = Micros::parse(text) {
        return Some(instant);
    }
    if let Some(instant) = text.parse().ok().and_then(unix) {
        return Some(instant);
    }
    if let Some(instant) = apache_time(text.as_bytes(), zone) {
        return Some(instant);
    }
    let local: DateTime = text.parse().ok()?;
    Micros::from(zone.to_timestamp(local).ok()?).in_range()
}

/// An instant in Unix seconds.
fn unix(seconds: f64) -> Option<Micros> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "out of range is far from any instant that counts"
    )]
    let micros = (seconds * 1e6).round() as i64;
    Micros(micros).in_range().filter(|_| seconds.is_finite())
}

/// The host of `host:port`, if it is one.
pub(super) fn host(text: Option<&str>) -> Option<Cow<'static, str>> {
    Some(Cow::Owned(crate::address::host(text?)?.into()))
}

/// A number of the smallest unit as milliseconds, if it can be a duration.
pub(super) fn millis(number: Option<f64>, per_unit: f64) -> Option<f64> {
    number.map(|number| number * per_unit).filter(|millis| millis.is_finite() && *millis >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_servers_write_them() {
        let cases = [
            r#"{"t":"2025-03-10T06:30:00Z"}"#,
            r#"{"t":"2025-03-10T07:30:00+01:00"}"#,
            r#"{"t":"10/Mar/2025:06:30:00 +0000"}"#,
            r#"{"t":"2025-03-10 06:30:00"}"#,
            r#"{"t":1741588200}"#,
            r#"{"t":"1741588200.000"}"#,
        ];
        for line in cases {
            let time = Object::read(line.as_bytes()).unwrap().time(&["t"], &TimeZone::UTC).unwrap();
            assert_eq!(time.to_string(), "2025-03-10T06:30:00Z", "{line}");
        }
        for line in [r#"{"t":"x"}"#, r#"{"t":1e300}"#, r#"{"t":-1}"#, r#"{"t":[]}"#, "{}"] {
            assert!(Object::read(line.as_bytes()).unwrap().time(&["t"], &TimeZone::UTC).is_err());
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(Object::read(b"[]").is_err());
        let error = Object::read(br#"{"a":"\x22"}"#).err().unwrap().to_string();
        assert_eq!(error, "the line is not JSON (Syntax at column 8)");
    }
}
