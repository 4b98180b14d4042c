//! The dashboard in a real browser.

mod real {
    use fantoccini::Locator;
    use wayfarer_embedded::{Scope, SiteSpec};
    use wayfarer_testkit::Browser;

    use crate::house::House;

    #[tokio::test]
    async fn what_happens_shows_without_a_reload_and_markup_stays_text() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path()).await;
        let token = house.token(SiteSpec::new("shop"), Scope::Server).await;
        let browser = Browser::start("zh-CN").await.unwrap();
        let page = browser.client();
        page.goto(&house.url("/")).await.unwrap();
        let heading = page.find(Locator::Css("#now-h")).await.unwrap();
        assert_eq!(heading.text().await.unwrap(), "当前在线");
        page.execute("window.stayed = true", vec![]).await.unwrap();

        let event = r#"{"name":"page_view","visitor":"v","path":"/<b>bold</b>"}"#;
        assert_eq!(house.post(&token, &[], event).await.status, 202);
        let row = page.wait().for_element(Locator::Css("#feed li .cut")).await.unwrap();
        assert_eq!(row.text().await.unwrap(), "/<b>bold</b>");
        let active = Locator::XPath("//*[@id='active'][.='1']");
        page.wait().for_element(active).await.unwrap();
        let visitors = Locator::XPath("//*[@id='overview']//li[1]//*[@class='number'][.='1']");
        page.wait().for_element(visitors).await.unwrap();
        let listed = Locator::XPath("//*[@id='list-1']//a[.='/<b>bold</b>']");
        page.wait().for_element(listed).await.unwrap();
        let stayed = page.execute("return window.stayed", vec![]).await.unwrap();
        assert_eq!(stayed, true, "the page was not loaded again");

        page.find(listed).await.unwrap().click().await.unwrap();
        let chip = page.wait().for_element(Locator::Css(".chip code")).await.unwrap();
        assert_eq!(chip.text().await.unwrap(), "path = '/<b>bold</b>'");
        browser.close().await.unwrap();
        house.close().await;
    }
}
