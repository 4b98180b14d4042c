use jiff::civil::Date;
use serde_json::json;

use super::*;
use crate::SaltError;

struct Fixed;

impl Salts for Fixed {
    fn identity(&self) -> [u8; 32] {
        [1; 32]
    }

    fn daily(&self, day: Date) -> Result<[u8; 32], SaltError> {
        if day.year() == 1999 {
            return Err(SaltError { day, problem: "no disk".into() });
        }
        Ok([u8::try_from(day.day()).unwrap(); 32])
    }
}

const NOW: Micros = Micros(1_767_225_600_000_000);
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

fn client() -> Client {
    Client {
        ip: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some(CHROME.into()),
        ..Client::default()
    }
}

fn collect(kind: DoorKind, site: &Site, json: &serde_json::Value) -> Outcome {
    let raw = serde_json::from_value(json.clone()).unwrap();
    let client = client();
    let door = Door { site, kind, client: Some(&client), received_at: NOW };
    Collector::new(Arc::new(Fixed)).collect(raw, &door)
}

fn site() -> Site {
    Site { own_hosts: vec!["shop.example".into()], ..Site::new("s") }
}

fn take(kind: DoorKind, json: &serde_json::Value) -> Event {
    match collect(kind, &site(), json) {
        Outcome::Take(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn reason(kind: DoorKind, json: &serde_json::Value) -> String {
    match collect(kind, &site(), json) {
        Outcome::Reject(reject) => reject.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_browser_s_page_view_becomes_an_event() {
    let event = take(
        DoorKind::Browser,
        &json!({"name":"page_view","url":"https://Shop.Example/p/1?utm_source=google&utm_medium=cpc&q=secret#x",
            "referrer":"https://www.google.com/search?q=secret","title":"T","age_ms":1500,
            "screen":"1920x1080","language":"de-de,en","props":{"a":1},"currency":"eur"}),
    );
    assert_eq!(event.host.as_deref(), Some("shop.example"));
    assert_eq!(event.path.as_deref(), Some("/p/1"));
    assert_eq!(event.referrer.as_deref(), Some("www.google.com/search"));
    assert_eq!(event.source.as_deref(), Some("Google"));
    assert_eq!(event.channel.as_deref(), Some("Paid Search"));
    assert_eq!(event.ts, NOW.plus(-1_500_000));
    assert_eq!(event.language.as_deref(), Some("de-DE"));
    assert_eq!(event.browser.as_deref(), Some("Chrome"));
    assert_eq!(event.device.as_deref(), Some("desktop"));
    assert_eq!(event.bot_reason, None);
    assert_eq!(event.visitor_kind, VisitorKind::Daily);
    assert_eq!(event.props.as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(event.currency.as_deref(), Some("EUR"));
    let all = format!("{event:?}");
    assert!(!all.contains("secret") && !all.contains("192.0.2.7") && !all.contains("Mozilla"));
}

#[test]
fn a_browser_may_not_say_what_a_server_may() {
    for (field, value) in [
        ("user", json!("u")),
        ("ts", json!(0)),
        ("client", json!({})),
        ("session", json!("another")),
    ] {
        let claim = json!({"name": "a", field: value});
        let expected = format!("`{field}` may not be set with a browser token");
        assert_eq!(reason(DoorKind::Browser, &claim), expected);
    }
    let event = take(
        DoorKind::Server,
        &json!({"name":"a","user":"u","ts":1000,"session":"x","client":{"ip":"192.0.2.9"}}),
    );
    assert_eq!(event.user.as_deref(), Some("u"));
    assert_eq!(event.ts, Micros(1_000_000));
    assert_eq!(event.visitor_kind, VisitorKind::Subject);
}

#[test]
fn clocks_that_are_years_off_are_told() {
    let ahead = |s: i64| json!({"name":"a","visitor":"v","ts": NOW.0 / 1000 + s * 1000});
    assert_eq!(take(DoorKind::Server, &ahead(3600)).ts, NOW);
    assert_eq!(
        reason(DoorKind::Server, &ahead(90_000)),
        "`ts` is more than a day ahead of the collector's clock"
    );
    assert_eq!(take(DoorKind::Server, &ahead(-40 * 365 * 86_400)).ts.0 / 31_556_952_000_000, 16);
    let old = json!({"name":"a","age_ms": 172_800_001});
    assert_eq!(reason(DoorKind::Browser, &old), "`age_ms` is more than 48 hours");
    let both = json!({"name":"a","visitor":"v","ts":1,"age_ms":1});
    assert_eq!(reason(DoorKind::Server, &both), "`age_ms` cannot stand beside `ts`");
}

#[test]
fn a_visitor_who_declines_is_not_stored() {
    for said in ["dnt", "gpc"] {
        let claim = json!({"name":"a","session":"x","client":{said: true}});
        assert_eq!(collect(DoorKind::InProcess, &site(), &claim), Outcome::Decline);
        let client = Client { dnt: said == "dnt", gpc: said == "gpc", ..client() };
        let site = site();
        let door =
            Door { site: &site, kind: DoorKind::Browser, client: Some(&client), received_at: NOW };
        let outcome = Collector::new(Arc::new(Fixed)).collect(RawEvent::new("a"), &door);
        assert_eq!(outcome, Outcome::Decline);
    }
}

#[test]
fn the_strongest_claim_tells_the_visitor() {
    let server = |claim: serde_json::Value| take(DoorKind::Server, &claim);
    let subject = server(json!({"name":"a","session":"x","visitor":"v"}));
    let same = server(json!({"name":"b","session":"x","client":{"ip":"192.0.2.9"}}));
    assert_eq!(subject.visitor, same.visitor);
    let party = server(json!({"name":"a","visitor":"v","user":"u"}));
    assert_eq!(party.visitor_kind, VisitorKind::FirstParty);
    let user = server(json!({"name":"a","user":"u"}));
    let claimed = server(json!({"name":"a","visitor":"u"}));
    assert_ne!(user.visitor, claimed.visitor);
    assert_eq!(
        reason(DoorKind::Server, &json!({"name":"a"})),
        "nothing says whose event it is: set `session`, `visitor`, `user` or `client.ip`"
    );
}

#[test]
fn a_daily_visitor_changes_with_the_day_of_the_site() {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let site = Site { timezone: zone, ..site() };
    let at = |ts: &str| {
        let claim = json!({"name":"a","ts":ts,"client":{"ip":"192.0.2.9","user_agent":CHROME}});
        match collect(DoorKind::Server, &site, &claim) {
            Outcome::Take(event) => event.visitor,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(at("2025-05-01T16:00:00Z"), at("2025-05-02T15:59:59Z"));
    assert_ne!(at("2025-05-01T15:59:59Z"), at("2025-05-01T16:00:00Z"));
}

#[test]
fn own_hosts_are_no_referrer() {
    for referrer in ["https://www.shop.example/a", "http://pay.shop.example/", "https://a.example/"]
    {
        let event = take(
            DoorKind::Browser,
            &json!({"name":"page_view","url":"https://a.example/","referrer":referrer}),
        );
        assert_eq!(event.referrer, None);
        assert_eq!(event.source.as_deref(), Some("Direct"));
        assert_eq!(event.channel.as_deref(), Some("Direct"));
    }
    let click = take(DoorKind::Browser, &json!({"name":"click","url":"https://a.example/"}));
    assert_eq!(click.source, None);
}

#[test]
fn a_missing_agent_is_a_bot_only_where_it_is_known_to_be_missing() {
    let server = |client| take(DoorKind::Server, &json!({"name":"a","client":client})).bot_reason;
    assert_eq!(server(json!({"ip":"192.0.2.9"})), None);
    assert_eq!(server(json!({"ip":"192.0.2.9","user_agent":""})).as_deref(), Some("no-ua"));
    assert_eq!(take(DoorKind::Server, &json!({"name":"a","session":"x"})).bot_reason, None);
    let inside = take(DoorKind::InProcess, &json!({"name":"a","client":{"ip":"192.0.2.9"}}));
    assert_eq!(inside.bot_reason.as_deref(), Some("no-ua"));
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        (json!({"name":"a","site":"t"}), "`site` is not the site that this sender speaks for"),
        (
            json!({"name":"a","url":"nowhere"}),
            "`url` is not an address such as https://example.org/page",
        ),
        (json!({"name":"a","host":"a b"}), "`host` is not a host"),
        (json!({"name":"a","screen":"big"}), "`screen` is not a size such as 1920x1080"),
        (
            json!({"name":"a","currency":"€"}),
            "`currency` is not three letters of ISO 4217, such as EUR",
        ),
        (json!({"name":""}), "`name` is required"),
    ];
    for (claim, expected) in cases {
        assert_eq!(reason(DoorKind::Browser, &claim), expected);
    }
    let lost = json!({"name":"a","ts":"1999-01-01T12:00:00Z","client":{"ip":"192.0.2.9"}});
    let lost = reason(DoorKind::Server, &lost);
    assert_eq!(
        lost,
        "the visitor could not be hashed: the salt of 1999-01-01 is not available: no disk"
    );
}

#[test]
fn a_reduced_referrer_stays_what_it_is() {
    let event = take(
        DoorKind::Server,
        &json!({"name":"page_view","visitor":"v","referrer":"www.bing.com/search"}),
    );
    assert_eq!(event.referrer.as_deref(), Some("www.bing.com/search"));
    assert_eq!(event.source.as_deref(), Some("Bing"));
    let event =
        take(DoorKind::Server, &json!({"name":"page_view","visitor":"v","referrer":"nonsense"}));
    assert_eq!(event.referrer, None);
}

#[test]
fn a_referrer_that_is_an_address_is_masked_unless_it_is_the_page_s_own() {
    let from = |url: &str| {
        let claim = json!({"name":"page_view","url":url,"referrer":"http://127.0.0.1:8081/a"});
        let event = take(DoorKind::Browser, &claim);
        (event.referrer.map(String::from), event.channel.map(String::from))
    };
    assert_eq!(from("http://127.0.0.1:8081/b"), (None, Some("Direct".into())));
    assert_eq!(from("http://a.example/"), (Some("[address]/a".into()), Some("Referral".into())));
}
