//! The tags: one object of JSON for each Python value that JSON cannot say.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::civil;
use num_bigint::BigInt;

use super::{MARK, Writer};
use crate::{
    django::pickle::{
        Unpicklable,
        value::{Moment, Text, TimeDelta, Uuid, Value, Zone},
    },
    scan,
};

pub(super) fn write(writer: &mut Writer, value: &Value) -> Result<(), Unpicklable> {
    let name = match value {
        Value::Tuple(_) => "tuple",
        Value::Set(_) => "set",
        Value::FrozenSet(_) => "frozenset",
        Value::Bytes(_) => "bytes",
        Value::ByteArray(_) => "bytearray",
        Value::Date(_) => "date",
        Value::DateTime(_) => "datetime",
        Value::Time(_) => "time",
        Value::TimeDelta(_) => "timedelta",
        Value::TimeZone(_) => "timezone",
        Value::Decimal(_) => "Decimal",
        _ => "UUID",
    };
    writer.out.push_str(&format!("{{\"{MARK}\":\"{name}\",\"value\":"));
    match value {
        Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => writer.list(items)?,
        Value::Bytes(bytes) | Value::ByteArray(bytes) => quoted(writer, &STANDARD.encode(bytes)),
        Value::Date(date) => quoted(writer, &date.to_string()),
        Value::DateTime(moment) => write_moment(writer, &moment.at.to_string(), moment),
        Value::Time(moment) => write_moment(writer, &moment.at.to_string(), moment),
        Value::TimeDelta(TimeDelta { days, seconds, micros }) => {
            writer.out.push_str(&format!("[{days},{seconds},{micros}]"));
        }
        Value::TimeZone(zone) => {
            quoted(writer, &offset_text(zone.offset()));
            write_name(writer, zone);
        }
        Value::Decimal(text) => writer.text(text),
        Value::Uuid(uuid) => write_uuid(writer, *uuid),
        _ => {}
    }
    writer.out.push('}');
    Ok(())
}

fn quoted(writer: &mut Writer, text: &str) {
    writer.text(&Text(text.into()));
}

fn write_moment<T>(writer: &mut Writer, at: &str, moment: &Moment<T>) {
    let offset = moment.zone.as_ref().map(|zone| offset_text(zone.offset())).unwrap_or_default();
    quoted(writer, &format!("{at}{offset}"));
    if moment.fold {
        writer.out.push_str(",\"fold\":1");
    }
    if let Some(zone) = &moment.zone {
        write_name(writer, zone);
    }
}

fn write_name(writer: &mut Writer, zone: &Zone) {
    if let Some(name) = zone.name() {
        writer.out.push_str(",\"tzname\":");
        writer.text(name);
    }
}

fn write_uuid(writer: &mut Writer, uuid: Uuid) {
    let digits = format!("{:032x}", uuid.number);
    let mut text = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    quoted(writer, &text);
    if let Some(is_safe) = uuid.is_safe {
        writer.out.push_str(&format!(",\"is_safe\":{is_safe}"));
    }
}

/// `+HH:MM`, and seconds and microseconds where there are any.
fn offset_text(offset: TimeDelta) -> String {
    let micros = offset.micros_in_all();
    let sign = if micros < 0 { '-' } else { '+' };
    let (seconds, micros) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let mut text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 != 0 || micros != 0 {
        text.push_str(&format!(":{:02}", seconds % 60));
    }
    if micros != 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    text
}

fn offset_of(text: &str) -> Option<TimeDelta> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+')?),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':').map(|part| part.parse::<u32>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let micros: u32 = format!("{fraction:0<6}").parse().ok()?;
    let fits = hours < 24 && minutes < 60 && seconds < 60 && micros < 1_000_000;
    let seconds = i128::from(hours) * 3600 + i128::from(minutes) * 60 + i128::from(seconds);
    let micros = seconds * 1_000_000 + i128::from(micros);
    let signed = if negative { -micros } else { micros };
    TimeDelta::from_micros(signed).filter(|_| fits && parts.next().is_none())
}

/// What a tag of these entries stands for.
pub(super) fn read(entries: Vec<(Text, Value)>) -> Result<Value, &'static str> {
    const WRONG: &str = "an object with `__python__` is no tag that is known";
    let mut tag = Tag::default();
    for (name, value) in entries {
        let place = match &*name.0 {
            MARK => &mut tag.name,
            "value" => &mut tag.value,
            "fold" => &mut tag.fold,
            "tzname" => &mut tag.tzname,
            "is_safe" => &mut tag.is_safe,
            _ => return Err(WRONG),
        };
        *place = Some(value);
    }
    tag.value().ok_or(WRONG)
}

#[derive(Default)]
struct Tag {
    name: Option<Value>,
    value: Option<Value>,
    fold: Option<Value>,
    tzname: Option<Value>,
    is_safe: Option<Value>,
}

impl Tag {
    fn value(self) -> Option<Value> {
        let Some(Value::Text(Text(name))) = &self.name else { return None };
        let name = name.clone();
        if matches!(&*name, "tuple" | "set" | "frozenset" | "timedelta") {
            let Some(Value::List(items)) = self.value else { return None };
            return of_list(&name, items);
        }
        let Some(Value::Text(text)) = self.value.clone() else { return None };
        let plain = scan::unescape(&text.0);
        match &*name {
            "bytes" => STANDARD.decode(plain).ok().map(Value::Bytes),
            "bytearray" => STANDARD.decode(plain).ok().map(Value::ByteArray),
            "date" => {
                Some(Value::Date(plain.parse::<civil::Date>().ok().filter(|date| date.year() > 0)?))
            }
            "datetime" => {
                // Before the clock there are the hyphens of the date.
                let clock = plain.find(['T', ' '])?;
                let moment = self.moment::<civil::DateTime>(&plain, clock)?;
                // Python's years begin with 1.
                (moment.at.year() > 0).then_some(Value::DateTime(moment))
            }
            "time" => self.moment(&plain, 0).map(Value::Time),
            "timezone" => Some(Value::TimeZone(self.zone(&plain)?)),
            "Decimal" => Some(Value::Decimal(text)),
            "UUID" => self.uuid(&plain),
            _ => None,
        }
    }

    fn moment<T: std::str::FromStr>(&self, text: &str, clock: usize) -> Option<Moment<T>> {
        let sign = text.get(clock..)?.find(['+', '-']).map(|at| at + clock);
        let (at, offset) = text.split_at_checked(sign.unwrap_or(text.len()))?;
        let zone = if offset.is_empty() { None } else { Some(self.zone(offset)?) };
        let fold = match &self.fold {
            None => false,
            Some(Value::Int(fold)) => *fold != BigInt::ZERO,
            Some(_) => return None,
        };
        Some(Moment { at: at.parse().ok()?, fold, zone })
    }

    fn zone(&self, offset: &str) -> Option<Zone> {
        let name = match &self.tzname {
            None => None,
            Some(Value::Text(name)) => Some(name.clone()),
            Some(_) => return None,
        };
        Zone::new(offset_of(offset)?, name)
    }

    fn uuid(&self, text: &str) -> Option<Value> {
        let digits: String = text.chars().filter(|char| *char != '-').collect();
        let hex = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| hex)?;
        let is_safe = match &self.is_safe {
            None => None,
            Some(Value::Int(is_safe)) => Some(i8::try_from(is_safe).ok()?),
            Some(_) => return None,
        };
        Some(Value::Uuid(Uuid { number, is_safe }))
    }
}

fn of_list(name: &str, items: Vec<Value>) -> Option<Value> {
    match name {
        "tuple" => return Some(Value::Tuple(items)),
        "set" => return Some(Value::Set(items)),
        "frozenset" => return Some(Value::FrozenSet(items)),
        _ => {}
    }
    let [Value::Int(days), Value::Int(seconds), Value::Int(micros)] = &items[..] else {
        return None;
    };
    let part = |part: &BigInt| i64::try_from(part).ok();
    TimeDelta::new(part(days)?, part(seconds)?, part(micros)?).map(Value::TimeDelta)
}
