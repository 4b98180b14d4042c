use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Every message of a file with the variables that it names. The files hold no terms and no attributes.
fn messages(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in lang.source().lines() {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            current = line.split(" = ").next().unwrap().to_owned();
            let double = messages.insert(current.clone(), BTreeSet::new());
            assert!(double.is_none(), "{current} stands twice in {lang}");
        }
        for part in line.split("{ $").skip(1) {
            let name: String = part
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
                .collect();
            messages.get_mut(&current).unwrap().insert(name);
        }
    }
    messages
}

#[test]
fn every_language_has_the_same_messages_with_the_same_variables() {
    assert_eq!(messages(Lang::En), messages(Lang::ZhCn));
    assert!(messages(Lang::En).len() > 1);
}

#[test]
fn every_line_can_be_read() {
    for lang in Lang::ALL {
        let resource = FluentResource::try_new(lang.source().to_owned());
        assert!(resource.is_ok(), "{:?}", resource.err().map(|(_, errors)| errors));
        let words = Catalogue::new(lang);
        for key in messages(lang).keys() {
            assert!(words.has(key), "{key} in {lang}");
        }
    }
}

#[test]
fn a_plural_is_chosen_by_its_number() {
    let count =
        |lang, count: u64| Catalogue::new(lang).with("live-missed", &[("count", count.into())]);
    assert_eq!(count(Lang::En, 1), "1 event was left out");
    assert_eq!(count(Lang::En, 2), "2 events were left out");
    assert_eq!(count(Lang::ZhCn, 2), "有 2 个事件未显示");
}

#[test]
fn a_language_is_found_in_what_browsers_and_terminals_say() {
    assert_eq!(Lang::negotiate("zh-CN,zh;q=0.9,en;q=0.8"), Lang::ZhCn);
    assert_eq!(Lang::negotiate("de,en;q=0.5,zh;q=0.4"), Lang::En);
    assert_eq!(Lang::negotiate("en;q=0.1,zh-Hans;q=0.2"), Lang::ZhCn);
    assert_eq!(Lang::negotiate("zh;q=0"), Lang::En);
    assert_eq!(Lang::negotiate(""), Lang::En);
    let environment = |name: &str| match name {
        "LC_ALL" => Some(String::new()),
        "LANG" => Some("zh_CN.UTF-8".to_owned()),
        _ => None,
    };
    assert_eq!(Lang::of_environment(environment), Lang::ZhCn);
    assert_eq!(Lang::of_environment(|_| None), Lang::En);
}

#[test]
fn a_message_that_is_missing_is_shown_by_its_key() {
    assert_eq!(Catalogue::new(Lang::En).text("no-such-message"), "no-such-message");
}

#[test]
fn whole_numbers_are_grouped() {
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (-1_234_567, "-1,234,567"),
        (i64::MIN, "-9,223,372,036,854,775,808"),
    ] {
        assert_eq!(grouped(number), text);
    }
}
