//! Who is a bot, by its user agent: `ua:<name>` in the column `bot_reason`.
//!
//! Three looks, in this order: names that are known (a table), words that only programs use (a table), and marks that
//! browsers never bear: an address for complaints, a name after `compatible;`, or none of the forms that browsers have.
//! A reason is given for every bot, so that a wrong one can be found and shown again.

use aho_corasick::{AhoCorasick, MatchKind};
use compact_str::{CompactString, format_compact};

/// The longest name that a reason gives.
const LONGEST: usize = 40;

/// Names that no other rule finds, or that are clearer by their own name. Lower case; found where no letter stands before.
#[rustfmt::skip]
static NAMES: &[&str] = &[
    // Search, AI and previews of links.
    "mediapartners-google", "google-inspectiontool", "googleother", "google-extended", "google-safety", "google-read-aloud", "google favicon", "google-site-verification", "google-agent", "googleagent",
    "google-physicalweb", "google-adwords", "google-ads-", "googleassociationservice", "googleimageproxy", "google-certificates", "google-xrawler", "google web preview", "google-http", "feedfetcher", "apis-google", "storebot", "appengine-google",
    "bingpreview", "yandeximages", "yahoo! slurp", "yahooseeker", "yahoomailproxy", "yahoocachesystem", "coccoc/", "ask jeeves", "teoma", "ia_archiver", "heritrix", "nutch", "daumoa", "sogou web", "sogou inst", "y!j-",
    "facebookexternalhit", "facebookcatalog", "meta-external", "whatsapp/", "telegrambot", "skypeuripreview", "slack-imgproxy", "discourse forum onebox", "embedly", "iframely", "viber", "bluesky/", "vkshare", "flipboardproxy", "onebox", "metauri",
    "claude-user", "claude-searchbot", "anthropic-ai", "cohere-ai", "chatgpt-user", "perplexity-user", "manus-user", "bytespider", "duckassist", "mistralai-user", "petalbot", "amazonbot", "applebot", "ccbot", "diffbot", "imagesift", "bigsur.ai", "newsai", "spawning-ai",
    // Watchers and testers.
    "uptime", "pingdom", "statuscake", "site24x7", "newrelic", "datadog", "dynatrace", "ruxit", "catchpoint", "thousandeyes", "appinsights", "applicationinsights", "zabbix", "nagios", "check_http", "prometheus", "blackbox exporter", "gomezagent", "keynote", "alwaysonline",
    "solarwinds", "panopta", "uptrends", "uptimia", "updown.io", "netvigie", "pingping", "lighthouse", "gtmetrix", "ptst/", "dareboost", "speedcurve", "webpagetest", "pagespeed", "google page speed", "yellowlab", "ylt chrome", "hardenize", "securityheaders", "ssl labs", "sitecheck",
    "ghost inspector", "browserstack", "headless", "phantomjs", "slimerjs", "selenium", "webdriver", "playwright", "puppeteer", "cypress/", "htmlunit", "splash version", "prerender", "rendertron", "nitro-optimizer", "criticalcss", "penthouse", "linktiger", "siteimprove", "silktide", "monsido", "cookiehub", "onetrust",
    "netcraft", "w3c_", "w3c-", "jigsaw/", "checklink", "linkcheck", "brokenlink", "xenu", "sitemaps generator", "screaming frog", "integrity/", "datanyze", "builtwith", "wappalyzer", "whatweb", "netsystemsresearch", "censys", "zgrab", "masscan", "nmap", "nikto", "sqlmap", "acunetix", "openvas", "nessus", "nuclei", "zmeu", "l9explore", "expanse", "watchtowr", "detectify", "fastdast", "bitdiscovery",
    // Downloaders, libraries and tools.
    "curl/", "pycurl", "libcurl", "wget", "python", "aiohttp", "httpx", "urllib", "scrapy", "mechanize", "java/1", "java/2", "apache-httpclient", "httpclient", "http-client", "http_client", "httpunit", "okhttp", "go-http", "gohttp", "go-resty", "colly", "axios", "node-fetch", "nodejs", "undici", "superagent", "guzzle", "libwww", "lwp", "perl/", "ruby", "php/", "winhttp", "wininet", "httpie", "postman", "insomnia/", "restsharp", "unirest", "reactornetty", "jersey/", "faraday", "typhoeus", "rest-client", "powershell", "aria2", "httrack", "webcopier", "webzip", "teleport", "sitesucker", "offline explorer", "webcapture", "webreaper", "larbin", "pavuk", "boto", "aws-sdk", "aws-cli", "jakarta", "indy library", "cfnetwork agent", "libsoup", "dart:io", "dart/", "reqwest", "hyper/", "ureq", "isahc", "wordpress/", "drupal", "joomla", "magento", "zend_http", "symfony", "laravel", "elinks scan", "apt-http", "microsoft url control", "microsoft bits", "ms web services", "windows-update-agent", "winhttprequest", "commons-http", "github-camo",
    // Readers of feeds and savers of pages.
    "feedly", "feedbin", "inoreader", "newsblur", "theoldreader", "netnewswire", "tiny tiny rss", "freshrss", "miniflux", "bloglovin", "blogtrottr", "netvibes", "superfeedr", "instapaper", "pocketparser", "wallabag", "printfriendly", "zotero", "hatena", "twingly", "postrank", "newspaper/", "meltwater", "brandwatch", "traackr", "trendsmap", "trendiction", "owler", "dataprovider", "panscient", "linkdex", "ips-agent", "ichiro", "gigablast", "biglotron", "admantx", "infegy", "um-ln", "pixalate", "adbeat", "attracta", "poduptime", "collapsify", "miniature.io", "outbrain", "disqus", "ning/", "zapier", "integromat", "ifttt", "bitly", "pinterest/0", "qwantify", "scope3", "sindup", "geedo", "sqwatcher", "marketgoo", "hotjar version", "foregenix", "abuse.xmco", "playstore-google", "readable/", "testlocally", "like gecko) via", "evc-batch", "retroliste", "montools", "upday", "ubermetrics", "keydrop", "tsm-turingos", "feeder.co", "newsnow", "httpagent", "x86_64; rigor", "dlc/2",
];

/// Words that only programs bear. Lower case; found in any word that they end.
#[rustfmt::skip]
static ENDINGS: &[&str] = &[
    "bot", "bots", "robot", "crawler", "spider", "scraper", "fetcher", "monitor", "monitoring", "indexer", "checker",
    "validator", "analyzer", "archiver", "scanner", "grabber", "downloader", "harvester", "auditor", "webhook",
    "webhooks", "synthetic", "synthetics", "httpagent",
];

/// Words that only programs bear. Lower case; found in any word that they begin or end or lie in.
#[rustfmt::skip]
static ROOTS: &[&str] = &[
    "crawl", "spider", "slurp", "scrap", "archiv", "searchengine", "search engine", "feedparser", "preview",
    "research", "webcheck", "web check", "survey", "monitorss", "contentscan",
];

/// What browsers call themselves after `compatible;`.
#[rustfmt::skip]
static COMPATIBLE: &[&str] = &[
    "msie", "konqueror", "opera", "icab", "omniweb", "netscape", "webtv", "linux", "u;", "i;", "macintosh", "windows",
    "ibrowse", "aweb", "voyager", "mspie", "msnia", "avant", "maxthon", "abrowse", "galeon", "netpositive", "x11",
    "arachne",
];

/// What browsers begin with, and what old phones have in their names.
#[rustfmt::skip]
static FORMS: &[&str] = &[
    "midp", "cldc", "up.browser", "up.link", "wap", "netfront", "obigo", "teleca", "nokia", "blackberry", "docomo",
    "kddi", "j-phone", "vodafone", "softbank", "sonyericsson", "samsung", "sec-", "lg-", "mot-", "motorola", "sagem",
    "sie-", "alcatel", "htc", "zte", "huawei", "lenovo", "panasonic", "sharp", "sanyo", "philips", "ucweb",
    "ucbrowser", "opera mini", "cfnetwork", "dalvik", "darwin", "android", "ios", "iphone", "ipad", "applewebkit",
    "gecko", "lynx/", "w3m/", "links (", "elinks", "playstation", "nintendo", "xbox", "kindle", "dillo", "netsurf",
    "amaya", "icab", "emacs", "browser", "fbav/", "midori", "webkit/", "hbbtv",
];

/// The tables, ready to be asked.
pub(super) struct Bots {
    /// Building fails only beyond billions of states; a test proves that it does not.
    names: Option<AhoCorasick>,
}

impl Bots {
    pub(super) fn new() -> Bots {
        let names = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(NAMES);
        Bots { names: names.ok() }
    }

    /// Why a user agent is held to be a bot; `None` for a browser.
    pub(super) fn reason(&self, agent: &str) -> Option<CompactString> {
        let agent = agent.to_ascii_lowercase();
        if let Some(name) = self.named(&agent) {
            return Some(reason(name));
        }
        let word = agent.split(|c: char| !is_word(c)).find(|word| is_program(word));
        if let Some(word) = word {
            return Some(reason(word));
        }
        has_root(&agent).or_else(|| marks(&agent))
    }
}

impl Bots {
    fn named(&self, agent: &str) -> Option<&'static &'static str> {
        let mut found = self.names.as_ref()?.find_iter(agent);
        let begins_word = |at: usize| {
            let before = agent.get(..at).and_then(|before| before.chars().next_back());
            !before.is_some_and(char::is_alphabetic)
        };
        let name = found.find(|found| begins_word(found.start()))?;
        NAMES.get(name.pattern().as_usize())
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '!' | '.')
}

/// Whether a word ends like a program's name, once its numbers are taken off. `cubot` makes telephones.
fn is_program(word: &str) -> bool {
    word.split(['-', '_', '.']).any(|part| {
        let part = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'v');
        ENDINGS.iter().any(|ending| part.ends_with(ending)) && !part.ends_with("cubot")
    })
}

fn has_root(agent: &str) -> Option<CompactString> {
    let root = ROOTS.iter().find(|root| agent.contains(**root))?;
    // A browser that was handed out early, in 2010.
    (!agent.contains("developerpreview")).then(|| reason(root))
}

/// Marks that no browser bears.
fn marks(agent: &str) -> Option<CompactString> {
    if let Some(name) = after_compatible(agent) {
        return Some(reason(name));
    }
    let link = ["http://", "https://", "www.", "mailto:"];
    let link = link.iter().any(|link| agent.contains(link)) || has_mail_address(agent);
    // A toolkit of old put its address into Internet Explorer's name.
    if link && !agent.contains("bsalsa") {
        return Some(reason("link"));
    }
    let known = agent.starts_with("mozilla/") || agent.starts_with("opera");
    let known = known || FORMS.iter().any(|form| agent.contains(form));
    (!known).then(|| reason("no-browser"))
}

/// Whether something like `name@host.example` stands there; `th-TH@calendar=gregorian` is a language.
fn has_mail_address(agent: &str) -> bool {
    agent.split_once('@').is_some_and(|(_, rest)| {
        rest.split(|c: char| !is_word(c)).next().is_some_and(|host| host.contains('.'))
    })
}

fn after_compatible(agent: &str) -> Option<&str> {
    let (_, rest) = agent.split_once("compatible;")?;
    let rest = rest.trim_start_matches([' ', '+', ';']);
    let browser = COMPATIBLE.iter().any(|name| rest.starts_with(name));
    let name = rest.split([';', '/', ')', ' ', ',']).next()?;
    (!browser && !name.is_empty()).then_some(name)
}

/// The reason for a name, without what could make it long or strange.
fn reason(name: &str) -> CompactString {
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    let end = name.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|end| *end <= LONGEST);
    format_compact!("ua:{}", name.get(..end.last().unwrap_or(0)).unwrap_or(""))
}
