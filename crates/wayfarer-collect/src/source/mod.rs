//! Where a visitor came from: the columns `source` and `channel`.
//!
//! The source is the first that is said of `utm_source`, `source`, `ref`, the referrer, and the advertiser whose click id
//! the address carries; with none of them the visitor came directly. The channel follows Google Analytics' default
//! channel groups, by own tables: see `table`.

mod table;

use compact_str::CompactString;
use hashbrown::HashMap;
use table::{Kind, SOURCES, Source};

use crate::{
    address::{bare, is_under},
    campaign::Campaign,
};

/// The channel and the source of a visitor about whom nothing is said.
pub(crate) const DIRECT: &str = "Direct";

/// A source and its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) source: CompactString,
    pub(crate) channel: CompactString,
}

/// The table of sources, ready to be asked.
pub(crate) struct Sources {
    /// By host, such as `bing.com`; a wildcard such as `google.*` by its first label and a dot.
    hosts: HashMap<&'static str, &'static Source>,
    /// By the names that campaigns give, in lower case.
    names: HashMap<&'static str, &'static Source>,
}

impl Sources {
    pub(crate) fn new() -> Sources {
        let mut hosts = HashMap::new();
        let mut names = HashMap::new();
        for source in SOURCES {
            hosts.extend(source.hosts.iter().map(|host| (host.trim_end_matches('*'), source)));
            names.extend(source.names.iter().map(|name| (*name, source)));
        }
        Sources { hosts, names }
    }

    /// The origin that a campaign or an outside referrer says; `None` where neither says one.
    pub(crate) fn origin(&self, campaign: &Campaign, referrer: Option<&str>) -> Option<Origin> {
        let said = [&campaign.utm_source, &campaign.source, &campaign.reference];
        let said = said.into_iter().find_map(|text| text.as_deref());
        let (name, known) = match (said, referrer) {
            (Some(said), _) => (said, self.by_name(said)),
            (None, Some(host)) => (bare(host), self.by_host(host)),
            (None, None) => return self.unnamed(campaign),
        };
        let channel = channel(campaign, name, known.map(|known| known.kind));
        let source = known.map_or(name, |known| known.name);
        Some(Origin { source: source.into(), channel: channel.into() })
    }

    /// A campaign without a source: a click id, or a medium alone.
    fn unnamed(&self, campaign: &Campaign) -> Option<Origin> {
        let source = match (campaign.click, &campaign.utm_medium) {
            (Some(click), _) => click.source,
            (None, Some(medium)) => medium.as_str(),
            (None, None) => return None,
        };
        let channel = channel(campaign, source, self.by_name(source).map(|known| known.kind));
        Some(Origin { source: source.into(), channel: channel.into() })
    }

    fn by_name(&self, name: &str) -> Option<&'static Source> {
        let name = name.to_lowercase();
        self.names.get(name.as_str()).copied().or_else(|| self.by_host(&name))
    }

    /// The longest row that the host lies under.
    fn by_host(&self, host: &str) -> Option<&'static Source> {
        let mut rest = host;
        loop {
            if let Some(source) = self.hosts.get(rest).or_else(|| self.wildcard(rest)) {
                return Some(source);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    fn wildcard(&self, host: &str) -> Option<&&'static Source> {
        let (label, suffix) = host.split_once('.')?;
        let row = is_public_suffix(suffix).then(|| host.get(..=label.len()))??;
        self.hosts.get(row)
    }
}

/// Whether companies register names right below this suffix, as far as the wildcards of the table need it.
fn is_public_suffix(suffix: &str) -> bool {
    match suffix.split_once('.') {
        None => suffix.len() == 2 || matches!(suffix, "com" | "net" | "org"),
        Some((second, country)) => {
            country.len() == 2
                && matches!(second, "ac" | "co" | "com" | "ne" | "net" | "or" | "org")
        }
    }
}

/// Whether a host is the site's own: the page's, or one of the site's or below it.
pub(crate) fn is_own(host: &str, page: Option<&str>, own: &[String]) -> bool {
    page.is_some_and(|page| bare(page) == bare(host))
        || own.iter().any(|own| is_under(host, bare(&own.to_lowercase())))
}

/// The channel, by the first rule that holds.
fn channel(campaign: &Campaign, source: &str, kind: Option<Kind>) -> &'static str {
    let medium = campaign.utm_medium.as_deref().unwrap_or("").to_lowercase();
    let proved = campaign.click.and_then(|click| click.channel).filter(|_| medium.is_empty());
    let name = campaign.utm_campaign.as_deref().unwrap_or("").to_lowercase();
    match () {
        () if proved.is_some() => proved.unwrap_or_default(),
        () if name.contains("cross-network") => "Cross-network",
        () if is_paid(&medium) => kind.map_or("Paid Other", Kind::paid),
        () if kind.is_some_and(|kind| medium.is_empty() && !kind.organic().is_empty()) => {
            kind.map_or("", Kind::organic)
        }
        () if medium.is_empty() && is_mail(source) => "Email",
        () => by_medium(&medium).or(kind.map(Kind::organic)).unwrap_or(
            match source.contains('.') || medium.is_empty() && campaign.utm_source.is_none() {
                true => "Referral",
                false => "Unassigned",
            },
        ),
    }
}

fn is_paid(medium: &str) -> bool {
    medium.contains("cpc")
        || medium.contains("ppc")
        || medium.starts_with("paid")
        || medium == "retargeting"
        || medium == "cpa"
        || medium == "cpv"
}

fn is_mail(source: &str) -> bool {
    ["email", "e-mail", "mail", "newsletter"].iter().any(|name| source.eq_ignore_ascii_case(name))
}

fn by_medium(medium: &str) -> Option<&'static str> {
    Some(match medium {
        "display" | "banner" | "cpm" | "expandable" | "interstitial" => "Display",
        "social" | "social-media" | "social media" | "social-network" | "social network" | "sm" => {
            "Organic Social"
        }
        "organic" | "search" => "Organic Search",
        "email" | "e-mail" | "e_mail" | "e mail" | "newsletter" => "Email",
        "affiliate" | "affiliates" => "Affiliates",
        "referral" | "app" | "link" => "Referral",
        "audio" | "podcast" => "Audio",
        "sms" => "SMS",
        "ai" | "llm" | "chatbot" => "AI Assistants",
        _ if medium.contains("video") => "Organic Video",
        _ if medium.ends_with("push") || medium.contains("notification") => {
            "Mobile Push Notifications"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str, referrer: Option<&str>) -> Option<(String, String)> {
        let origin = Sources::new().origin(&Campaign::read(query), referrer)?;
        Some((origin.source.into(), origin.channel.into()))
    }

    #[test]
    fn the_first_that_is_said_counts() {
        let cases = [
            ("utm_source=google&source=b&ref=c", Some("x.org"), "Google", "Organic Search"),
            ("source=b&ref=c", Some("x.org"), "b", "Referral"),
            ("ref=producthunt.com", Some("x.org"), "Product Hunt", "Organic Social"),
            ("", Some("www.google.co.uk"), "Google", "Organic Search"),
            ("", Some("mail.google.com"), "Gmail", "Email"),
            ("", Some("google.evil.example"), "google.evil.example", "Referral"),
            ("", Some("www.blog.example"), "blog.example", "Referral"),
            ("", Some("chatgpt.com"), "ChatGPT", "AI Assistants"),
            ("", Some("m.baidu.com"), "Baidu", "Organic Search"),
            ("", Some("m.weibo.cn"), "Weibo", "Organic Social"),
            ("gclid=1", None, "Google", "Paid Search"),
            ("gclid=1", Some("www.google.de"), "Google", "Paid Search"),
            ("fbclid=1", Some("l.facebook.com"), "Facebook", "Organic Social"),
            ("utm_source=facebook&utm_medium=paid_social", None, "Facebook", "Paid Social"),
            ("utm_source=bing&utm_medium=CPC", None, "Bing", "Paid Search"),
            ("utm_source=letter&utm_medium=email", None, "letter", "Email"),
            ("utm_source=letter", None, "letter", "Unassigned"),
            ("utm_source=Newsletter", None, "Newsletter", "Email"),
            ("utm_medium=affiliate", None, "affiliate", "Affiliates"),
            ("utm_source=x&utm_medium=cpm", None, "X", "Display"),
            ("utm_source=partner.example", None, "partner.example", "Referral"),
        ];
        for (query, referrer, source, channel) in cases {
            let found = of(query, referrer).unwrap();
            assert_eq!(found, (source.into(), channel.into()), "{query} {referrer:?}");
        }
        assert_eq!(of("q=1", None), None);
    }

    #[test]
    fn no_host_or_name_stands_twice() {
        let mut hosts = std::collections::HashSet::new();
        let mut names = std::collections::HashSet::new();
        for source in SOURCES {
            assert!(!source.hosts.is_empty() || !source.names.is_empty(), "{}", source.name);
            assert!(source.hosts.iter().all(|host| hosts.insert(host)), "{}", source.name);
            assert!(source.names.iter().all(|name| names.insert(name)), "{}", source.name);
            assert!(
                source.names.iter().all(|name| *name == name.to_lowercase()),
                "{}",
                source.name
            );
        }
    }

    #[test]
    fn own_hosts_are_the_page_s_and_the_site_s() {
        let own = vec!["Shop.example".to_owned()];
        assert!(is_own("www.shop.example", None, &own));
        assert!(is_own("pay.shop.example", None, &own));
        assert!(is_own("a.example", Some("www.a.example"), &[]));
        assert!(!is_own("workshop.example", None, &own));
    }
}
