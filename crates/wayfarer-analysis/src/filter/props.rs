//! Finds one property in the JSON text of all.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The JSON that stands for the property `name`; `None` where there is none, or `props` is no JSON object.
pub(crate) fn find<'a>(props: &'a str, name: &str) -> Option<&'a str> {
    let mut json = serde_json::Deserializer::from_str(props);
    json.deserialize_map(Find { name }).ok().flatten()
}

/// A property as text: that of a JSON string, or the JSON of anything else.
pub(crate) fn text(json: &str) -> Cow<'_, str> {
    if json.starts_with('"') {
        serde_json::from_str(json).map_or(Cow::Borrowed(json), Cow::Owned)
    } else {
        Cow::Borrowed(json)
    }
}

struct Find<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of properties")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.name {
                found = Some(map.next_value::<&'de RawValue>()?.get());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_found_by_its_name() {
        let props = r#"{"plan":"pr\"o","n": 1.5,"deep":{"plan":2},"\u0061b":true,"no":null}"#;
        assert_eq!(find(props, "plan").map(text).as_deref(), Some("pr\"o"));
        assert_eq!(find(props, "n"), Some("1.5"));
        assert_eq!(find(props, "deep"), Some(r#"{"plan":2}"#));
        assert_eq!(find(props, "ab"), Some("true"));
        assert_eq!(find(props, "no"), Some("null"));
        assert_eq!(find(props, "other"), None);
        assert_eq!(find("not json", "plan"), None);
        assert_eq!(find("[1]", "plan"), None);
    }
}
