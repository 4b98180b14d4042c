//! What a visitor sees of a page: its links and its forms. No parser of HTML, only what the pages of the shop need.

use regex::Regex;

/// A form to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Where it is sent.
    pub(crate) action: String,
    /// What is filled in already: hidden fields and defaults.
    pub(crate) fields: Vec<(String, String)>,
}

/// Finds links and forms. Made once and shared, as its patterns are compiled.
#[derive(Debug)]
pub(crate) struct Reader {
    link: Regex,
    script: Regex,
    form: Regex,
    input: Regex,
    attribute: Regex,
}

impl Reader {
    /// A reader.
    ///
    /// # Errors
    /// None that a test does not find: the patterns are constant.
    pub(crate) fn new() -> Result<Reader, regex::Error> {
        Ok(Reader {
            link: Regex::new(r"<a\b([^>]*)>")?,
            script: Regex::new(r"<script\b([^>]*)>")?,
            form: Regex::new(r"(?s)<form\b([^>]*)>(.*?)</form>")?,
            input: Regex::new(r"<(?:input|button)\b([^>]*)>")?,
            attribute: Regex::new(r#"([a-z-]+)="([^"]*)""#)?,
        })
    }

    /// Addresses of the links, in the order of the page, each once.
    pub(crate) fn links(&self, html: &str) -> Vec<String> {
        let mut links = Vec::new();
        for found in self.link.captures_iter(html) {
            match self.attribute(&found[1], "href") {
                Some(link) if !links.contains(&link) => links.push(link),
                _ => {}
            }
        }
        links
    }

    /// Where the tracker of the page sends its beacons; `None` for a page without one.
    pub(crate) fn beacons(&self, html: &str) -> Option<String> {
        let mut scripts = self.script.captures_iter(html);
        scripts.find_map(|found| self.attribute(&found[1], "data-api"))
    }

    /// The forms, in the order of the page.
    pub(crate) fn forms(&self, html: &str) -> Vec<Form> {
        self.form
            .captures_iter(html)
            .map(|found| Form {
                action: self.attribute(&found[1], "action").unwrap_or_default(),
                fields: self.fields(&found[2]),
            })
            .collect()
    }

    fn fields(&self, form: &str) -> Vec<(String, String)> {
        let inputs = self.input.captures_iter(form);
        inputs
            .filter_map(|found| {
                let name = self.attribute(&found[1], "name")?;
                Some((name, self.attribute(&found[1], "value").unwrap_or_default()))
            })
            .collect()
    }

    fn attribute(&self, tag: &str, name: &str) -> Option<String> {
        let mut attributes = self.attribute.captures_iter(tag);
        attributes.find(|found| &found[1] == name).map(|found| unescaped(&found[2]))
    }
}

fn unescaped(text: &str) -> String {
    let pairs = [("&#34;", "\""), ("&quot;", "\""), ("&#38;", "&"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"
        <script src="/menu.js"></script><script defer src="/wf/script.js" data-api="/wf/events"></script>
        <a class="x" href="/product/7">Boots</a> <a href="/product/7">again</a> <a name="top">no link</a>
        <a href="/find?a=1&#38;b=2">find</a>
        <form method="post" action="/cart/add"><input type="hidden" name="product" value="7">
            <input name="count" value="1"><button type="submit">Add</button></form>
        <form action="/login">
            <input name="user"> <input name="password" type="password"></form>"#;

    #[test]
    fn links_come_once_and_in_order() {
        assert_eq!(Reader::new().unwrap().links(PAGE), ["/product/7", "/find?a=1&b=2"]);
    }

    #[test]
    fn the_tracker_says_where_its_beacons_go() {
        let reader = Reader::new().unwrap();
        assert_eq!(reader.beacons(PAGE).as_deref(), Some("/wf/events"));
        assert_eq!(reader.beacons("<script src=\"/menu.js\"></script>"), None);
    }

    #[test]
    fn forms_bring_what_is_filled_in() {
        let forms = Reader::new().unwrap().forms(PAGE);
        assert_eq!(forms.len(), 2);
        assert_eq!(forms[0].action, "/cart/add");
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(forms[0].fields, [field("product", "7"), field("count", "1")]);
        assert_eq!(forms[1].fields, [field("user", ""), field("password", "")]);
    }

    #[test]
    fn what_is_no_page_has_neither() {
        let reader = Reader::new().unwrap();
        for text in ["", "<", "<a", "<form action=\"/x\">", "\u{0}<a href=>"] {
            assert!(reader.links(text).is_empty() && reader.forms(text).is_empty(), "{text}");
        }
    }
}
