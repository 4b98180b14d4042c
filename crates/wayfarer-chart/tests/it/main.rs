//! Charts from the outside: any data in, well-formed SVG out.

use proptest::prelude::*;
use wayfarer_chart::{ChartError, KINDS, Kind, Numbers, Plot, Series, Style, Theme, bar, line};

fn days() -> Plot {
    Plot {
        title: "访客 Visitors <b>".into(),
        labels: (1..=14).map(|day| format!("5月{day}日")).collect(),
        series: vec![
            Series::new("访客", (1..=14).map(|day| f64::from(day * day % 11) * 61_234_567.0)),
            Series {
                name: "Visits & \"more\"".into(),
                values: (1..=14).map(|day| (day % 5 != 0).then(|| f64::from(day) * 2e7)).collect(),
            },
        ],
        ..Plot::default()
    }
}

/// Whether every element is closed, in order, and no text breaks out.
fn is_well_formed(svg: &str) -> bool {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let Some((tag, text)) = tag.split_once('>') else { return false };
        if text.contains('"') || tag.matches('"').count() % 2 != 0 {
            return false;
        }
        match tag.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return false,
            Some(_) => {}
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap_or("")),
        }
    }
    open.is_empty()
}

#[test]
fn a_chart_is_well_formed_and_always_the_same() {
    for kind in KINDS {
        for theme in [Theme::Light, Theme::Dark] {
            let style = Style { theme, ..Style::default() };
            let svg = kind.draw(&days(), &style).unwrap();
            assert!(is_well_formed(&svg), "{svg}");
            assert_eq!(svg, kind.draw(&days(), &style).unwrap());
            assert!(svg.contains("aria-label=\"访客 Visitors &lt;b&gt;\""), "{svg}");
            assert!(svg.contains("viewBox=\"0 0 800 280\" width=\"100%\""));
            assert!(!svg.contains("<style") && !svg.contains("<script") && !svg.contains(" data-"));
        }
    }
}

#[test]
fn large_counts_stay_exact() {
    let plot = Plot {
        labels: vec!["a".into(), "b".into()],
        series: vec![Series::new("n", [16_777_217.0, 123_456_789_013.0])],
        ..Plot::default()
    };
    for kind in KINDS {
        let svg = kind.draw(&plot, &Style::default()).unwrap();
        for text in [">a: 16,777,217<", ">b: 123,456,789,013<", ">150,000,000,000<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }
}

#[test]
fn what_is_not_known_is_a_gap_and_not_zero() {
    let gaps =
        Series { name: "n".into(), values: vec![Some(5.0), None, Some(f64::NAN), Some(7.0)] };
    let labels = ["a", "b", "c", "d"].map(String::from).to_vec();
    let plot = Plot { labels, series: vec![gaps], ..Plot::default() };
    let svg = line(&plot, &Style::default()).unwrap();
    assert!(svg.contains(">b: –<") && svg.contains(">c: –<") && svg.contains(">d: 7<"), "{svg}");
    assert_eq!(svg.matches("<circle").count(), 2);
    let svg = bar(&plot, &Style::default()).unwrap();
    assert!(!svg.contains("NaN"), "{svg}");
}

#[test]
fn nothing_to_draw_says_so() {
    let plot = Plot { empty: "no data".into(), ..Plot::default() };
    for kind in KINDS {
        let svg = kind.draw(&plot, &Style::default()).unwrap();
        assert!(svg.contains(">no data<") && is_well_formed(&svg), "{svg}");
    }
}

#[test]
fn a_plot_that_does_not_fit_together_is_refused() {
    let mut plot = days();
    plot.labels.pop();
    let error = line(&plot, &Style::default()).unwrap_err();
    assert_eq!(error.to_string(), "series `访客` has 14 values for 13 labels");
    let plot = Plot { series: vec![Series::default(); 9], ..Plot::default() };
    assert_eq!(bar(&plot, &Style::default()), Err(ChartError::TooMuch { what: "series", most: 8 }));
}

#[test]
fn a_kind_is_found_by_its_name() {
    for kind in KINDS {
        assert_eq!(Kind::by_name(kind.name).unwrap().name, kind.name);
    }
    assert!(Kind::by_name("pie").is_none());
}

fn plots() -> impl Strategy<Value = Plot> {
    let value = prop_oneof![
        any::<f64>().prop_map(Some),
        (-1e6..1e6).prop_map(Some),
        Just(None),
        Just(Some(0.0))
    ];
    (0_usize..40, 0_usize..4, "\\PC{0,20}", 0_u8..3).prop_flat_map(
        move |(labels, rows, text, n)| {
            let values = prop::collection::vec(value.clone(), labels);
            let name = text.clone();
            let series = values.prop_map(move |values| Series { name: name.clone(), values });
            let series = prop::collection::vec(series, rows);
            series.prop_map(move |series| Plot {
                title: text.clone(),
                labels: vec![text.clone(); labels],
                series,
                numbers: [Numbers::Plain, Numbers::Share, Numbers::Seconds][usize::from(n)],
                empty: text.clone(),
            })
        },
    )
}

proptest! {
    #[test]
    fn any_data_gives_well_formed_charts(plot in plots(), width: u16, height: u16) {
        let style = Style { width, height, theme: Theme::Dark };
        for kind in KINDS {
            let svg = kind.draw(&plot, &style).unwrap();
            prop_assert!(is_well_formed(&svg), "{}", svg);
            prop_assert!(!svg.contains("NaN") && !svg.contains("=\"inf"), "{}", svg);
        }
    }
}

/// Writes every chart to a folder, to be looked at: `WAYFARER_CHARTS=/tmp/charts cargo test -p wayfarer-chart`.
#[test]
fn charts_can_be_looked_at() {
    let Some(folder) = std::env::var_os("WAYFARER_CHARTS").map(std::path::PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    let hours = Plot {
        title: "Visitors by hour".into(),
        labels: (0..96).map(|h| format!("{:02}:00", h % 24)).collect(),
        series: vec![Series::new(
            "visitors",
            (0..96).map(|h| f64::from(h % 24 * (30 - h % 24)) + 7.0),
        )],
        ..Plot::default()
    };
    let four = Plot {
        title: "By day".into(),
        labels: ["17 May", "18 May", "19 May", "20 May"].map(String::from).to_vec(),
        series: vec![Series::new("visitors", [359.0, 643.0, 570.0, 523.0])],
        ..Plot::default()
    };
    let pages = Plot {
        title: "热门页面".into(),
        labels: [
            "/",
            "/products/the-very-long-name-of-a-thing",
            "/blog/你好世界你好世界你好",
            "/cart",
        ]
        .map(String::from)
        .to_vec(),
        series: vec![Series::new("views", [1200.0, 877.0, 345.0, 12.0])],
        ..Plot::default()
    };
    let plots = [("days", days()), ("hours", hours), ("four", four), ("pages", pages)];
    let mut html =
        String::from("<meta charset=utf-8><body style='font-family:sans-serif;margin:12px'>");
    for (theme, ground) in [(Theme::Light, "#fff"), (Theme::Dark, "#111827")] {
        html += &format!(
            "<div style='background:{ground};display:grid;grid-template-columns:1fr 1fr;gap:16px;padding:12px'>"
        );
        for (_, plot) in &plots {
            for kind in KINDS {
                html += &format!(
                    "<div>{}</div>",
                    kind.draw(plot, &Style { theme, ..Style::default() }).unwrap()
                );
            }
        }
        html += "</div>";
    }
    std::fs::write(folder.join("charts.html"), html).unwrap();
}
