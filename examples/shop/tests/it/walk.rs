//! A walk through the shop over real HTTP, with a cookie jar: look around, log in, buy, log out.

use serde_json::{Value, json};
use wayfarer::event::{Insights, RawEvent, Who};

use crate::browser::Shop;

fn names(events: &[RawEvent]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

#[tokio::test]
async fn from_the_door_to_the_purchase() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();

    let home = visitor.get("/").await;
    home.shows("Trail boots");
    home.shows(r#"<script defer src="/wf/script.js" data-api="/wf/events">"#);
    let product = visitor.get("/product/compass").await;
    product.shows("€34.00");
    let cart = visitor.post("/cart/add", "product=compass").await;
    assert_eq!(cart.path, "/cart");
    visitor.post("/cart/add", "product=compass").await;
    let cart = visitor.post("/cart/add", "product=map").await;
    cart.shows("€80.00");
    cart.shows(r#"<b class="count">3</b>"#);
    let cart = visitor.post("/cart/remove", "product=map").await;
    cart.shows("€68.00");

    let login = visitor.get("/checkout").await;
    assert_eq!(login.path, "/login?next=/checkout");
    let wrong = visitor.post("/login", "user=mei&password=demp&next=/checkout").await;
    assert_eq!(wrong.status, 401);
    wrong.shows(r#"name="user" value="mei""#);
    let checkout = visitor.post("/login", "user=mei&password=demo&next=/checkout").await;
    assert_eq!(checkout.path, "/checkout");
    checkout.shows("€68.00");
    let thanks = visitor.post("/checkout", "").await;
    assert_eq!(thanks.path, "/thanks");
    thanks.shows("€68.00");
    thanks.does_not_show(r#"class="count""#);
    visitor.get("/thanks").await.does_not_show("€68.00");
    let home = visitor.post("/logout", "").await;
    home.shows(r#"href="/login""#);

    let purchases = shop.named("purchase").await;
    let [purchase] = purchases.as_slice() else { panic!("{purchases:?}") };
    assert_eq!((purchase.value, purchase.currency.as_deref()), (Some(68.0), Some("EUR")));
    assert_eq!(purchase.user.as_deref(), Some("mei"));
    assert_eq!(Value::from(purchase.props.clone().unwrap()), json!({"items": 2}));
}

#[tokio::test]
async fn a_visit_is_one_story_of_events() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();
    visitor.get("/").await;
    visitor.post("/cart/add", "product=tent").await;
    visitor.post("/login", "user=demo&password=wrong").await;
    visitor.post("/login", "user=demo&password=demo").await;

    let events = shop.events().await;
    assert_eq!(
        names(&events),
        [
            "page_view",
            "session",
            "add_to_cart",
            "page_view",
            "login_failed",
            "login",
            "session",
            "page_view"
        ],
    );
    let subject = events[0].session.clone().expect("a visitor is known from the first page on");
    assert!(events.iter().all(|event| event.session.as_ref() == Some(&subject)), "{events:#?}");
    let users: Vec<_> = events.iter().map(|event| event.user.as_deref()).collect();
    assert_eq!(users[..4], [None; 4], "nobody is known before the log-in");
    assert_eq!(users[5..], [Some("demo"); 3]);
    let failed = serde_json::to_string(&events[4]).unwrap();
    assert!(!failed.contains("wrong"), "no credential is in an event: {failed}");
    let signals: Vec<_> =
        [1, 6].map(|at| events[at].props.as_ref().unwrap()["signal"].clone()).into_iter().collect();
    assert_eq!(signals, ["created", "rotated"]);
    assert!(events.iter().all(|event| event.client.as_ref().is_some_and(|one| one.ip.is_some())));
}

#[tokio::test]
async fn the_models_are_asked_about_this_visitor_in_this_moment() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();
    visitor.get("/").await.shows("Too few visits so far");
    let first = shop.events().await[0].session.clone().unwrap();
    assert_eq!(*shop.oracle.asked.lock().unwrap(), [Who::Session(first)]);

    let says = |pages: Value, rests_on: &str| -> Insights {
        let next = json!([{"path": "/product/map", "share": 0.625, "visits": 5},
                          {"path": "/cart", "share": 0.375, "visits": 3}]);
        let says = json!({"pages": pages, "next_pages": next, "rests_on": rests_on, "visits": 8});
        serde_json::from_value(says).unwrap()
    };
    *shop.oracle.says.lock().unwrap() = says(json!(["/", "/product/compass"]), "transitions");
    let home = visitor.get("/").await;
    home.shows("People who looked at Compass went on to");
    home.shows("Folded map");
    home.shows("62 % · 5 visits");
    home.shows("rests on visits that were there: <b>8</b>");
    *shop.oracle.says.lock().unwrap() = says(json!([]), "popularity");
    visitor.headers = vec![("accept-language", "zh-CN")];
    let home = visitor.get("/").await;
    home.shows("大家最常看");
    home.shows("折叠地图");
}

#[tokio::test]
async fn the_drawer_tells_what_the_session_did() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();
    let home = visitor.get("/").await;
    home.shows("none came: a new visitor");
    home.shows("<code>shop=…; ");
    let secret = visitor.jar["shop"].clone();
    home.does_not_show(&secret);

    let cart = visitor.post("/cart/add", "product=tent").await;
    cart.shows("<code>POST /cart/add</code>");
    cart.shows("<code>+ cart</code>");
    cart.shows("<code>GET /cart</code>");
    cart.shows("load → found");
    let reload = visitor.get("/cart").await;
    reload.does_not_show("POST /cart/add");
    reload.shows("no: nothing was changed");

    let about = visitor.get("/about").await;
    about.shows("came, and its MAC is ours");
    about.does_not_show("load →");
    assert!(about.headers.get("set-cookie").is_none());
    assert!(shop.events().await.last().unwrap().session.is_some(), "it is counted all the same");

    visitor.jar.insert("shop".to_owned(), secret.replace('.', ".x"));
    visitor.jar.insert("drawer".to_owned(), "%3Cscript%3E".to_owned());
    let refused = visitor.get("/about").await;
    refused.shows("refused: not signed by us");
    refused.does_not_show("<script>");
}

#[tokio::test]
async fn the_shop_speaks_two_languages() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();
    visitor.headers = vec![("accept-language", "fr, zh-CN;q=0.8, en;q=0.5")];
    let home = visitor.get("/").await;
    home.shows(r#"<html lang="zh-CN">"#);
    home.shows("行者小店");
    visitor.get("/?lang=en").await.shows("Wayfarer Outfitters");
    visitor.get("/cart").await.shows("Nothing in the cart yet.");
    visitor.get("/cart?lang=zh-CN").await.shows("购物车还是空的");
    for path in ["/", "/about", "/category/camp", "/product/mug", "/login", "/thanks", "/nowhere"] {
        let page = visitor.get(path).await;
        page.shows(r#"<html lang="zh-CN">"#);
        page.does_not_show("<!--drawer-->");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();
    for path in ["/nowhere", "/product/moon", "/category/moon"] {
        assert_eq!(visitor.get(path).await.status, 404, "{path}");
    }
    let cart = visitor.post("/cart/add", "product=moon").await;
    cart.shows("Nothing in the cart yet.");
    assert_eq!(visitor.get("/checkout").await.path, "/cart");
    assert_eq!(visitor.post("/checkout", "").await.path, "/login?next=/checkout");
    assert_eq!(visitor.post("/cart/add", "nonsense").await.status, 422);
    let views = shop.named("page_view").await;
    let statuses: Vec<_> = views.iter().map(|view| view.status.unwrap()).collect();
    assert_eq!(statuses, [404, 404, 404, 200, 200, 200]);
}

#[tokio::test]
async fn a_visitor_who_objects_leaves_no_event() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();
    visitor.headers = vec![("sec-gpc", "1")];
    let home = visitor.get("/").await;
    home.shows("nothing of this visit is recorded");
    home.does_not_show("/wf/script.js");
    visitor.post("/cart/add", "product=tent").await.shows("€329.00");
    visitor.post("/login", "user=demo&password=demo").await;
    assert!(shop.events().await.is_empty(), "{:?}", names(&shop.events().await));
}

#[tokio::test]
async fn beacons_belong_to_the_visitor_of_the_cookie() {
    let shop = Shop::open().await;
    let mut visitor = shop.visitor();
    let beacon = r#"{"name":"engagement","active_ms":1}"#;
    visitor.post("/wf/events", beacon).await;
    visitor.get("/").await;
    let answer = visitor.post("/wf/events", beacon).await;
    assert_eq!(
        (answer.status.as_u16(), answer.html.as_str()),
        (202, r#"{"accepted":1,"declined":0,"rejected":[]}"#)
    );
    let forged = visitor.post("/wf/events", r#"{"name":"x","session":"somebody"}"#).await;
    assert_eq!(forged.status, 400);
    let mut thief = shop.visitor();
    thief.jar.insert("shop".to_owned(), visitor.jar["shop"].replace('.', ".x"));
    thief.post("/wf/events", beacon).await;

    let view = shop.named("page_view").await.remove(0);
    let engagements = shop.named("engagement").await;
    let sessions: Vec<_> = engagements.into_iter().map(|event| event.session).collect();
    assert_eq!(sessions, [None, view.session, None]);
}
