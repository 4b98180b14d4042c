//! The table of sources: search engines, social networks, video, shops, mail, AI assistants. A new one is one row.

use Kind::{Ai, Mail, Search, Shop, Social, Video};

/// What kind of place a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Search,
    Social,
    Video,
    Shop,
    Mail,
    Ai,
}

impl Kind {
    /// The channel of a link that nobody paid for.
    pub(super) fn organic(self) -> &'static str {
        match self {
            Search => "Organic Search",
            Social => "Organic Social",
            Video => "Organic Video",
            Shop => "Organic Shopping",
            Mail => "Email",
            Ai => "AI Assistants",
        }
    }

    /// The channel of a link that was paid for.
    pub(super) fn paid(self) -> &'static str {
        match self {
            Search => "Paid Search",
            Social => "Paid Social",
            Video => "Paid Video",
            Shop => "Paid Shopping",
            Mail | Ai => "Paid Other",
        }
    }
}

/// A source: one row of [`SOURCES`].
#[derive(Debug)]
pub(super) struct Source {
    /// As reports show it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Its hosts; the hosts below them are its own too. `google.*` is Google in any country. The longest row wins.
    pub(super) hosts: &'static [&'static str],
    /// What campaigns call it, in lower case.
    pub(super) names: &'static [&'static str],
}

const fn row(
    name: &'static str,
    kind: Kind,
    hosts: &'static [&'static str],
    names: &'static [&'static str],
) -> Source {
    Source { name, kind, hosts, names }
}

/// Every source that is known by name.
#[rustfmt::skip]
pub(super) static SOURCES: &[Source] = &[
    row("Google", Search, &["google.*", "googleadservices.com", "doubleclick.net", "com.google.android.googlequicksearchbox"], &["google", "adwords", "googleads", "google-ads", "google_ads"]),
    row("Google News", Search, &["news.google.com"], &["google news", "googlenews"]),
    row("Bing", Search, &["bing.com"], &["bing", "bingads", "microsoft-ads"]),
    row("Yahoo", Search, &["yahoo.*", "search.yahoo.com", "yahoo.co.jp"], &["yahoo"]),
    row("DuckDuckGo", Search, &["duckduckgo.com", "ddg.gg"], &["duckduckgo", "ddg"]),
    row("Ecosia", Search, &["ecosia.org"], &["ecosia"]),
    row("Brave Search", Search, &["search.brave.com"], &["brave"]),
    row("Startpage", Search, &["startpage.com", "ixquick.com"], &["startpage"]),
    row("Qwant", Search, &["qwant.com"], &["qwant"]),
    row("Kagi", Search, &["kagi.com"], &["kagi"]),
    row("Mojeek", Search, &["mojeek.com"], &["mojeek"]),
    row("Swisscows", Search, &["swisscows.com", "swisscows.ch"], &[]),
    row("MetaGer", Search, &["metager.de", "metager.org"], &[]),
    row("Yandex", Search, &["yandex.*", "ya.ru"], &["yandex", "yandex_direct"]),
    row("Mail.ru Search", Search, &["go.mail.ru"], &[]),
    row("Rambler", Search, &["nova.rambler.ru", "rambler.ru"], &["rambler"]),
    row("Seznam", Search, &["search.seznam.cz", "seznam.cz"], &["seznam", "sklik"]),
    row("Naver", Search, &["naver.com"], &["naver"]),
    row("Daum", Search, &["daum.net"], &["daum"]),
    row("Baidu", Search, &["baidu.com"], &["baidu", "百度"]),
    row("Sogou", Search, &["sogou.com"], &["sogou", "搜狗"]),
    row("360 Search", Search, &["so.com", "haosou.com"], &["360", "so.com"]),
    row("Shenma", Search, &["sm.cn"], &["shenma", "神马"]),
    row("Quark", Search, &["quark.sm.cn", "quark.cn"], &["quark"]),
    row("Toutiao Search", Search, &["so.toutiao.com"], &[]),
    row("Coc Coc", Search, &["coccoc.com"], &["coccoc"]),
    row("Ask", Search, &["ask.com"], &["ask"]),
    row("AOL", Search, &["search.aol.com", "aol.com"], &["aol"]),
    row("Dogpile", Search, &["dogpile.com"], &[]),
    row("Lycos", Search, &["lycos.com", "lycos.de"], &["lycos"]),

    row("Facebook", Social, &["facebook.com", "fb.com", "fb.me", "com.facebook.katana"], &["facebook", "fb", "facebook.com", "facebook-ads", "facebookads", "meta"]),
    row("Messenger", Social, &["messenger.com", "m.me"], &["messenger"]),
    row("Instagram", Social, &["instagram.com", "com.instagram.android"], &["instagram", "ig", "insta"]),
    row("Threads", Social, &["threads.net", "threads.com"], &["threads"]),
    row("WhatsApp", Social, &["whatsapp.com", "wa.me", "com.whatsapp"], &["whatsapp"]),
    row("X", Social, &["twitter.com", "t.co", "x.com", "com.twitter.android"], &["twitter", "x", "t.co"]),
    row("LinkedIn", Social, &["linkedin.com", "lnkd.in", "com.linkedin.android"], &["linkedin"]),
    row("Reddit", Social, &["reddit.com", "redd.it", "com.reddit.frontpage"], &["reddit"]),
    row("Pinterest", Social, &["pinterest.*", "pin.it"], &["pinterest"]),
    row("Snapchat", Social, &["snapchat.com"], &["snapchat"]),
    row("TikTok", Social, &["tiktok.com"], &["tiktok"]),
    row("Telegram", Social, &["telegram.org", "t.me", "telegram.me", "org.telegram.messenger"], &["telegram"]),
    row("Discord", Social, &["discord.com", "discordapp.com", "discord.gg"], &["discord"]),
    row("Slack", Social, &["slack.com", "com.slack"], &["slack"]),
    row("Mastodon", Social, &["mastodon.social", "mastodon.online", "mstdn.social", "fosstodon.org", "hachyderm.io", "infosec.exchange", "mas.to", "joinmastodon.org"], &["mastodon", "fediverse"]),
    row("Bluesky", Social, &["bsky.app", "bsky.social"], &["bluesky", "bsky"]),
    row("Lemmy", Social, &["lemmy.world", "lemmy.ml"], &["lemmy"]),
    row("Tumblr", Social, &["tumblr.com"], &["tumblr"]),
    row("Quora", Social, &["quora.com"], &["quora"]),
    row("Medium", Social, &["medium.com"], &["medium"]),
    row("Substack", Social, &["substack.com"], &["substack"]),
    row("Hacker News", Social, &["news.ycombinator.com"], &["hackernews", "hn"]),
    row("Lobsters", Social, &["lobste.rs"], &["lobsters"]),
    row("Product Hunt", Social, &["producthunt.com"], &["producthunt"]),
    row("Stack Overflow", Social, &["stackoverflow.com", "stackexchange.com", "serverfault.com", "superuser.com", "askubuntu.com"], &["stackoverflow"]),
    row("Slashdot", Social, &["slashdot.org"], &["slashdot"]),
    row("Digg", Social, &["digg.com"], &["digg"]),
    row("StumbleUpon", Social, &["stumbleupon.com"], &["stumbleupon"]),
    row("Delicious", Social, &["del.icio.us", "delicious.com"], &["delicious"]),
    row("Flipboard", Social, &["flipboard.com"], &["flipboard"]),
    row("Pocket", Social, &["getpocket.com"], &["pocket"]),
    row("Xing", Social, &["xing.com"], &["xing"]),
    row("Viadeo", Social, &["viadeo.com"], &["viadeo"]),
    row("VK", Social, &["vk.com", "vkontakte.ru"], &["vk", "vkontakte"]),
    row("Odnoklassniki", Social, &["ok.ru", "odnoklassniki.ru"], &["ok.ru"]),
    row("LINE", Social, &["line.me"], &["line"]),
    row("KakaoTalk", Social, &["kakao.com"], &["kakao", "kakaotalk"]),
    row("Hatena", Social, &["b.hatena.ne.jp", "hatena.ne.jp"], &["hatena"]),
    row("Weibo", Social, &["weibo.com", "weibo.cn", "t.cn"], &["weibo", "微博"]),
    row("WeChat", Social, &["weixin.qq.com", "wechat.com", "weixin110.qq.com"], &["wechat", "weixin", "微信"]),
    row("QQ", Social, &["qq.com", "qzone.qq.com", "url.cn"], &["qq", "qzone"]),
    row("Douban", Social, &["douban.com"], &["douban", "豆瓣"]),
    row("Zhihu", Social, &["zhihu.com"], &["zhihu", "知乎"]),
    row("Xiaohongshu", Social, &["xiaohongshu.com", "xhslink.com"], &["xiaohongshu", "xhs", "小红书", "rednote"]),
    row("Douyin", Social, &["douyin.com", "iesdouyin.com"], &["douyin", "抖音"]),
    row("Toutiao", Social, &["toutiao.com"], &["toutiao", "头条"]),
    row("Kuaishou", Social, &["kuaishou.com"], &["kuaishou", "快手"]),
    row("Tieba", Social, &["tieba.baidu.com"], &["tieba", "贴吧"]),
    row("Juejin", Social, &["juejin.cn", "juejin.im"], &["juejin", "掘金"]),
    row("CSDN", Social, &["csdn.net"], &["csdn"]),
    row("V2EX", Social, &["v2ex.com"], &["v2ex"]),

    row("YouTube", Video, &["youtube.com", "youtu.be", "com.google.android.youtube"], &["youtube", "yt"]),
    row("Vimeo", Video, &["vimeo.com"], &["vimeo"]),
    row("Dailymotion", Video, &["dailymotion.com", "dai.ly"], &["dailymotion"]),
    row("Twitch", Video, &["twitch.tv"], &["twitch"]),
    row("Bilibili", Video, &["bilibili.com", "b23.tv"], &["bilibili", "哔哩哔哩", "b站"]),
    row("Youku", Video, &["youku.com"], &["youku", "优酷"]),
    row("iQIYI", Video, &["iqiyi.com"], &["iqiyi", "爱奇艺"]),
    row("Tencent Video", Video, &["v.qq.com"], &[]),
    row("Rutube", Video, &["rutube.ru"], &["rutube"]),
    row("Niconico", Video, &["nicovideo.jp"], &["niconico"]),
    row("Netflix", Video, &["netflix.com"], &["netflix"]),
    row("TED", Video, &["ted.com"], &["ted"]),

    row("Amazon", Shop, &["amazon.*"], &["amazon"]),
    row("eBay", Shop, &["ebay.*"], &["ebay"]),
    row("Etsy", Shop, &["etsy.com"], &["etsy"]),
    row("Google Shopping", Shop, &["shopping.google.com"], &["google shopping", "google_shopping"]),
    row("AliExpress", Shop, &["aliexpress.com"], &["aliexpress"]),
    row("Alibaba", Shop, &["alibaba.com", "1688.com"], &["alibaba"]),
    row("Taobao", Shop, &["taobao.com", "tmall.com"], &["taobao", "tmall", "淘宝", "天猫"]),
    row("JD.com", Shop, &["jd.com"], &["jd", "京东"]),
    row("Pinduoduo", Shop, &["pinduoduo.com", "yangkeduo.com"], &["pinduoduo", "拼多多"]),
    row("Walmart", Shop, &["walmart.com"], &["walmart"]),
    row("Shopify", Shop, &["shop.app"], &["shopify"]),
    row("Rakuten", Shop, &["rakuten.co.jp", "rakuten.com"], &["rakuten"]),
    row("idealo", Shop, &["idealo.*"], &["idealo"]),

    row("Gmail", Mail, &["mail.google.com", "com.google.android.gm"], &["gmail"]),
    row("Outlook", Mail, &["outlook.live.com", "outlook.office.com", "outlook.office365.com", "mail.live.com", "outlook.com"], &["outlook", "hotmail"]),
    row("Yahoo Mail", Mail, &["mail.yahoo.com", "mail.yahoo.co.jp"], &["yahoo mail"]),
    row("Proton Mail", Mail, &["mail.proton.me", "proton.me", "protonmail.com"], &["protonmail"]),
    row("Fastmail", Mail, &["fastmail.com"], &["fastmail"]),
    row("GMX", Mail, &["gmx.net", "gmx.com"], &["gmx"]),
    row("Web.de", Mail, &["web.de"], &["web.de"]),
    row("Mail.ru", Mail, &["e.mail.ru", "mail.ru"], &["mail.ru"]),
    row("Yandex Mail", Mail, &["mail.yandex.ru", "mail.yandex.com"], &[]),
    row("QQ Mail", Mail, &["mail.qq.com", "exmail.qq.com"], &[]),
    row("NetEase Mail", Mail, &["mail.163.com", "mail.126.com"], &[]),
    row("Zoho Mail", Mail, &["mail.zoho.com"], &["zoho"]),
    row("Mailchimp", Mail, &["mailchimp.com", "list-manage.com", "mailchi.mp"], &["mailchimp"]),

    row("ChatGPT", Ai, &["chatgpt.com", "chat.openai.com", "openai.com"], &["chatgpt", "openai"]),
    row("Claude", Ai, &["claude.ai"], &["claude"]),
    row("Gemini", Ai, &["gemini.google.com", "bard.google.com"], &["gemini"]),
    row("Copilot", Ai, &["copilot.microsoft.com", "copilot.com"], &["copilot"]),
    row("Perplexity", Ai, &["perplexity.ai"], &["perplexity"]),
    row("Grok", Ai, &["grok.com"], &["grok"]),
    row("Le Chat", Ai, &["chat.mistral.ai"], &["mistral"]),
    row("Meta AI", Ai, &["meta.ai"], &[]),
    row("DeepSeek", Ai, &["deepseek.com"], &["deepseek"]),
    row("Kimi", Ai, &["kimi.com", "kimi.ai", "kimi.moonshot.cn"], &["kimi"]),
    row("Doubao", Ai, &["doubao.com"], &["doubao", "豆包"]),
    row("Qwen", Ai, &["tongyi.aliyun.com", "tongyi.com", "chat.qwen.ai", "qianwen.com"], &["qwen", "tongyi", "通义"]),
    row("Ernie Bot", Ai, &["yiyan.baidu.com"], &["yiyan", "文心一言"]),
    row("Yuanbao", Ai, &["yuanbao.tencent.com"], &["yuanbao", "元宝"]),
    row("Zhipu", Ai, &["chatglm.cn", "z.ai"], &["chatglm"]),
    row("Phind", Ai, &["phind.com"], &["phind"]),
    row("You.com", Ai, &["you.com"], &[]),
    row("Poe", Ai, &["poe.com"], &["poe"]),
];
