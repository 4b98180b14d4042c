//! Values as JSON text: [`Raw`], and the spelling that Python would choose.

use std::{fmt, io, ops::Range, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::ser::{Formatter, Serializer};

use crate::{
    data::Text,
    error::{Error, ErrorKind},
    scan,
};

/// A value as its JSON text. Cheap to clone: slices of one session share their text.
///
/// The text may be Python's JSON, which knows `NaN` and lone surrogates. `Debug` shows its length only.
#[derive(Clone)]
pub struct Raw {
    text: Arc<Text>,
    from: usize,
    to: usize,
}

impl Raw {
    /// Writes `value` as Python's `json.dumps` would: ASCII only, without spaces, floats as `repr` gives them.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Raw, Error> {
        let mut bytes = Vec::with_capacity(32);
        value
            .serialize(&mut Serializer::with_formatter(&mut bytes, Python))
            .map_err(|error| unwritable().because(error))?;
        let text = String::from_utf8(bytes).map_err(|error| unwritable().because(error))?;
        Ok(Raw::whole(text))
    }

    /// Takes JSON text as it is.
    ///
    /// # Errors
    /// When it is not one JSON value, in Python's sense.
    pub fn from_json(text: &str) -> Result<Raw, Error> {
        if scan::is_value(text) { Ok(Raw::whole(text.to_owned())) } else { Err(unwritable()) }
    }

    pub(crate) fn whole(json: String) -> Raw {
        Raw { from: 0, to: json.len(), text: Arc::new(Text { json, ..Text::default() }) }
    }

    pub(crate) fn slice(text: &Arc<Text>, range: Range<usize>) -> Raw {
        Raw { text: Arc::clone(text), from: range.start, to: range.end }
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.json.get(self.from..self.to).unwrap_or_default()
    }

    /// Reads the value.
    ///
    /// # Errors
    /// When it is not a `T`, or something that only Python's JSON can say.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.as_str()).map_err(|error| {
            Error::new(ErrorKind::WrongType, "read a session value").because(error)
        })
    }
}

fn unwritable() -> Error {
    Error::new(ErrorKind::Unwritable, "write a session value")
}

impl PartialEq for Raw {
    fn eq(&self, other: &Raw) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Raw {}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.to - self.from)
    }
}

/// Writes JSON as Python does.
struct Python;

impl Formatter for Python {
    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        writer.write_all(repr(&format!("{value:e}")).as_bytes())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Quotes, backslashes and controls never come here, so `escape` meets only what is not ASCII.
        writer.write_all(scan::escape(fragment).as_bytes())
    }
}

/// Python's `repr` of a finite float.
pub(crate) fn float(value: f64) -> String {
    repr(&format!("{value:e}"))
}

/// Python's `repr` of a float, from the shortest digits in the form `1.25e-7`.
fn repr(scientific: &str) -> String {
    let (sign, unsigned) = match scientific.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", scientific),
    };
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    format!("{sign}{}", place_point(&digits, exponent))
}

/// `digits` are read as `d.ddd` times ten to the `exponent`.
fn place_point(digits: &str, exponent: i32) -> String {
    if !(-4..16).contains(&exponent) {
        let (first, rest) = digits.split_at(1.min(digits.len()));
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
    }
    let whole = usize::try_from(exponent + 1).unwrap_or(0);
    if whole == 0 {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    }
    match digits.split_at_checked(whole) {
        Some((whole, rest)) if !rest.is_empty() => format!("{whole}.{rest}"),
        _ => format!("{digits:0<whole$}.0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_spelt_as_python_does() {
        let cases: [(f64, &str); 14] = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (1e15, "1000000000000000.0"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.1, "0.1"),
            (1.25e-7, "1.25e-07"),
            (2.5, "2.5"),
            (1234567.0, "1234567.0"),
        ];
        for (value, expected) in cases {
            assert_eq!(Raw::new(&value).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn text_is_ascii() {
        let raw = Raw::new("é𝄞\"\\/\n\u{1}\u{7f}").unwrap();
        assert_eq!(raw.as_str(), "\"\\u00e9\\ud834\\udd1e\\\"\\\\/\\n\\u0001\u{7f}\"");
        assert_eq!(raw.read::<String>().unwrap(), "é𝄞\"\\/\n\u{1}\u{7f}");
    }

    #[test]
    fn what_only_python_can_say_is_a_wrong_type() {
        let raw = Raw::from_json("NaN").unwrap();
        assert_eq!(raw.read::<f64>().unwrap_err().kind(), ErrorKind::WrongType);
        assert_eq!(Raw::from_json("{").unwrap_err().kind(), ErrorKind::Unwritable);
    }
}
