//! Saved segments: filters and conditions on visitors under a name.
//!
//! A [`Segment`] says which events count and which visitors do, as a [`Request`](crate::Request) does, and may narrow other
//! segments. A request that names segments is answered as if all that they say stood in it. This module checks a segment and
//! follows its names ([`narrow`]); where segments are kept is the caller's.

use serde::{Deserialize, Serialize};

use crate::{
    Error,
    error::{nearest, suggestion},
    job::read,
    span::span,
};

/// The most characters of a name.
const NAME: usize = 64;
/// The most segments that one may narrow, directly or not.
const DEEPEST: usize = 32;

/// Filters and conditions under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// How people call it: 1 to 64 characters, no commas, nothing that cannot be seen.
    #[serde(default)]
    pub name: String,
    /// Which events count; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Which visitors count: those with an event for each of these filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub did: Vec<String>,
    /// Which visitors do not count: those with an event for one of these filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub did_not: Vec<String>,
    /// How long before the end of a report's period `did` and `did_not` look back; that period itself by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// The segments that this one narrows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segment: Vec<String>,
}

impl Segment {
    /// Whether it can be saved among these others: its name is one, all that it says can be read, it chooses something, the
    /// segments that it narrows are there, and none of them leads back to it. One of the same name among the others is the
    /// one that it takes the place of.
    ///
    /// # Errors
    /// What is wrong, by the field that says it.
    pub fn check(&self, others: &[Segment]) -> Result<(), Error> {
        check_name("name", &self.name)?;
        let filters = [("filter", self.filter.as_slice()), ("did", &self.did)];
        for (parameter, texts) in filters.into_iter().chain([("did_not", self.did_not.as_slice())])
        {
            for text in texts {
                read(parameter, Some(text))?
                    .ok_or_else(|| Error::parameter(parameter, "is empty"))?;
            }
        }
        let conditions = self.did.len() + self.did_not.len();
        if let Some(within) = &self.within {
            span("within", within)?;
            if conditions == 0 {
                return Err(Error::parameter("within", "says when: give `did` or `did_not`, too"));
            }
        }
        if conditions == 0 && self.filter.is_none() && self.segment.is_empty() {
            return Err(Error::parameter("filter", "is missing: a segment chooses something"));
        }
        let mut all: Vec<Segment> =
            others.iter().filter(|other| other.name != self.name).cloned().collect();
        all.push(self.clone());
        narrow(&all, std::slice::from_ref(&self.name)).map(drop)
    }
}

/// Refuses what is no name of a goal or segment.
pub(crate) fn check_name(parameter: &'static str, name: &str) -> Result<(), Error> {
    let is_odd = |c: char| c.is_control() || c == ',';
    let is_one = !name.is_empty() && name.trim() == name && name.chars().count() <= NAME;
    if is_one && !name.contains(is_odd) {
        return Ok(());
    }
    let problem = format!("is no name: it is 1 to {NAME} characters without commas");
    Err(Error::parameter(parameter, problem))
}

/// The segments of these names and all that they narrow, each once.
///
/// # Errors
/// When there is none of a name, or one leads back to itself.
pub(crate) fn narrow<'a>(all: &'a [Segment], names: &[String]) -> Result<Vec<&'a Segment>, Error> {
    let mut found = Vec::new();
    for name in names {
        follow(all, name, &mut Vec::new(), &mut found)?;
    }
    Ok(found)
}

/// Adds a segment after those that it narrows. `way` holds the names that led here.
fn follow<'a>(
    all: &'a [Segment],
    name: &str,
    way: &mut Vec<&'a str>,
    found: &mut Vec<&'a Segment>,
) -> Result<(), Error> {
    let segment = all.iter().find(|segment| segment.name == name).ok_or_else(|| {
        let meant = suggestion(nearest(name, all.iter().map(|segment| segment.name.as_str())));
        Error::parameter("segment", format!("names no saved segment `{name}`{meant}"))
    })?;
    if way.contains(&name) {
        let way = [way.as_slice(), &[name]].concat().join("` → `");
        return Err(Error::parameter("segment", format!("leads back to itself: `{way}`")));
    }
    if way.len() == DEEPEST {
        let problem = format!("narrows a segment of a segment more than {DEEPEST} times");
        return Err(Error::parameter("segment", problem));
    }
    if found.iter().any(|known| known.name == name) {
        return Ok(());
    }
    way.push(&segment.name);
    for other in &segment.segment {
        follow(all, other, way, found)?;
    }
    way.pop();
    found.push(segment);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(name: &str, narrows: &[&str]) -> Segment {
        Segment {
            name: name.into(),
            filter: Some("path = '/'".into()),
            segment: narrows.iter().map(|name| (*name).to_owned()).collect(),
            ..Segment::default()
        }
    }

    #[test]
    fn a_segment_brings_what_it_narrows_once() {
        let all = [segment("a", &[]), segment("b", &["a"]), segment("c", &["a", "b"])];
        let names: Vec<&str> =
            narrow(&all, &["c".into(), "a".into()]).unwrap().iter().map(|s| &*s.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn what_cannot_be_saved_is_refused_by_name() {
        let others = [segment("a", &["b"]), segment("b", &[]), segment("buyers", &[])];
        let said = |segment: Segment| segment.check(&others).unwrap_err().to_string();
        assert!(segment("b", &[]).check(&others).is_ok());
        assert_eq!(said(segment("b", &["a"])), "`segment` leads back to itself: `b` → `a` → `b`");
        assert_eq!(said(segment("b", &["b"])), "`segment` leads back to itself: `b` → `b`");
        let unknown = said(segment("c", &["buyer"]));
        assert_eq!(unknown, "`segment` names no saved segment `buyer`, did you mean `buyers`?");
        for name in ["", " a", "a,b", "a\nb", &"x".repeat(65)] {
            assert!(said(segment(name, &[])).starts_with("`name` is no name"), "{name}");
        }
        let wrong = |change: fn(&mut Segment)| {
            let mut segment = segment("c", &[]);
            change(&mut segment);
            said(segment)
        };
        assert!(wrong(|s| s.filter = Some("paht = 1".into())).contains("filter"));
        assert!(wrong(|s| s.filter = None).contains("chooses something"));
        assert!(wrong(|s| s.did = vec![" ".into()]).contains("`did` is empty"));
        assert!(wrong(|s| s.did_not = vec!["name =".into()]).contains("did_not"));
        assert!(wrong(|s| s.within = Some("3d".into())).contains("`within` says when"));
        let when =
            |s: &mut Segment| (s.did, s.within) = (vec!["name = 'a'".into()], Some("3".into()));
        assert!(wrong(when).contains("length of time"));
    }

    #[test]
    fn a_long_chain_is_refused() {
        let all: Vec<Segment> = (0..40)
            .map(|nth| segment(&nth.to_string(), &[&(nth + 1).to_string()]))
            .chain([segment("40", &[])])
            .collect();
        assert!(narrow(&all, &["30".into()]).is_ok());
        assert!(narrow(&all, &["0".into()]).unwrap_err().to_string().contains("32 times"));
    }
}
