//! The shop's words in both languages, and the choice between them.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};

/// A language of the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lang {
    #[default]
    En,
    Zh,
}

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Both {
    en: &'static str,
    zh: &'static str,
}

pub(crate) const fn both(en: &'static str, zh: &'static str) -> Both {
    Both { en, zh }
}

impl Both {
    pub(crate) fn text(&self, lang: &Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Zh => self.zh,
        }
    }
}

impl Lang {
    /// The language's name, as HTML and HTTP know it.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Zh => "zh-CN",
        }
    }

    pub(crate) fn words(self) -> &'static Words {
        match self {
            Lang::En => &EN,
            Lang::Zh => &ZH,
        }
    }

    fn parse(tag: &str) -> Option<Lang> {
        match tag.get(..2)? {
            start if start.eq_ignore_ascii_case("zh") => Some(Lang::Zh),
            start if start.eq_ignore_ascii_case("en") => Some(Lang::En),
            _ => None,
        }
    }

    /// `?lang=` in the address.
    fn asked_for(parts: &Parts) -> Option<Lang> {
        let query = parts.uri.query()?;
        query.split('&').find_map(|pair| Lang::parse(pair.strip_prefix("lang=")?))
    }

    /// The cookie in which an earlier `?lang=` is kept. A choice of language is no secret and needs no session.
    fn remembered(headers: &HeaderMap) -> Option<Lang> {
        Lang::parse(cookie(headers, "lang")?)
    }

    /// The first language of the browser's that is ours.
    fn accepted(headers: &HeaderMap) -> Option<Lang> {
        let languages = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        languages.split(',').find_map(|language| Lang::parse(language.trim()))
    }
}

/// The value of the cookie of this name.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split("; "));
    pairs
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value)
}

impl<S: Sync> FromRequestParts<S> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Lang, Infallible> {
        let lang = Lang::asked_for(parts)
            .or_else(|| Lang::remembered(&parts.headers))
            .or_else(|| Lang::accepted(&parts.headers));
        Ok(lang.unwrap_or_default())
    }
}

/// Keeps a language that was asked for in the address.
pub(crate) async fn remember(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Lang::asked_for(&parts);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(lang) = asked {
        let cookie = match lang {
            Lang::En => "lang=en; Path=/; SameSite=Lax",
            Lang::Zh => "lang=zh-CN; Path=/; SameSite=Lax",
        };
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    response
}

macro_rules! words {
    ($($name:ident $en:literal $zh:literal;)*) => {
        /// Every text of the shop that is not of a product.
        #[derive(Debug)]
        pub(crate) struct Words {
            $(pub(crate) $name: &'static str,)*
        }

        const EN: Words = Words { $($name: $en,)* };
        const ZH: Words = Words { $($name: $zh,)* };
    };
}

words! {
    shop "Wayfarer Outfitters" "行者小店";
    slogan "Twelve things for the way, and nothing you will not carry." "上路只需这十二样，多一件都嫌重。";
    demo "An example shop for Wayfarer: nothing is sold, everything is tracked by your own server." "Wayfarer 的示例商店：不卖真货，所有行为只记录在你自己的服务器上。";
    everything "Everything" "全部";
    cart "Cart" "购物车";
    about "How it works" "工作原理";
    log_in "Log in" "登录";
    log_out "Log out" "退出";
    skip "Skip to the content" "跳到正文";
    add "Put into the cart" "加入购物车";
    remove "Remove" "移除";
    also "From the same shelf" "同架商品";
    cart_empty "Nothing in the cart yet." "购物车还是空的。";
    look_around "Look around" "去逛逛";
    total "Total" "合计";
    to_checkout "To the checkout" "去结算";
    checkout "Checkout" "结算";
    pay "Pay (not really)" "付款（演示）";
    pay_note "This sends a purchase event with its value. No money moves." "将发送一个带金额的 purchase 事件，不会真的扣款。";
    thanks "Thank you" "谢谢惠顾";
    thanks_text "Your order is on its way, at least in the dashboard." "订单已经上路，至少在仪表盘里是这样。";
    order "Order of" "订单金额";
    user "Account" "账号";
    password "Password" "密码";
    wrong "That account and password do not go together." "账号与密码不匹配。";
    accounts "Two demo accounts: demo and mei. The password of both is demo." "两个演示账号：demo 和 mei，密码都是 demo。";
    log_in_first "Log in to pay." "登录后即可付款。";
    not_found "There is nothing here" "这里什么也没有";
    not_found_text "Not even a sock." "连一只袜子都没有。";
    failed "Something went wrong on our side. Please try again." "服务器出错了，请重试。";
    insights "What the models say" "模型怎么说";
    went_on "People who were on this page went on to" "看过此页的人接着去了";
    went_on_from "People who looked at" "看过";
    went_on_from_end "went on to" "的人接着去了";
    popular "Where most visits go" "大家最常看";
    rests_on_transitions "rests on visits that were there:" "依据去过那里的访问次数：";
    rests_on_popularity "too few went this way, so it rests on all visits:" "走这条路的人太少，依据全部访问次数：";
    too_few "Too few visits so far to say where people go next. Visits seen:" "访问还太少，说不准大家接着会去哪。已见访问次数：";
    no_insights "The insights cannot be reached at the moment." "暂时取不到洞察结果。";
    of_visits "visits" "次访问";
    untracked "Your browser asks not to be tracked (DNT or GPC), so nothing of this visit is recorded." "你的浏览器要求不被跟踪（DNT 或 GPC），本次访问不做任何记录。";
    dashboard "Dashboard" "仪表盘";
    drawer "Your session, behind this page" "此页背后的会话";
    drawer_cookie "Cookie" "Cookie";
    drawer_lookup "Store calls" "存储调用";
    drawer_read "Read" "读取";
    drawer_changed "Changed" "修改";
    drawer_saved "Saved" "保存";
    drawer_set_cookie "Set-Cookie" "Set-Cookie";
    cookie_nothing "none came: a new visitor" "没有：新访客";
    cookie_unopened "came, and nobody looked at it" "带来了，但没人看它";
    cookie_genuine "came, and its MAC is ours" "带来了，签名有效";
    cookie_refused "came, and was refused: not signed by us" "带来了，但被拒绝：不是我们签的";
    none "none" "无";
    nothing "nothing" "无";
    saved_yes "yes, once, before the answer went out" "是，应答发出前保存一次";
    saved_no "no: nothing was changed" "否：没有改动";
    bytes "bytes" "字节";
    about_lead "This page does not touch its session. Open the drawer below: no store was called for it, and yet the visit is counted, since the cookie's MAC alone says whose it is." "这个页面不碰会话。打开下方抽屉看看：没有任何存储调用，访问却照样计入，因为仅凭 Cookie 的签名就能认出是谁。";
}
