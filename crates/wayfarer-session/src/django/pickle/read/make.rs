//! The classes that are read, and what is made of them. Everything that is not here is refused by name.

use jiff::civil;

use super::{Id, Machine, Node};
use crate::django::pickle::{
    Unpicklable,
    value::{Moment, Text, TimeDelta, Value, Zone},
};

/// A class on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Date,
    DateTime,
    Time,
    TimeDelta,
    TimeZone,
    Decimal,
    Uuid,
    // Protocols 2 and 3 have no instructions of their own for these.
    Set,
    FrozenSet,
    ByteArray,
    Encode,
}

const CLASSES: &[(Class, &str, &str)] = &[
    (Class::Date, "datetime", "date"),
    (Class::DateTime, "datetime", "datetime"),
    (Class::Time, "datetime", "time"),
    (Class::TimeDelta, "datetime", "timedelta"),
    (Class::TimeZone, "datetime", "timezone"),
    (Class::Decimal, "decimal", "Decimal"),
    (Class::Uuid, "uuid", "UUID"),
    (Class::Set, "builtins", "set"),
    (Class::Set, "__builtin__", "set"),
    (Class::FrozenSet, "builtins", "frozenset"),
    (Class::FrozenSet, "__builtin__", "frozenset"),
    (Class::ByteArray, "builtins", "bytearray"),
    (Class::ByteArray, "__builtin__", "bytearray"),
    (Class::Encode, "_codecs", "encode"),
];

const WRONG: Unpicklable = Unpicklable::Malformed("arguments that a class does not take");

impl Class {
    pub(super) fn named(module: &str, name: &str) -> Result<Class, Unpicklable> {
        let known = CLASSES.iter().find(|(_, its, called)| (*its, *called) == (module, name));
        known.map(|(class, ..)| *class).ok_or_else(|| {
            let full = format!("{module}.{name}");
            Unpicklable::Class(full.chars().take(100).collect())
        })
    }

    pub(super) fn name(self) -> &'static str {
        CLASSES.iter().find(|(class, ..)| *class == self).map_or("", |(.., name)| name)
    }
}

impl Machine<'_> {
    /// What a class gives for these arguments; `empty` is the instruction that makes an object whose state comes later.
    pub(super) fn made(
        &self,
        class: Class,
        arguments: Id,
        empty: bool,
    ) -> Result<Node, Unpicklable> {
        let Some(Node::Tuple(arguments)) = self.arena.get(arguments) else { return Err(WRONG) };
        let nodes = arguments.iter().filter_map(|id| self.arena.get(*id)).collect::<Vec<_>>();
        match (class, empty, &nodes[..]) {
            (Class::Uuid, true, []) => return Ok(Node::EmptyUuid),
            (_, true, _) => return Err(WRONG),
            (Class::Set, _, [Node::List(items)]) => return Ok(Node::Set(items.clone())),
            (Class::FrozenSet, _, [Node::List(items)]) => {
                return Ok(Node::FrozenSet(items.clone()));
            }
            _ => {}
        }
        let leaves = nodes.into_iter().map(|node| match node {
            Node::Leaf(value) => Ok(value),
            _ => Err(WRONG),
        });
        value(class, &leaves.collect::<Result<Vec<_>, _>>()?).map(Node::Leaf)
    }
}

fn value(class: Class, arguments: &[&Value]) -> Result<Value, Unpicklable> {
    match (class, arguments) {
        (Class::Date, [Value::Bytes(bytes)]) => date(bytes).map(Value::Date),
        (Class::DateTime, [Value::Bytes(bytes), zone @ ..]) => {
            let (day, clock) = bytes.split_at_checked(4).ok_or(WRONG)?;
            // The first bit of the month is the fold.
            let fold = day.get(2).is_some_and(|month| *month >= 0x80);
            let at = date(day)?.to_datetime(time(clock)?);
            Ok(Value::DateTime(Moment { at, fold, zone: zone_of(zone)? }))
        }
        (Class::Time, [Value::Bytes(bytes), zone @ ..]) => {
            let fold = bytes.first().is_some_and(|hour| *hour >= 0x80);
            Ok(Value::Time(Moment { at: time(bytes)?, fold, zone: zone_of(zone)? }))
        }
        (Class::TimeDelta, [Value::Int(days), Value::Int(seconds), Value::Int(micros)]) => {
            let [days, seconds, micros] =
                [days, seconds, micros].map(|part| i64::try_from(part).unwrap_or(i64::MAX));
            TimeDelta::new(days, seconds, micros).map(Value::TimeDelta).ok_or(WRONG)
        }
        (Class::TimeZone, [Value::TimeDelta(offset)]) => {
            Zone::new(*offset, None).map(Value::TimeZone).ok_or(WRONG)
        }
        (Class::TimeZone, [Value::TimeDelta(offset), Value::Text(name)]) => {
            Zone::new(*offset, Some(name.clone())).map(Value::TimeZone).ok_or(WRONG)
        }
        (Class::Decimal, [Value::Text(text)]) => Ok(Value::Decimal(text.clone())),
        (Class::ByteArray, [Value::Bytes(bytes)]) => Ok(Value::ByteArray(bytes.clone())),
        (Class::ByteArray, []) => Ok(Value::ByteArray(Vec::new())),
        (Class::Encode, [Value::Text(text), Value::Text(codec)]) => latin1(text, codec),
        _ => Err(WRONG),
    }
}

fn zone_of(arguments: &[&Value]) -> Result<Option<Zone>, Unpicklable> {
    match arguments {
        [] => Ok(None),
        [Value::TimeZone(zone)] => Ok(Some(zone.clone())),
        _ => Err(WRONG),
    }
}

fn date(bytes: &[u8]) -> Result<civil::Date, Unpicklable> {
    let &[high, low, month, day] = bytes else { return Err(WRONG) };
    let year = i16::try_from(u16::from_be_bytes([high, low])).map_err(|_| WRONG)?;
    let part = |part: u8| i8::try_from(part).map_err(|_| WRONG);
    if year == 0 {
        return Err(WRONG);
    }
    civil::Date::new(year, part(month & 0x7f)?, part(day)?).map_err(|_| WRONG)
}

fn time(bytes: &[u8]) -> Result<civil::Time, Unpicklable> {
    let &[hour, minute, second, a, b, c] = bytes else { return Err(WRONG) };
    let part = |part: u8| i8::try_from(part).map_err(|_| WRONG);
    let micros = i32::from_be_bytes([0, a, b, c]);
    let nanos = micros.checked_mul(1000).ok_or(WRONG)?;
    civil::Time::new(part(hour & 0x7f)?, part(minute)?, part(second)?, nanos).map_err(|_| WRONG)
}

/// Protocol 2 writes bytes as text of their Latin-1.
fn latin1(text: &Text, codec: &Text) -> Result<Value, Unpicklable> {
    if &*codec.0 != "latin1" {
        return Err(WRONG);
    }
    let plain = crate::scan::unescape(&text.0);
    let bytes = plain.chars().map(|char| u8::try_from(u32::from(char)).map_err(|_| WRONG));
    bytes.collect::<Result<_, _>>().map(Value::Bytes)
}
