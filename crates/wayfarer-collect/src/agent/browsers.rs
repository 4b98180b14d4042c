//! The table of browsers. Most carry the names of others too, so the order matters: the first row that is found counts.

use compact_str::CompactString;

use super::version;

/// A token of a user agent, and the browser that it means. The version stands right behind the token.
#[rustfmt::skip]
static BROWSERS: &[(&str, &str)] = &[
    // Applications that show pages themselves.
    ("MicroMessenger/", "WeChat"), ("wxwork/", "WeCom"), ("DingTalk/", "DingTalk"), ("Lark/", "Lark"), ("Feishu/", "Lark"),
    ("AlipayClient/", "Alipay"), ("Weibo", "Weibo"), ("xhsdiscover", "Xiaohongshu"), ("XiaoHongShu/", "Xiaohongshu"),
    ("aweme/", "Douyin"), ("NewsArticle/", "Toutiao"), ("BytedanceWebview/", "TikTok"), ("musical_ly", "TikTok"), ("trill_", "TikTok"),
    ("BiliApp/", "Bilibili"), ("zhihu", "Zhihu"),
    ("FBAV/", "Facebook"), ("FBAN/", "Facebook"), ("FB_IAB", "Facebook"), ("Instagram ", "Instagram"), ("Snapchat/", "Snapchat"), ("[Pinterest/", "Pinterest"),
    ("LinkedInApp", "LinkedIn"), ("TwitterAndroid", "X"), ("Twitter for ", "X"), ("KAKAOTALK", "KakaoTalk"), ("Line/", "LINE"), ("NAVER(", "Naver"),
    ("GSA/", "Google App"), ("DuckDuckGo/", "DuckDuckGo"), ("Ddg/", "DuckDuckGo"), ("baiduboxapp/", "Baidu"), ("BIDUBrowser/", "Baidu"), ("bdbrowser", "Baidu"), ("baidubrowser", "Baidu"),
    // Browsers on the ground of Chromium, Gecko or WebKit that name themselves.
    ("MQQBrowser/", "QQ Browser"), ("QQBrowser/", "QQ Browser"), ("QQ/", "QQ"), ("UCBrowser/", "UC Browser"), ("UCBrowser", "UC Browser"), ("UBrowser/", "UC Browser"), ("UCWEB/", "UC Browser"), ("UCWEB", "UC Browser"),
    ("Quark/", "Quark"), ("SogouMobileBrowser/", "Sogou"), ("MetaSr ", "Sogou"), ("QihooBrowser/", "360 Browser"), ("360SE", "360 Browser"), ("360EE", "360 Browser"), ("Maxthon/", "Maxthon"), ("Maxthon ", "Maxthon"), ("MxBrowser/", "Maxthon"),
    ("MiuiBrowser/", "MIUI Browser"), ("HuaweiBrowser/", "Huawei Browser"), ("ArkWeb/", "ArkWeb"), ("HeyTapBrowser/", "HeyTap Browser"), ("OppoBrowser/", "HeyTap Browser"), ("VivoBrowser/", "Vivo Browser"), ("LieBaoFast/", "Liebao"), ("LBBROWSER", "Liebao"),
    ("SamsungBrowser/", "Samsung Internet"), ("Silk/", "Silk"), ("Whale/", "Whale"), ("YaBrowser/", "Yandex Browser"), ("YaApp_Android/", "Yandex Browser"), ("Vivaldi/", "Vivaldi"), ("Brave/", "Brave"), ("coc_coc_browser/", "Coc Coc"), ("Puffin/", "Puffin"), ("Ecosia", "Ecosia"),
    ("OPR/", "Opera"), ("OPX/", "Opera"), ("OPT/", "Opera"), ("OPiOS/", "Opera"), ("Opera Mini/", "Opera Mini"), ("Opera Mobi", "Opera"),
    ("EdgA/", "Edge"), ("EdgiOS/", "Edge"), ("Edg/", "Edge"), ("Edge/", "Edge"),
    ("Focus/", "Firefox Focus"), ("Klar/", "Firefox Focus"), ("FxiOS/", "Firefox"), ("PaleMoon/", "Pale Moon"), ("SeaMonkey/", "SeaMonkey"), ("Waterfox/", "Waterfox"), ("Iceweasel/", "Firefox"), ("IceCat/", "IceCat"), ("Camino/", "Camino"), ("K-Meleon/", "K-Meleon"), ("Thunderbird/", "Thunderbird"),
    ("Epiphany/", "GNOME Web"), ("Falkon/", "Falkon"), ("QupZilla/", "Falkon"), ("Konqueror/", "Konqueror"), ("OmniWeb/", "OmniWeb"), ("iCab", "iCab"), ("qutebrowser/", "qutebrowser"), ("Arora/", "Arora"), ("Midori/", "Midori"), ("Ladybird/", "Ladybird"),
    ("NetFront/", "NetFront"), ("Obigo", "Obigo"), ("Dolfin/", "Dolfin"), ("BrowserNG/", "Nokia Browser"), ("NokiaBrowser/", "Nokia Browser"), ("IEMobile/", "Internet Explorer"), ("IEMobile ", "Internet Explorer"),
    ("Lynx/", "Lynx"), ("w3m/", "w3m"), ("Links (", "Links"), ("ELinks", "ELinks"),
    ("PlayStation", "PlayStation"), ("Electron/", "Electron"),
    // The grounds themselves.
    ("CriOS/", "Chrome"), ("HeadlessChrome/", "Chrome"), ("Chromium/", "Chromium"), ("Chrome/", "Chrome"),
    ("Firefox/", "Firefox"),
];

/// The browser and its major version.
pub(super) fn recognise(agent: &str) -> Option<(&'static str, Option<CompactString>)> {
    let named = BROWSERS.iter().find_map(|(token, name)| Some((*name, after(agent, token)?)));
    if let Some((name, rest)) = named {
        return Some((name, version(rest, 1)));
    }
    by_ground(agent)
}

/// Browsers whose version does not stand behind their name.
fn by_ground(agent: &str) -> Option<(&'static str, Option<CompactString>)> {
    let number = |token| version(after(agent, token).unwrap_or(""), 1);
    if agent.starts_with("Opera") {
        return Some(("Opera", number("Version/").or(number("Opera/")).or(number("Opera "))));
    }
    if agent.contains("Trident/7") && agent.contains("rv:") {
        return Some(("Internet Explorer", number("rv:")));
    }
    if agent.contains("MSIE ") {
        return Some(("Internet Explorer", number("MSIE ")));
    }
    if agent.contains("Android") && agent.contains("AppleWebKit/") {
        return Some(("Android Browser", number("Version/")));
    }
    if agent.contains("BlackBerry") || agent.contains("BB10") {
        return Some(("BlackBerry", number("Version/")));
    }
    let apple = agent.contains("Macintosh") || agent.contains("iPhone") || agent.contains("iP");
    if agent.contains("Safari/") || apple && agent.contains("AppleWebKit/") {
        return Some(("Safari", number("Version/")));
    }
    None
}

fn after<'a>(agent: &'a str, token: &str) -> Option<&'a str> {
    agent.split_once(token).map(|(_, rest)| rest)
}
