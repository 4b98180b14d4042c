//! The whole loop in one process: visitors walk, the lake keeps, the models learn, and the home page tells the next visitor.

use std::{net::SocketAddr, time::Duration};

use tempfile::TempDir;
use wayfarer::{
    event::{Insights, Micros, Who},
    track::{Tracker, TrackerOptions},
};
use wayfarer_embedded::{Options, SiteSpec, Wayfarer};

use crate::browser::{Visitor, serve};

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

struct Loop {
    wayfarer: Wayfarer,
    address: SocketAddr,
    _folder: TempDir,
}

impl Loop {
    async fn open() -> Loop {
        let folder = TempDir::new().unwrap();
        let wayfarer = Wayfarer::open(folder.path(), Options::default()).await.unwrap();
        let now = Micros::from(wayfarer.now());
        wayfarer.control().ensure_site(&SiteSpec::new("shop"), now).await.unwrap();
        let tracker = Tracker::new("shop", wayfarer.sink("shop"), TrackerOptions::default());
        let address = serve(tracker, wayfarer.insight_source("shop")).await;
        Loop { wayfarer, address, _folder: folder }
    }

    /// So many visitors who look at these pages, one after the other.
    async fn visitors(&self, number: usize, pages: &[&str]) {
        for _ in 0..number {
            let mut visitor = Visitor::of(self.address);
            visitor.headers = vec![("user-agent", AGENT)];
            for page in pages {
                visitor.get(page).await;
            }
            self.knows(&visitor.jar["shop"], pages.len()).await;
        }
    }

    /// Waits until the models know of so many pages of the visitor with this cookie, and gives what they say.
    async fn knows(&self, cookie: &str, pages: usize) -> Insights {
        // The cookie is `subject.secret.mac`.
        let who = Who::Session(cookie.split('.').next().unwrap().to_owned());
        let known = async {
            loop {
                let insights = self.wayfarer.insights("shop", &who).unwrap();
                if insights.pages.len() >= pages {
                    return insights;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), known).await.unwrap()
    }
}

#[tokio::test]
async fn what_visitors_did_shows_where_the_next_one_may_go() {
    let around = Loop::open().await;
    let mut visitor = Visitor::of(around.address);
    visitor.headers = vec![("user-agent", AGENT)];
    visitor.get("/product/mug").await;
    around.knows(&visitor.jar["shop"], 1).await;
    visitor.get("/").await.shows("Too few visits so far");

    around.visitors(6, &["/product/compass", "/product/map"]).await;
    around.visitors(2, &["/product/compass", "/product/binoculars"]).await;
    visitor.get("/product/compass").await;
    around.knows(&visitor.jar["shop"], 3).await;
    let home = visitor.get("/").await;
    home.shows("People who looked at Compass went on to");
    home.shows("<b>Folded map</b>");
    home.shows("<b>Binoculars</b>");
    home.shows("2 visits");
    around.wayfarer.close().await.unwrap();
}

mod real {
    use fantoccini::{Client, Locator};
    use wayfarer_testkit::Browser;

    use super::*;

    /// Clicks on the link to this page, and waits until it is shown.
    async fn follow(page: &Client, path: &str) {
        let link = format!("a[href='{path}']");
        page.find(Locator::Css(&link)).await.unwrap().click().await.unwrap();
        let to = page.current_url().await.unwrap().join(path).unwrap();
        page.wait().for_url(&to).await.unwrap();
        page.wait().for_element(Locator::Css(".drawer")).await.unwrap();
    }

    #[tokio::test]
    async fn a_browser_that_looks_at_four_products_is_told_what_follows() {
        let around = Loop::open().await;
        around.visitors(7, &["/product/compass", "/product/map"]).await;
        let browser = Browser::start("en").await.unwrap();
        let page = browser.client();
        page.goto(&format!("http://{}/product/tent", around.address)).await.unwrap();
        // From one product to another of the same shelf; then by the shelf of the next.
        for path in ["/product/lantern", "/", "/product/map", "/product/compass"] {
            follow(page, path).await;
        }
        let cookie = page.get_named_cookie("shop").await.unwrap();
        around.knows(cookie.value(), 5).await;
        follow(page, "/").await;
        let text = page.find(Locator::Css(".hint")).await.unwrap().text().await.unwrap();
        assert!(text.contains("People who looked at Compass went on to"), "{text}");
        // The visitor's own visit has been there too, and has not gone on yet.
        assert!(text.contains("Folded map\n88 % · 7 visits"), "{text}");
        assert!(text.contains("rests on visits that were there: 8"), "{text}");
        browser.close().await.unwrap();
        around.wayfarer.close().await.unwrap();
    }
}
