//! From a value to a pickle: protocol 5, byte for byte as CPython's own pickler writes it, in frames and in batches of a
//! thousand. Equal texts, which in a session mostly are one object of Python's, are written once.

use std::collections::HashMap;

use num_bigint::BigInt;

use super::value::{Moment, Text, TimeDelta, Uuid, Value, Zone};
use crate::scan;

/// A frame ends when it has this many bytes; longer texts lie outside of frames.
const FRAME: usize = 64 * 1024;

/// A shorter frame is written without its head.
const LEAST_FRAME: usize = 4;

/// An instruction and the eight bytes of a length.
const FRAME_HEAD: usize = 9;

const BATCH: usize = 1000;

/// The session as a pickle.
pub(super) fn session(session: &Value) -> Vec<u8> {
    let mut writer = Writer {
        out: vec![0x80, 5],
        frame: None,
        noted: 0,
        texts: HashMap::new(),
        modules: HashMap::new(),
        classes: HashMap::new(),
        utc: None,
    };
    writer.value(session);
    writer.put(b".");
    writer.end_frame();
    writer.out
}

struct Writer<'a> {
    out: Vec<u8>,
    /// Where the open frame begins.
    frame: Option<usize>,
    /// How many values are noted for later reference.
    noted: u32,
    texts: HashMap<&'a Text, u32>,
    modules: HashMap<&'static str, u32>,
    classes: HashMap<(&'static str, &'static str), u32>,
    /// Python has one `timezone.utc`.
    utc: Option<u32>,
}

impl<'a> Writer<'a> {
    fn value(&mut self, value: &'a Value) {
        self.end_full_frame();
        match value {
            Value::None => self.put(b"N"),
            Value::Bool(true) => self.put(&[0x88]),
            Value::Bool(false) => self.put(&[0x89]),
            Value::Int(integer) => self.integer(integer),
            Value::Float(float) => {
                self.put(b"G");
                self.put(&float.to_be_bytes());
            }
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::ByteArray(bytes) => {
                self.sized(&[0x96], &wide(bytes.len()), bytes);
                self.note();
            }
            Value::List(items) => self.list(items),
            Value::Tuple(items) => self.tuple(items),
            Value::Set(items) => self.set(items),
            Value::FrozenSet(items) => {
                self.put(b"(");
                items.iter().for_each(|item| self.value(item));
                self.put(&[0x91]);
                self.note();
            }
            Value::Dict(entries) => self.dict(entries),
            other => self.object(other),
        }
    }

    fn object(&mut self, value: &'a Value) {
        match value {
            Value::Date(at) => {
                let date = date(*at);
                self.call(("datetime", "date"), |writer| {
                    writer.bytes(&date);
                    1
                });
            }
            Value::DateTime(Moment { at, fold, zone }) => {
                let [high, low, month, day] = date(at.date());
                let month = month | (u8::from(*fold) << 7);
                let bytes = [&[high, low, month, day][..], &time(at.time(), false)].concat();
                self.call(("datetime", "datetime"), |writer| writer.moment(&bytes, zone.as_ref()));
            }
            Value::Time(Moment { at, fold, zone }) => {
                let bytes = time(*at, *fold);
                self.call(("datetime", "time"), |writer| writer.moment(&bytes, zone.as_ref()));
            }
            Value::TimeDelta(span) => self.span(*span),
            Value::TimeZone(zone) => self.zone(zone),
            Value::Decimal(text) => self.call(("decimal", "Decimal"), |writer| {
                writer.text(text);
                1
            }),
            Value::Uuid(uuid) => self.uuid(*uuid),
            _ => {}
        }
    }

    fn integer(&mut self, integer: &BigInt) {
        if let Ok(byte) = u8::try_from(integer) {
            self.put(&[b'K', byte]);
        } else if let Ok(short) = u16::try_from(integer) {
            self.put(b"M");
            self.put(&short.to_le_bytes());
        } else if let Ok(long) = i32::try_from(integer) {
            self.put(b"J");
            self.put(&long.to_le_bytes());
        } else {
            let bytes = integer.to_signed_bytes_le();
            match u8::try_from(bytes.len()) {
                Ok(length) => self.put(&[0x8a, length]),
                Err(_) => {
                    self.put(&[0x8b]);
                    self.put(&narrow(bytes.len()));
                }
            }
            self.put(&bytes);
        }
    }

    fn text(&mut self, text: &'a Text) {
        if let Some(&known) = self.texts.get(text) {
            return self.recall(known);
        }
        self.plain_text(&utf8(&text.0));
        let noted = self.note();
        self.texts.insert(text, noted);
    }

    fn plain_text(&mut self, bytes: &[u8]) {
        match (u8::try_from(bytes.len()), u32::try_from(bytes.len())) {
            (Ok(length), _) => self.sized(&[0x8c], &[length], bytes),
            (_, Ok(length)) => self.sized(b"X", &length.to_le_bytes(), bytes),
            _ => self.sized(&[0x8d], &wide(bytes.len()), bytes),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match (u8::try_from(bytes.len()), u32::try_from(bytes.len())) {
            (Ok(length), _) => self.sized(b"C", &[length], bytes),
            (_, Ok(length)) => self.sized(b"B", &length.to_le_bytes(), bytes),
            _ => self.sized(&[0x8e], &wide(bytes.len()), bytes),
        }
        self.note();
    }

    fn list(&mut self, items: &'a [Value]) {
        self.put(b"]");
        self.note();
        if let [only] = items {
            self.value(only);
            return self.put(b"a");
        }
        for batch in items.chunks(BATCH) {
            self.put(b"(");
            batch.iter().for_each(|item| self.value(item));
            self.put(b"e");
        }
    }

    fn dict(&mut self, entries: &'a [(Value, Value)]) {
        self.put(b"}");
        self.note();
        if let [(key, value)] = entries {
            self.value(key);
            self.value(value);
            return self.put(b"s");
        }
        for batch in batches(entries) {
            self.put(b"(");
            for (key, value) in batch {
                self.value(key);
                self.value(value);
            }
            self.put(b"u");
        }
    }

    fn set(&mut self, items: &'a [Value]) {
        self.put(&[0x8f]);
        self.note();
        for batch in batches(items) {
            self.put(b"(");
            batch.iter().for_each(|item| self.value(item));
            self.put(&[0x90]);
        }
    }

    fn tuple(&mut self, items: &'a [Value]) {
        match items.len() {
            0 => return self.put(b")"),
            1..=3 => items.iter().for_each(|item| self.value(item)),
            _ => {
                self.put(b"(");
                items.iter().for_each(|item| self.value(item));
            }
        }
        self.put(match items.len() {
            1 => &[0x85],
            2 => &[0x86],
            3 => &[0x87],
            _ => b"t",
        });
        self.note();
    }

    fn moment(&mut self, bytes: &[u8], zone: Option<&'a Zone>) -> usize {
        self.bytes(bytes);
        let Some(zone) = zone else { return 1 };
        self.zone(zone);
        2
    }

    fn span(&mut self, span: TimeDelta) {
        self.call(("datetime", "timedelta"), |writer| {
            for part in [span.days, span.seconds, span.micros] {
                writer.integer(&part.into());
            }
            3
        });
    }

    fn zone(&mut self, zone: &'a Zone) {
        if let Some(utc) = self.utc.filter(|_| zone.is_utc()) {
            return self.recall(utc);
        }
        let noted = self.call_noted(("datetime", "timezone"), |writer| {
            writer.span(zone.offset());
            let Some(name) = zone.name() else { return 1 };
            writer.text(name);
            2
        });
        if zone.is_utc() {
            self.utc = Some(noted);
        }
    }

    fn uuid(&mut self, uuid: Uuid) {
        self.class(("uuid", "UUID"));
        self.put(&[b')', 0x81]);
        self.note();
        self.put(b"}");
        self.note();
        let parts =
            [("int", Some(BigInt::from(uuid.number))), ("is_safe", uuid.is_safe.map(BigInt::from))];
        let parts: Vec<_> =
            parts.into_iter().filter_map(|(name, part)| Some((name, part?))).collect();
        let single = parts.len() == 1;
        if !single {
            self.put(b"(");
        }
        for (name, part) in parts {
            self.module_text(name);
            self.integer(&part);
        }
        self.put(if single { b"s" } else { b"u" });
        self.put(b"b");
    }

    fn call(
        &mut self,
        class: (&'static str, &'static str),
        arguments: impl FnOnce(&mut Self) -> usize,
    ) {
        self.call_noted(class, arguments);
    }

    /// A class, its arguments as a tuple, and the call.
    fn call_noted(
        &mut self,
        class: (&'static str, &'static str),
        arguments: impl FnOnce(&mut Self) -> usize,
    ) -> u32 {
        self.class(class);
        match arguments(self) {
            1 => self.put(&[0x85]),
            2 => self.put(&[0x86]),
            _ => self.put(&[0x87]),
        }
        self.note();
        self.put(b"R");
        self.note()
    }

    fn class(&mut self, class: (&'static str, &'static str)) {
        if let Some(&known) = self.classes.get(&class) {
            return self.recall(known);
        }
        self.module_text(class.0);
        self.plain_text(class.1.as_bytes());
        self.note();
        self.put(&[0x93]);
        let noted = self.note();
        self.classes.insert(class, noted);
    }

    /// Names of modules and of attributes are one object in all of Python.
    fn module_text(&mut self, name: &'static str) {
        if let Some(&known) = self.modules.get(name) {
            return self.recall(known);
        }
        self.plain_text(name.as_bytes());
        let noted = self.note();
        self.modules.insert(name, noted);
    }

    /// Notes what was written last for later reference.
    fn note(&mut self) -> u32 {
        self.put(&[0x94]);
        self.noted += 1;
        self.noted - 1
    }

    fn recall(&mut self, noted: u32) {
        match u8::try_from(noted) {
            Ok(short) => self.put(&[b'h', short]),
            Err(_) => {
                self.put(b"j");
                self.put(&noted.to_le_bytes());
            }
        }
    }

    fn sized(&mut self, instruction: &[u8], length: &[u8], bytes: &[u8]) {
        let outside = bytes.len() >= FRAME;
        if outside {
            self.end_frame();
            self.out.extend_from_slice(&[instruction, length, bytes].concat());
        } else {
            self.put(instruction);
            self.put(length);
            self.put(bytes);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.frame.is_none() {
            self.frame = Some(self.out.len());
            self.out.extend_from_slice(&[0; FRAME_HEAD]);
        }
        self.out.extend_from_slice(bytes);
    }

    fn end_full_frame(&mut self) {
        let length = self.frame.map_or(0, |start| self.out.len() - start - FRAME_HEAD);
        if length >= FRAME {
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        let Some(start) = self.frame.take() else { return };
        let length = self.out.len() - start - FRAME_HEAD;
        if length < LEAST_FRAME {
            self.out.drain(start..start + FRAME_HEAD);
            return;
        }
        let head = [0x95].into_iter().chain(wide(length));
        self.out.iter_mut().skip(start).zip(head).for_each(|(to, from)| *to = from);
    }
}

/// The batches of a `dict` or a set: where the last one is full, Python writes an empty one after it.
fn batches<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    let ends_full = !items.is_empty() && items.len().is_multiple_of(BATCH);
    items.chunks(BATCH).chain(ends_full.then_some(&[][..]))
}

fn wide(length: usize) -> [u8; 8] {
    u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes()
}

fn narrow(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn date(at: jiff::civil::Date) -> [u8; 4] {
    let [high, low] = at.year().to_be_bytes();
    [high, low, at.month().cast_unsigned(), at.day().cast_unsigned()]
}

fn time(at: jiff::civil::Time, fold: bool) -> [u8; 6] {
    let [_, a, b, c] = (at.subsec_nanosecond() / 1000).to_be_bytes();
    let hour = at.hour().cast_unsigned() | (u8::from(fold) << 7);
    [hour, at.minute().cast_unsigned(), at.second().cast_unsigned(), a, b, c]
}

/// The UTF-8 of a text, in which lone surrogates are written as if they were characters.
fn utf8(text: &str) -> Vec<u8> {
    if !text.contains('\\') {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    for char in char::decode_utf16(scan::units(text)) {
        match char {
            Ok(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                let second = 0x80 | ((high & 0x0f) << 2) | (low >> 6);
                out.extend_from_slice(&[0xe0 | (high >> 4), second, 0x80 | (low & 0x3f)]);
            }
        }
    }
    out
}
