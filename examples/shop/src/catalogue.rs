//! What is for sale. A table; a real shop would have a database here.

use crate::words::{Both, both};

/// A shelf of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Category {
    pub(crate) slug: &'static str,
    pub(crate) name: Both,
}

/// Something for sale.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) slug: &'static str,
    pub(crate) category: &'static str,
    pub(crate) cents: u32,
    pub(crate) name: Both,
    pub(crate) text: Both,
    /// An SVG picture of our own.
    pub(crate) art: &'static str,
}

pub(crate) const CATEGORIES: [Category; 4] = [
    Category { slug: "walk", name: both("Walk", "行走") },
    Category { slug: "carry", name: both("Carry", "背负") },
    Category { slug: "camp", name: both("Camp", "露营") },
    Category { slug: "find", name: both("Find the way", "寻路") },
];

macro_rules! product {
    ($category:literal $slug:literal $cents:literal $en:literal $zh:literal $text:literal $text_zh:literal) => {
        Product {
            slug: $slug,
            category: $category,
            cents: $cents,
            name: both($en, $zh),
            text: both($text, $text_zh),
            art: include_str!(concat!("../templates/art/", $slug, ".svg")),
        }
    };
}

pub(crate) const PRODUCTS: [Product; 12] = [
    product!("walk" "trail-boots" 14900 "Trail boots" "登山靴"
        "Waxed leather, a sole that holds on wet rock, and laces that stay tied."
        "打蜡皮面，湿石头上也站得稳，鞋带系好就不松。"),
    product!("carry" "day-pack" 8900 "Day pack" "日用背包"
        "Twenty litres, one big pocket, one small one. Everything else is noise."
        "二十升，一大一小两个口袋，其余都是多余。"),
    product!("find" "compass" 3400 "Compass" "指南针"
        "Points north. Needs no battery, no signal and no update."
        "永远指北。不用电池，不要信号，也不必更新。"),
    product!("camp" "tent" 32900 "Light tent" "轻量帐篷"
        "Up in four minutes, down in two, dry in between."
        "四分钟搭好，两分钟收起，中间滴水不漏。"),
    product!("walk" "wool-socks" 1900 "Wool socks" "羊毛袜"
        "Merino, two pairs in colours that find each other after washing."
        "美利奴羊毛，两双装，洗完也不会配错对。"),
    product!("carry" "bottle" 2400 "Steel bottle" "钢制水壶"
        "Keeps tea hot until the summit and water cold until the car."
        "登顶时茶还热，下山时水还凉。"),
    product!("find" "map" 1200 "Folded map" "折叠地图"
        "Waterproof, 1:25,000, and it folds the way it came."
        "防水，比例一比两万五，还能照原样折回去。"),
    product!("camp" "lantern" 4500 "Camp lantern" "营地灯"
        "Warm light for two long evenings, to read by or to talk by."
        "两个长夜的暖光，读书聊天都正好。"),
    product!("walk" "rain-shell" 17900 "Rain shell" "防雨外套"
        "Three layers against the weather, none of them loud."
        "三层面料挡风雨，走起路来不沙沙响。"),
    product!("carry" "dry-bag" 2900 "Dry bag" "防水袋"
        "Roll it three times and throw it into the river. Your socks will not mind."
        "卷三圈扔进河里，里面的袜子也不会在意。"),
    product!("find" "binoculars" 21900 "Binoculars" "双筒望远镜"
        "Eight times closer to the bird without moving an inch."
        "一步不动，离那只鸟近八倍。"),
    product!("camp" "mug" 1400 "Enamel mug" "搪瓷杯"
        "Chips a little with every journey, and is better for it."
        "每次旅行磕掉一点瓷，越磕越好看。"),
];

impl Product {
    pub(crate) fn path(&self) -> String {
        format!("/product/{}", self.slug)
    }

    pub(crate) fn price(&self) -> String {
        price(self.cents)
    }
}

/// The product of this name.
pub(crate) fn product(slug: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.slug == slug)
}

/// The product whose page has this path.
pub(crate) fn at_path(path: &str) -> Option<&'static Product> {
    product(path.strip_prefix("/product/")?)
}

/// Cents as euros.
pub(crate) fn price(cents: u32) -> String {
    format!("€{}.{:02}", cents / 100, cents % 100)
}
