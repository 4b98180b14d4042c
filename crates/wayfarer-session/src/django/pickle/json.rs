//! Between a value and its JSON text, with tags for what JSON cannot say. The table of tags stands at the top of the module
//! above; `tag` reads and writes them.

mod tag;

use num_bigint::BigInt;

use super::{
    MAX_DEPTH, Unpicklable,
    value::{Text, Value},
};
use crate::{raw, scan};

/// The name that makes an object a tag, and the beginning of a name that is not text.
const MARK: &str = "__python__";

/// Digits of the longest integer that Python reads from text.
const MAX_DIGITS: usize = 4300;

/// The text of a value, of at most so many bytes.
pub(super) fn write(value: &Value, most: usize) -> Result<String, Unpicklable> {
    let mut writer = Writer { out: String::with_capacity(256), most };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    most: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), Unpicklable> {
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Int(integer) => self.out.push_str(&integer.to_string()),
            Value::Float(float) => self.out.push_str(&float_text(*float)),
            Value::Text(text) => self.text(text),
            Value::List(items) => self.list(items)?,
            Value::Dict(entries) => self.dict(entries)?,
            other => tag::write(self, other)?,
        }
        if self.out.len() > self.most { Err(Unpicklable::TooLarge) } else { Ok(()) }
    }

    fn text(&mut self, Text(text): &Text) {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }

    fn list(&mut self, items: &[Value]) -> Result<(), Unpicklable> {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.value(item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn dict(&mut self, entries: &[(Value, Value)]) -> Result<(), Unpicklable> {
        self.out.push('{');
        for (at, (key, value)) in entries.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            match key {
                Value::Text(text) if !text.0.starts_with(MARK) => self.text(text),
                other => {
                    let json = write(other, self.most)?;
                    self.out.push_str(&format!("\"{MARK}{}\"", scan::escape(&json)));
                }
            }
            self.out.push(':');
            self.value(value)?;
        }
        self.out.push('}');
        Ok(())
    }
}

fn float_text(float: f64) -> String {
    if float.is_finite() {
        return raw::float(float);
    }
    let text = if float.is_nan() {
        "NaN"
    } else if float > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    text.to_owned()
}

/// The value of a text that the scanner has found to be JSON.
pub(super) fn read(text: &str) -> Result<Value, &'static str> {
    Reader { text, at: 0 }.value(0)
}

/// Reads text that is known to be JSON: where it is not, some value comes out, or an error.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        // A tag is an object around a list: two levels for one.
        if depth > 2 * MAX_DEPTH {
            return Err("it is nested too deep");
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(|text| Value::Text(canonical(text))),
            _ => scalar(self.word()),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, &'static str> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.closes(b']')? {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value, &'static str> {
        let mut entries = Vec::new();
        self.at += 1;
        while !self.closes(b'}')? {
            let name = canonical(self.string()?);
            self.space();
            self.at += 1;
            entries.push((name, self.value(depth + 1)?));
        }
        if entries.iter().any(|(name, _)| &*name.0 == MARK) {
            return tag::read(entries);
        }
        let entries = entries.into_iter().map(|(name, value)| Ok((key(name, depth)?, value)));
        entries.collect::<Result<_, _>>().map(Value::Dict)
    }

    /// Whether the container ends here; a comma is passed over.
    fn closes(&mut self, end: u8) -> Result<bool, &'static str> {
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.space();
        }
        let closes = self.peek().ok_or("it is cut off")? == end;
        self.at += usize::from(closes);
        Ok(closes)
    }

    /// The inside of a string.
    fn string(&mut self) -> Result<&'a str, &'static str> {
        let rest = self.text.get(self.at + 1..).ok_or("it is cut off")?;
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let inside = end.and_then(|end| rest.get(..end)).ok_or("it is cut off")?;
        self.at += inside.len() + 2;
        Ok(inside)
    }

    fn word(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

fn canonical(text: &str) -> Text {
    Text(scan::canonical(text).into())
}

/// The key that a name stands for.
fn key(name: Text, depth: usize) -> Result<Value, &'static str> {
    let Some(json) = name.0.strip_prefix(MARK) else { return Ok(Value::Text(name)) };
    let json = scan::unescape(json);
    if !scan::is_value(&json) {
        return Err("a name begins with `__python__` and goes on with no JSON");
    }
    Reader { text: &json, at: 0 }.value(depth + 1)
}

fn scalar(word: &str) -> Result<Value, &'static str> {
    Ok(match word {
        "null" => Value::None,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "NaN" => Value::Float(f64::NAN),
        "Infinity" => Value::Float(f64::INFINITY),
        "-Infinity" => Value::Float(f64::NEG_INFINITY),
        number if number.contains(['.', 'e', 'E']) => {
            Value::Float(number.parse().map_err(|_| "a number is none")?)
        }
        number if number.len() > MAX_DIGITS => {
            return Err("an integer is longer than Python reads");
        }
        number => Value::Int(number.parse::<BigInt>().map_err(|_| "a number is none")?),
    })
}
