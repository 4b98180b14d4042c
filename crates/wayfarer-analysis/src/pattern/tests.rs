use proptest::prelude::*;

use super::{matcher::Match, parse};

/// Every event has one name, a letter; these are the masks of a text's letters.
fn masks(pattern: &super::Pattern, events: &str) -> Vec<u64> {
    let meets = |event: char| {
        let names = pattern.conditions.iter().enumerate();
        let holds = names
            .filter(|(_, condition)| format!("{condition:?}").contains(&format!("\"{event}\"")));
        holds.fold(0, |mask, (place, _)| mask | 1 << place)
    };
    events.chars().map(meets).collect()
}

fn found(pattern: &str, events: &str) -> Vec<(usize, usize)> {
    let pattern = parse(pattern).unwrap();
    let matches = pattern.matches(&masks(&pattern, events));
    matches.into_iter().map(|Match { first, last }| (first, last)).collect()
}

#[test]
fn matches_end_early_begin_late_and_share_nothing() {
    assert_eq!(found("a->b", "aab-ab"), [(1, 2), (4, 5)]);
    assert_eq!(found("a->[^b]*->c", "axbxacxxc"), [(4, 5)]);
    assert_eq!(found("a->.*->c", "axac"), [(2, 3)]);
    assert_eq!(found("a->a", "aaaa"), [(0, 1), (2, 3)]);
    assert_eq!(found("^a->b$", "ab"), [(0, 1)]);
    assert_eq!(found("^a->b$", "abb"), []);
    assert_eq!(found("a{2,3}->b", "aaab"), [(1, 3)]);
    assert_eq!(found("a->b?->c", "ac-abc-abbc"), [(0, 1), (3, 5)]);
}

#[test]
fn what_is_no_pattern_is_refused_with_its_place() {
    for (text, problem) in [
        ("", "after 0 characters"),
        ("a->", "after 3 characters"),
        ("a b", "after 2 characters"),
        ("[a", "`]` after 2"),
        ("a{3,2}", "not empty"),
        ("a{0}", "not empty"),
        ("a{999}", "up to 256"),
        ("'a", "closing quote"),
        ("(value >", "`)`"),
        ("()", "a filter"),
        ("a*", "no event at all"),
        ("(vlue > 1)", "cannot read the filter"),
        ("a{256}->".repeat(2).trim_end_matches("->"), "places of a pattern"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn names_paths_quotes_and_filters_are_conditions() {
    let pattern =
        parse("^sign-up -> '/a b' -> [^/c, (value > 1 and path = ')')]+ -> sign-up$").unwrap();
    assert_eq!(pattern.conditions.len(), 4);
    assert_eq!(pattern.places.len(), 5);
}

/// An item of a generated pattern: which letters fit, and how often.
type Item = (&'static str, &'static str);

fn item() -> impl Strategy<Value = Item> {
    let sets = prop::sample::select(&["a", "b", "[a,b]", "[^a]", "."][..]);
    (sets, prop::sample::select(&["", "*", "+", "?", "{2}", "{1,2}"][..]))
}

fn fits(set: &str, event: char) -> bool {
    match set {
        "." => true,
        "[a,b]" => event != 'c',
        "[^a]" => event != 'a',
        name => name.starts_with(event),
    }
}

fn range(times: &str) -> (usize, usize) {
    match times {
        "*" => (0, usize::MAX),
        "+" => (1, usize::MAX),
        "?" => (0, 1),
        "{2}" => (2, 2),
        "{1,2}" => (1, 2),
        _ => (1, 1),
    }
}

/// Whether the items describe exactly these events, by trying every way to share them out.
fn describes(items: &[Item], events: &[char]) -> bool {
    let Some(((set, times), rest)) = items.split_first() else { return events.is_empty() };
    let (least, most) = range(times);
    (least..=most.min(events.len())).any(|taken| {
        events[..taken].iter().all(|event| fits(set, *event)) && describes(rest, &events[taken..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_one_pass_finds_what_the_definition_says(
        items in prop::collection::vec(item(), 1..4), events in "[abc]{0,12}", start in any::<bool>(), end in any::<bool>(),
    ) {
        let written: Vec<String> = items.iter().map(|(set, times)| format!("{set}{times}")).collect();
        let text = format!("{}{}{}", if start { "^" } else { "" }, written.join("->"), if end { "$" } else { "" });
        prop_assume!(items.iter().any(|(_, times)| range(times).0 > 0));
        let chars: Vec<char> = events.chars().collect();
        let (mut expected, mut from) = (Vec::new(), 0);
        for last in 0..chars.len() {
            let is_last = !end || last + 1 == chars.len();
            let first = (from..=last).rev().find(|first| {
                is_last && (!start || *first == 0) && describes(&items, &chars[*first..=last])
            });
            if let Some(first) = first {
                expected.push((first, last));
                from = last + 1;
            }
        }
        prop_assert_eq!(found(&text, &events), expected, "{} in {}", text, events);
    }
}
