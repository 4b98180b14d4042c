//! Rules that make one text of many: `/product/*` for every product, or `Products=/product/*` to call them so.

use regex::RegexSet;
use wayfarer_event::Text;

use crate::Error;

/// How many rules one key may have, and how long each may be.
const RULES: usize = 100;
const LENGTH: usize = 500;

/// Rules under which texts of a key count as one. A rule is a text in which `*` stands for anything up to the next `/`, and
/// `**` for anything at all. Of several rules that fit, the first counts; what fits none stays as it is.
///
/// What fits counts under the rule itself, or under the name that stands before it and `=`. A name has no `/` and no `*`, so a
/// rule such as `/a=b/*` needs none; rules that share a name are one group.
#[derive(Clone, Debug)]
pub struct Groups {
    /// As they were given.
    rules: Vec<String>,
    names: Vec<Text>,
    patterns: RegexSet,
}

/// Equal rules group alike.
impl PartialEq for Groups {
    fn eq(&self, other: &Groups) -> bool {
        self.rules == other.rules
    }
}

impl Groups {
    /// Reads rules; `None` where there are none.
    ///
    /// # Errors
    /// When one is empty or too long, or when there are too many. `parameter` names what holds them.
    pub fn read(parameter: &'static str, rules: &[String]) -> Result<Option<Groups>, Error> {
        if rules.is_empty() {
            return Ok(None);
        }
        if rules.len() > RULES {
            return Err(Error::parameter(parameter, format!("has more than {RULES} rules")));
        }
        if rules.iter().any(|rule| rule.is_empty() || rule.len() > LENGTH) {
            let problem = format!("has a rule that is empty or longer than {LENGTH} bytes");
            return Err(Error::parameter(parameter, problem));
        }
        let parts: Vec<(&str, &str)> = rules.iter().map(|rule| parts(rule)).collect();
        if parts.iter().any(|(name, rule)| name.is_empty() || rule.is_empty()) {
            let problem = "has a name without a rule, or `=` without a name: NAME=/product/*";
            return Err(Error::parameter(parameter, problem));
        }
        let patterns = RegexSet::new(parts.iter().map(|(_, rule)| pattern(rule)))
            .map_err(|_| Error::parameter(parameter, "has rules that are too large together"))?;
        let names = parts.iter().map(|(name, _)| Text::from(*name)).collect();
        Ok(Some(Groups { rules: rules.to_vec(), names, patterns }))
    }

    /// The group that a text falls under, or the text itself.
    #[must_use]
    pub fn name<'a>(&'a self, text: &'a str) -> &'a str {
        let rule = self.patterns.matches(text).iter().next();
        rule.map_or(text, |rule| self.names[rule].as_str())
    }
}

/// What a group is called, and its rule: the rule itself where it has no other name.
fn parts(rule: &str) -> (&str, &str) {
    match rule.split_once('=') {
        Some((name, rule)) if !name.contains(['/', '*']) => (name, rule),
        _ => (rule, rule),
    }
}

/// A rule as a regular expression.
fn pattern(rule: &str) -> String {
    let escaped = regex::escape(rule);
    format!("^(?s:{})$", escaped.replace(r"\*\*", ".*").replace(r"\*", "[^/]*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(rules: &[&str]) -> Groups {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        Groups::read("group", &rules).unwrap().unwrap()
    }

    #[test]
    fn a_star_ends_at_a_slash_and_two_do_not() {
        let groups = groups(&["/product/*", "/blog/**", "/*.html"]);
        for (text, name) in [
            ("/product/7", "/product/*"),
            ("/product/", "/product/*"),
            ("/product/7/reviews", "/product/7/reviews"),
            ("/product", "/product"),
            ("/blog/2026/05/a", "/blog/**"),
            ("/a.html", "/*.html"),
            ("/axhtml", "/axhtml"),
            ("/en/product/7", "/en/product/7"),
            ("/blog/a\nb", "/blog/**"),
        ] {
            assert_eq!(groups.name(text), name);
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        assert_eq!(groups(&["/a/b", "/a/*", "/**"]).name("/a/b"), "/a/b");
        assert_eq!(groups(&["/**", "/a/*"]).name("/a/b"), "/**");
    }

    #[test]
    fn a_rule_may_have_a_name() {
        let groups = groups(&["Products=/product/*", "/a=b/*", "Products=/p/*", "x=y=*"]);
        for (text, name) in [
            ("/product/7", "Products"),
            ("/p/7", "Products"),
            ("/a=b/c", "/a=b/*"),
            ("y=1", "x"),
            ("Products", "Products"),
            ("/q", "/q"),
        ] {
            assert_eq!(groups.name(text), name);
        }
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        let said = |rules: Vec<String>| Groups::read("group", &rules).unwrap_err().to_string();
        assert!(said(vec![String::new()]).starts_with("`group` has a rule that is empty"));
        assert_eq!(said(vec!["/a".into(); RULES + 1]), "`group` has more than 100 rules");
        for rule in ["=/a", "Products=", "="] {
            assert!(said(vec![rule.into()]).contains("`=` without a name"), "{rule}");
        }
        assert_eq!(Groups::read("group", &[]).unwrap(), None);
    }
}
