use wayfarer_event::{Event, Micros, VisitorId};

use super::*;

fn event() -> Event {
    Event {
        visitor: VisitorId(0xab),
        name: "page_view".into(),
        path: Some("/product/7".into()),
        status: Some(404),
        value: Some(12.5),
        ts: Micros(1_767_225_600_000_000),
        props: Some(r#"{"plan":"pro","seats":12,"text":"9","vip":true,"it's":"x"}"#.into()),
        ..Event::default()
    }
}

fn selects(filter: &str) -> bool {
    parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).selects(&event())
}

fn problem(filter: &str) -> String {
    parse(filter).expect_err(filter).to_string()
}

#[test]
fn comparisons_select() {
    for filter in [
        "name = 'page_view'",
        "event = \"page_view\"",
        "name == 'page_view' AND status = 404",
        "path ~ '^/product/'",
        "path !~ '^/list/'",
        "path > '/product/6' and path <= '/product/7'",
        "status in (403, 404) and status not in (200)",
        "value > 12 and value < 13 and value >= 12.5",
        "status != 200 and not status <> 404",
        "country is null and path is not null",
        "ts = '2026-01-01T00:00:00Z' and ts < '2026-01-01T00:00:01Z'",
        "visitor = '00000000000000ab'",
        "prop.plan = 'pro' and prop.seats > 9 and prop.seats = '12' and prop.text < 10",
        "prop.vip = true and prop.vip ~ 'ru' and prop.none is null",
        "prop.'it''s' = 'x'",
        "name = 'x' or name = 'page_view' and status = 404",
        "(name = 'x' or name = 'page_view') and status = 404",
    ] {
        assert!(selects(filter), "{filter}");
        assert!(!selects(&format!("not ({filter})")), "not ({filter})");
    }
}

#[test]
fn and_binds_tighter_than_or() {
    assert!(selects("name = 'page_view' or name = 'x' and status = 1"));
    assert!(!selects("(name = 'page_view' or name = 'x') and status = 1"));
}

#[test]
fn what_is_unknown_is_neither_true_nor_false() {
    for filter in [
        "country = 'DE'",
        "country != 'DE'",
        "not country = 'DE'",
        "country not in ('DE')",
        "country !~ 'D'",
        "prop.plan > 3",
        "prop.plan != 3",
        "prop.none != 'x'",
        "country = 'DE' or status = 1",
        "not (country = 'DE' and status = 404)",
    ] {
        assert!(!selects(filter), "{filter}");
    }
    assert!(selects("country = 'DE' or status = 404"));
    assert!(selects("not (country = 'DE' and status = 1)"));
}

#[test]
fn an_error_names_the_place_and_what_to_do() {
    for (filter, expected) in [
        ("", "at character 1: expected a field, found the end"),
        ("paht = '/'", "at character 1: there is no field `paht`, did you mean `path`?"),
        ("zzzzz = 1", "at character 1: there is no field `zzzzz`"),
        ("path = 'x", "at character 8: the text that begins here has no end"),
        ("path = 5", "at character 8: `path` is text: write the value in quotes"),
        ("status = '404'", "at character 10: `status` is a number: write the value without quotes"),
        ("status ~ '4'", "at character 8: `status` is no text: patterns are for text"),
        ("ts > 'now'", "at character 6: `ts` is a time: write it as '2026-05-04T12:30:00Z'"),
        ("path = /x", "at character 8: expected a field, a value or an operator, found `/`"),
        ("path = x", "at character 8: expected a number, or a text in quotes, found `x`"),
        ("path is 'x'", "at character 9: expected `null`, found `'x'`"),
        ("path not 'x'", "at character 10: expected `in`, found `'x'`"),
        ("path in 'x'", "at character 9: expected `(`, found `'x'`"),
        ("(path = 'x'", "at character 12: expected `)`, found the end"),
        ("path = 'x' path", "at character 12: expected `and`, `or` or the end, found `path`"),
        ("path ~ '('", "at character 8: not a regular expression: unclosed group"),
        (
            "visitor = 'x'",
            "at character 11: `visitor` is written with sixteen hexadecimal digits, in quotes",
        ),
        ("'ü' = path", "at character 1: expected a field, found `'ü'`"),
        (
            "name = 'ü' or naem = 'x'",
            "at character 15: there is no field `naem`, did you mean `name`?",
        ),
        ("value > 1x", "at character 9: expected a number, found `1x`"),
    ] {
        assert_eq!(problem(filter), expected, "{filter}");
    }
}

#[test]
fn no_filter_is_too_much_to_refuse() {
    assert!(problem(&"(".repeat(200)).contains("nested deeper than 100"));
    assert!(problem(&"not ".repeat(200)).contains("nested deeper than 100"));
    assert!(problem(&" ".repeat(70_000)).contains("longer than 64 KiB"));
    assert!(problem("path ~ '(((a{100}){100}){100})'").contains("not a regular expression"));
    let wide = vec!["path = 'x'"; 500].join(" or ");
    assert!(parse(&wide).is_ok());
}
