//! What a session holds: names and values in order, and the changes that a request makes to them.
//!
//! [`Data`] is the text of a JSON object and where its entries lie in it: values are not taken apart, and share the text.
//! [`Changes`] are kept per name and applied to whatever lies in the store when they are saved. That is how two
//! requests that change different names both keep their change.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    ops::Range,
    sync::Arc,
};

use smallvec::{SmallVec, smallvec};

use crate::{
    raw::Raw,
    scan::{self, Member, Object},
};

/// The entries of a session, in order. A value that nobody changes keeps its text.
///
/// Names are held as Python would write them inside quotes, so that no name is lost that Rust text cannot hold.
///
/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Data(Arc<Text>);

/// Text in which something is found.
#[derive(Default)]
pub(crate) struct Text {
    /// A JSON object, whose names have one spelling; or, of a value that stands alone, that.
    pub(crate) json: String,
    /// Where each entry of the object lies.
    pub(crate) members: Vec<Member>,
}

impl Data {
    fn new(json: String, members: Vec<Member>) -> Data {
        Data(Arc::new(Text { json, members }))
    }

    /// Reads the text of a JSON object. `None` if it is anything else.
    pub(crate) fn parse(json: impl AsRef<str> + Into<String>) -> Option<Data> {
        let text = json.as_ref();
        let Object { members, escapes } = scan::object(text)?;
        let name = |member: &Member| text.get(member.name.clone()).unwrap_or_default();
        let plain = !escapes && text.is_ascii();
        if plain || members.iter().all(|member| scan::is_canonical(name(member))) {
            return Some(Data::new(json.into(), members));
        }
        let mut spelt = Writer::with_capacity(text.len(), members.len());
        for member in &members {
            let value = text.get(member.value.clone()).unwrap_or_default();
            spelt.entry(&scan::canonical(name(member)), value);
        }
        Some(spelt.finish())
    }

    /// The text of the JSON object.
    pub(crate) fn text(&self) -> &str {
        &self.0.json
    }

    /// The value under `name`. Where a name is there several times, the last one counts, as in Python.
    pub(crate) fn get(&self, name: &str) -> Option<Raw> {
        self.get_escaped(&scan::escape(name))
    }

    fn get_escaped(&self, name: &str) -> Option<Raw> {
        let mut members = self.0.members.iter().rev();
        let member = members.find(|member| self.slice(&member.name) == name)?;
        Some(Raw::slice(&self.0, member.value.clone()))
    }

    /// The names, each once, in order of their first place.
    pub(crate) fn names(&self) -> Vec<String> {
        self.items().into_iter().map(|(name, _)| name).collect()
    }

    /// Names, each once, in order of their first place, with the value that counts.
    pub(crate) fn items(&self) -> Vec<(String, Raw)> {
        let mut items: Vec<(&str, &Member)> = Vec::with_capacity(self.0.members.len());
        let mut places = HashMap::with_capacity(self.0.members.len());
        for member in &self.0.members {
            let name = self.slice(&member.name);
            match places.entry(name) {
                Entry::Vacant(new) => {
                    new.insert(items.len());
                    items.push((name, member));
                }
                Entry::Occupied(known) => {
                    if let Some(item) = items.get_mut(*known.get()) {
                        item.1 = member;
                    }
                }
            }
        }
        let value = |member: &Member| Raw::slice(&self.0, member.value.clone());
        items.into_iter().map(|(name, member)| (scan::unescape(name), value(member))).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.members.is_empty()
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.0.json.get(range.clone()).unwrap_or_default()
    }
}

impl Default for Data {
    fn default() -> Data {
        Writer::with_capacity(0, 0).finish()
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        self.0.json == other.0.json
    }
}

impl Eq for Data {}

/// Shows how many entries there are, never what they say.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({} entries)", self.0.members.len())
    }
}

/// Writes a JSON object entry by entry, and notes where they lie.
struct Writer {
    text: String,
    members: Vec<Member>,
}

impl Writer {
    fn with_capacity(bytes: usize, members: usize) -> Writer {
        let mut text = String::with_capacity(bytes + 2);
        text.push('{');
        Writer { text, members: Vec::with_capacity(members) }
    }

    /// Writes an entry. The name is spelt as Python would spell it.
    fn entry(&mut self, name: &str, value: &str) {
        self.text.push_str(if self.members.is_empty() { "\"" } else { ",\"" });
        let name = self.push(name);
        self.text.push_str("\":");
        let value = self.push(value);
        self.members.push(Member { name, value });
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    fn finish(mut self) -> Data {
        self.text.push('}');
        Data::new(self.text, self.members)
    }
}

/// What a request changes: first everything may be cleared, then names are set or removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    clear: bool,
    names: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    /// As Python would write it.
    name: Box<str>,
    /// `None`: the name is removed.
    value: Option<Raw>,
}

impl Changes {
    pub(crate) fn set(&mut self, name: &str, value: Raw) {
        self.put(scan::escape(name).into(), Some(value));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.put(scan::escape(name).into(), None);
    }

    pub(crate) fn clear(&mut self) {
        self.clear = true;
        self.names.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.clear && self.names.is_empty()
    }

    /// What becomes of `name`: `Some(None)` if it is removed, `None` if it is left as it is.
    pub(crate) fn get(&self, name: &str) -> Option<Option<&Raw>> {
        if self.is_empty() {
            return None;
        }
        let name = scan::escape(name);
        match self.place(&name) {
            Some(at) => self.names.get(at).map(|change| change.value.as_ref()),
            None => self.clear.then_some(None),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|change| *change.name == *name)
    }

    fn put(&mut self, name: Box<str>, value: Option<Raw>) {
        match self.place(&name).and_then(|at| self.names.get_mut(at)) {
            Some(known) => known.value = value,
            None => self.names.push(Change { name, value }),
        }
    }

    /// These changes, and then `later` ones.
    pub(crate) fn then(mut self, later: Changes) -> Changes {
        if later.clear {
            return later;
        }
        for Change { name, value } in later.names {
            self.put(name, value);
        }
        self
    }

    /// `base` with these changes. A name that is set takes the place of its first entry, or comes last.
    pub(crate) fn apply(&self, base: &Data) -> Data {
        if self.is_empty() {
            return base.clone();
        }
        let kept: &[Member] = if self.clear { &[] } else { &base.0.members };
        let more: usize = self.names.iter().map(Change::bytes).sum();
        let count = kept.len() + self.names.len();
        let mut changed = Writer::with_capacity(base.text().len() + more, count);
        let mut placed: SmallVec<[bool; 16]> = smallvec![false; self.names.len()];
        for member in kept {
            let name = base.slice(&member.name);
            let Some(at) = self.place(name) else {
                changed.entry(name, base.slice(&member.value));
                continue;
            };
            let Some((change, placed)) = self.names.get(at).zip(placed.get_mut(at)) else {
                continue;
            };
            if !std::mem::replace(placed, true) {
                change.write(&mut changed);
            }
        }
        let rest = self.names.iter().zip(&placed).filter(|(_, placed)| !**placed);
        rest.for_each(|(change, _)| change.write(&mut changed));
        changed.finish()
    }
}

impl Change {
    fn write(&self, out: &mut Writer) {
        if let Some(value) = &self.value {
            out.entry(&self.name, value.as_str());
        }
    }

    /// About as many bytes as it writes.
    fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, |value| self.name.len() + value.as_str().len() + 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Data {
        Data::parse(text).unwrap()
    }

    fn text(data: &Data) -> String {
        data.text().to_owned()
    }

    fn raw(text: &str) -> Raw {
        Raw::from_json(text).unwrap()
    }

    #[test]
    fn untouched_entries_come_back_byte_for_byte() {
        let source = r#"{"n":NaN,"big":123456789012345678901234567890,"\ud800":"\udfff","d":1,"d":2,"f":1e+16}"#;
        let mut changes = Changes::default();
        changes.set("new", raw("[1,2]"));
        let changed = text(&changes.apply(&data(source)));
        assert_eq!(changed, format!("{},\"new\":[1,2]}}", source.strip_suffix('}').unwrap()));
    }

    #[test]
    fn a_repeated_name_counts_last_and_is_set_as_one() {
        let source = data(r#"{"d":1,"x":0,"d":2}"#);
        assert_eq!(source.get("d"), Some(raw("2")));
        assert_eq!(source.names(), ["d", "x"]);
        let mut changes = Changes::default();
        changes.set("d", raw("3"));
        assert_eq!(text(&changes.apply(&source)), r#"{"d":3,"x":0}"#);
        changes.remove("d");
        assert_eq!(text(&changes.apply(&source)), r#"{"x":0}"#);
    }

    #[test]
    fn changes_merge_by_name() {
        let mut first = Changes::default();
        first.set("a", raw("1"));
        first.remove("b");
        let mut second = Changes::default();
        second.set("c", raw("3"));
        let base = data(r#"{"b":0,"z":9}"#);
        assert_eq!(text(&second.apply(&first.apply(&base))), r#"{"z":9,"a":1,"c":3}"#);
        assert_eq!(text(&first.clone().then(second).apply(&base)), r#"{"z":9,"a":1,"c":3}"#);
        let mut cleared = Changes::default();
        cleared.clear();
        cleared.set("é", raw("1"));
        assert_eq!(text(&first.then(cleared).apply(&base)), r#"{"\u00e9":1}"#);
    }
}
