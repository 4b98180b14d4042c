//! What the query of an address says of where a visitor came from. Every other parameter is dropped unread.

use compact_str::CompactString;
use percent_encoding::percent_decode_str;

/// The longest value that is kept, in bytes; a longer one is cut.
const LONGEST: usize = 256;

/// The campaign fields of a query. A value that is empty is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Campaign {
    pub(crate) utm_source: Option<CompactString>,
    pub(crate) utm_medium: Option<CompactString>,
    pub(crate) utm_campaign: Option<CompactString>,
    pub(crate) utm_term: Option<CompactString>,
    pub(crate) utm_content: Option<CompactString>,
    /// `source`.
    pub(crate) source: Option<CompactString>,
    /// `ref`.
    pub(crate) reference: Option<CompactString>,
    pub(crate) click: Option<&'static ClickId>,
}

/// A parameter that an advertiser adds to count clicks: one row of [`CLICK_IDS`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClickId {
    /// Name of the parameter. Its value is personal data and is never kept.
    pub(crate) name: &'static str,
    /// Who adds it.
    pub(crate) source: &'static str,
    /// The channel that it proves; `None` where it is added to unpaid links too.
    pub(crate) channel: Option<&'static str>,
}

const fn click(name: &'static str, source: &'static str, channel: Option<&'static str>) -> ClickId {
    ClickId { name, source, channel }
}

/// Click ids of advertisers.
static CLICK_IDS: &[ClickId] = &[
    click("gclid", "Google", Some("Paid Search")),
    click("gbraid", "Google", Some("Paid Search")),
    click("wbraid", "Google", Some("Paid Search")),
    click("dclid", "Google", Some("Display")),
    click("msclkid", "Bing", Some("Paid Search")),
    click("yclid", "Yandex", Some("Paid Search")),
    click("bd_vid", "Baidu", Some("Paid Search")),
    click("qhclickid", "360 Search", Some("Paid Search")),
    click("fbclid", "Facebook", None),
    click("igshid", "Instagram", None),
    click("ttclid", "TikTok", Some("Paid Social")),
    click("twclid", "X", Some("Paid Social")),
    click("li_fat_id", "LinkedIn", Some("Paid Social")),
    click("epik", "Pinterest", Some("Paid Social")),
    click("rdt_cid", "Reddit", Some("Paid Social")),
    click("ScCid", "Snapchat", Some("Paid Social")),
    click("gdt_vid", "Tencent", Some("Paid Social")),
    click("irclickid", "impact.com", Some("Affiliates")),
];

impl Campaign {
    /// Reads a query without its `?`. The first value of a name counts.
    pub(crate) fn read(query: &str) -> Campaign {
        let mut campaign = Campaign::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            match campaign.slot(name) {
                Some(slot) if slot.is_none() => *slot = value(text),
                Some(_) => {}
                None if !text.is_empty() => campaign.note_click(name),
                None => {}
            }
        }
        campaign
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<CompactString>> {
        match name {
            "utm_source" => Some(&mut self.utm_source),
            "utm_medium" => Some(&mut self.utm_medium),
            "utm_campaign" => Some(&mut self.utm_campaign),
            "utm_term" => Some(&mut self.utm_term),
            "utm_content" => Some(&mut self.utm_content),
            "source" => Some(&mut self.source),
            "ref" => Some(&mut self.reference),
            _ => None,
        }
    }

    fn note_click(&mut self, name: &str) {
        if self.click.is_none() {
            self.click = CLICK_IDS.iter().find(|click| click.name == name);
        }
    }
}

/// A value as a form encodes it: `+` is a space, the rest percent-encoded. Control characters are left out.
fn value(text: &str) -> Option<CompactString> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8_lossy();
    let mut value = CompactString::default();
    for c in decoded.trim().chars().filter(|c| !c.is_control()) {
        if value.len() + c.len_utf8() > LONGEST {
            break;
        }
        value.push(c);
    }
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_the_first_counts() {
        let campaign =
            Campaign::read("utm_source=a%20b&utm_source=c&utm_term=x+y&ref=&q=secret&gclid=z");
        assert_eq!(campaign.utm_source.as_deref(), Some("a b"));
        assert_eq!(campaign.utm_term.as_deref(), Some("x y"));
        assert_eq!(campaign.reference, None);
        assert_eq!(campaign.click.map(|click| click.name), Some("gclid"));
        assert!(!format!("{campaign:?}").contains("secret"));
    }

    #[test]
    fn a_value_is_bounded_and_clean() {
        let long = "%E4%BD%A0".repeat(500);
        assert_eq!(value(&long).unwrap().len(), 255);
        assert_eq!(value("%00a%0Ab%ff").as_deref(), Some("ab\u{fffd}"));
        assert_eq!(value("%20+"), None);
    }
}
