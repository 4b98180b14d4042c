//! A page that does not touch its session, and what that costs: nothing.

use askama::Template;
use axum::response::Html;

use crate::{
    page::{Failure, Frame, Visit, render},
    words::{Both, both},
};

#[derive(Template)]
#[template(path = "about.html")]
struct About {
    frame: Frame,
    steps: &'static [(Both, Both)],
}

const STEPS: [(Both, Both); 5] = [
    (
        both("Session", "会话"),
        both(
            "A signed cookie says whose session it is. The row in the store is read only when a page asks for it, and written once, only if something changed.",
            "签名 Cookie 说明会话属于谁。只有页面要用时才读存储，只有改动了才写，而且只写一次。",
        ),
    ),
    (
        both("Event", "事件"),
        both(
            "Each page that is answered becomes one event. The browser adds how long it was really looked at and how far it was scrolled.",
            "每应答一个页面就产生一个事件，浏览器再补上真正看了多久、滚到多深。",
        ),
    ),
    (
        both("Lake", "数据湖"),
        both(
            "Events go into a log on this machine, then into Parquet files that any tool can read. No address is ever stored.",
            "事件先写入本机日志，再存成任何工具都能读的 Parquet 文件。IP 地址从不落盘。",
        ),
    ),
    (
        both("Report", "报表"),
        both(
            "Funnels, retention and paths are computed from all events, exactly, without sampling.",
            "漏斗、留存、路径都由全部事件精确算出，不抽样。",
        ),
    ),
    (
        both("Insight", "洞察"),
        both(
            "While a page is being made, the session can be asked what its visitor may want next. The home page does it.",
            "生成页面时可以直接问会话：这位访客接下来可能想看什么？首页就是这么做的。",
        ),
    ),
];

pub(crate) async fn show(visit: Visit) -> Result<Html<String>, Failure> {
    render(&About { frame: visit.frame_without_session(), steps: &STEPS })
}
