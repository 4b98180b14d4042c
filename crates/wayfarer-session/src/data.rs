//! What a session holds: names and values in order, and the changes that a request makes to them.
//!
//! [`Changes`] are kept per name and applied to whatever lies in the store when they are saved. That is how two requests
//! that change different names both keep their change.

use std::{fmt, sync::Arc};

use crate::{raw::Raw, scan};

/// The entries of a session, in order. A value that nobody changes keeps its text.
///
/// Names are held as Python would write them inside quotes, so that no name is lost that Rust text cannot hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Data {
    entries: Vec<(Raw, Raw)>,
}

impl Data {
    /// Reads the text of a JSON object. `None` if it is anything else.
    pub(crate) fn parse(text: &Arc<str>) -> Option<Data> {
        let entries = scan::object(text)?.into_iter().map(|member| {
            let name = Raw::slice(text, member.name);
            let name = match scan::canonical(name.as_str()) {
                std::borrow::Cow::Borrowed(_) => name,
                std::borrow::Cow::Owned(other) => Raw::whole(other),
            };
            (name, Raw::slice(text, member.value))
        });
        Some(Data { entries: entries.collect() })
    }

    /// Writes the text of a JSON object at the end of `out`.
    pub(crate) fn write(&self, out: &mut String) {
        out.push('{');
        for (at, (name, value)) in self.entries.iter().enumerate() {
            out.push_str(if at == 0 { "\"" } else { ",\"" });
            out.push_str(name.as_str());
            out.push_str("\":");
            out.push_str(value.as_str());
        }
        out.push('}');
    }

    /// The value under `name`. Where a name is there several times, the last one counts, as in Python.
    pub(crate) fn get(&self, name: &str) -> Option<&Raw> {
        let name = scan::escape(name);
        self.entries.iter().rev().find(|(known, _)| known.as_str() == name).map(|(_, value)| value)
    }

    /// The names, each once, in order of their first place.
    pub(crate) fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| scan::unescape(name)).collect()
    }

    /// Names as written, each once, with the value that counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Raw)> {
        self.entries.iter().enumerate().filter_map(|(at, (name, _))| {
            let earlier = self.entries.get(..at).unwrap_or_default();
            if earlier.iter().any(|(known, _)| known == name) {
                return None;
            }
            let last = self.entries.iter().rev().find(|(known, _)| known == name);
            last.map(|(_, value)| (name.as_str(), value))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets the value under a name as written. It takes the place of the first entry of this name.
    fn set_escaped(&mut self, name: &str, value: &Raw) {
        let Some(first) = self.entries.iter().position(|(known, _)| known.as_str() == name) else {
            self.entries.push((Raw::whole(name), value.clone()));
            return;
        };
        let mut at = 0;
        self.entries.retain_mut(|(known, old)| {
            let here = at;
            at += 1;
            if here == first {
                *old = value.clone();
            }
            here <= first || known.as_str() != name
        });
    }

    fn remove_escaped(&mut self, name: &str) {
        self.entries.retain(|(known, _)| known.as_str() != name);
    }
}

/// Shows how many entries there are, never what they say.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({} entries)", self.entries.len())
    }
}

/// What a request changes: first everything may be cleared, then names are set or removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    clear: bool,
    names: Vec<(Box<str>, Option<Raw>)>,
}

impl Changes {
    pub(crate) fn set(&mut self, name: &str, value: Raw) {
        self.put(name, Some(value));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.put(name, None);
    }

    pub(crate) fn clear(&mut self) {
        self.clear = true;
        self.names.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.clear && self.names.is_empty()
    }

    fn put(&mut self, name: &str, value: Option<Raw>) {
        let name = scan::escape(name);
        match self.names.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, old)) => *old = value,
            None => self.names.push((name.into(), value)),
        }
    }

    /// These changes, and then `later` ones.
    pub(crate) fn then(mut self, later: Changes) -> Changes {
        if later.clear {
            return later;
        }
        for (name, value) in later.names {
            match self.names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => self.names.push((name, value)),
            }
        }
        self
    }

    /// `base` with these changes.
    pub(crate) fn apply(&self, base: &Data) -> Data {
        let mut data = if self.clear { Data::default() } else { base.clone() };
        for (name, value) in &self.names {
            match value {
                Some(value) => data.set_escaped(name, value),
                None => data.remove_escaped(name),
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Data {
        Data::parse(&text.into()).unwrap()
    }

    fn text(data: &Data) -> String {
        let mut out = String::new();
        data.write(&mut out);
        out
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
        assert_eq!(source.get("d"), Some(&raw("2")));
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
