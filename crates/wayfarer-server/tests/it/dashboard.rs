//! The pages for people: the right numbers, in both languages, and nothing that does not belong there.

use serde_json::json;
use wayfarer_embedded::{Scope, SiteSpec};

use crate::house::House;

/// A house where 1234 visitors saw `/`, and 11 of them `/it's <b>`.
async fn filled(folder: &std::path::Path) -> House {
    let house = House::open(folder).await;
    let token = house.token(SiteSpec::new("shop"), Scope::Server).await;
    let view = |n: usize, path: &str| {
        json!({"name": "page_view", "visitor": format!("v{n}"), "path": path}).to_string()
    };
    let mut events: Vec<String> = (0..1234).map(|n| view(n, "/")).collect();
    events.extend((0..11).map(|n| view(n, "/it's <b>")));
    for part in events.chunks(800) {
        assert_eq!(house.post(&token, &[], part.join("\n")).await.status, 202);
    }
    house
}

/// The text of a page without its tags, words apart.
fn words(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_numbers_are_there_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let house = filled(folder.path()).await;
    for (lang, numbers) in [
        ("en", ["Visitors 1,234", "Visits 1,234", "Page views 1,245", "Here now"]),
        ("zh-CN", ["访客数 1,234", "访问次数 1,234", "浏览量 1,245", "当前在线"]),
    ] {
        let page = house.get("/", &[("accept-language", lang)]).await;
        assert_eq!(page.status, 200);
        let text = words(&page.text());
        assert!(page.text().contains(&format!("<html lang=\"{lang}\">")));
        for number in numbers {
            assert!(text.contains(number), "{number} in {text}");
        }
        assert!(text.contains("/it&#39;s &#60;b&#62; 11"), "{text}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_row_is_a_link_to_the_same_page_with_a_filter() {
    let folder = tempfile::tempdir().unwrap();
    let house = filled(folder.path()).await;
    let page = house.get("/?period=today", &[]).await.text();
    let link = page.split("href=\"").find(|part| part.contains("it%27%27s")).unwrap();
    let link = link.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let filtered = house.get(&link, &[]).await;
    let text = words(&filtered.text());
    assert!(text.contains("Visitors 11"), "{text}");
    assert!(text.contains("Remove filter") || filtered.text().contains("Remove filter"));
    house.close().await;
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_explained_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let house = filled(folder.path()).await;
    let page = house.get("/?filter=path+%3D+%3Cscript%3E&lang=en", &[]).await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("This filter cannot be used"));
    assert!(!page.text().contains("= <script>"));
    house.close().await;
}

#[tokio::test]
async fn the_language_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let house = filled(folder.path()).await;
    let page = house.get("/?lang=zh-CN", &[]).await;
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.starts_with("wayfarer_lang=zh-CN;"));
    let pair = cookie.split(';').next().unwrap();
    let again = house.get("/", &[("cookie", pair)]).await;
    assert!(again.text().contains("<html lang=\"zh-CN\">"));
    assert_eq!(again.header("set-cookie"), None);
    house.close().await;
}

#[tokio::test]
async fn a_page_loads_nothing_from_elsewhere_and_runs_nothing_inline() {
    let folder = tempfile::tempdir().unwrap();
    let house = filled(folder.path()).await;
    let page = house.get("/", &[]).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let html = page.text();
    for forbidden in [" style=", "<style", "onclick", "src=\"http", "href=\"http", "<script>"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    for asset in ["dashboard.css", "dashboard.js", "icon.svg"] {
        assert_eq!(house.get(&format!("/assets/{asset}"), &[]).await.status, 200);
    }
    assert_eq!(house.get("/assets/../Cargo.toml", &[]).await.status, 404);
    assert_eq!(house.get("/", &[("host", "evil.example")]).await.status, 421);
    house.close().await;
}

#[tokio::test]
async fn an_empty_folder_says_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let page = house.get("/?lang=en", &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("admin site add"));
    assert_eq!(house.get("/?site=nobody", &[]).await.status, 404);
    house.token(SiteSpec::new("new"), Scope::Server).await;
    let page = house.get("/?lang=en", &[]).await;
    assert!(words(&page.text()).contains("Visitors 0"), "{}", words(&page.text()));
    house.close().await;
}
