//! Who comes to the shop and from where: tables of browsers, languages and arrivals, and the draw of one visitor from them.

use fastrand::Rng;

use super::walk::{Step, pick};

/// A simulated person and the browser in front of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// The browser.
    pub(crate) device: &'static Device,
    /// What the browser sends as `Accept-Language`.
    pub(crate) language: &'static str,
    /// The browser keeps cookies. To the shop, each page that goes to one that does not goes to somebody new.
    pub(crate) cookies: bool,
    /// The browser sends `Sec-GPC: 1`: nothing of this person may be stored.
    pub(crate) opted_out: bool,
}

/// Where a visit starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The page that the link was on.
    pub(crate) referrer: Option<&'static str>,
    /// What the link carried behind the `?`.
    pub(crate) query: Option<&'static str>,
    /// Where it led: [`Step::Home`] or [`Step::Product`].
    pub(crate) landing: Step,
}

/// A browser on a device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Device {
    weight: u32,
    /// What it sends as `User-Agent`.
    pub(crate) user_agent: &'static str,
    /// Its window, in CSS pixels; empty where it runs no scripts, so that no beacon comes from it.
    pub(crate) screen: &'static str,
}

/// A row of [`DEVICES`].
const fn device(weight: u32, screen: &'static str, user_agent: &'static str) -> Device {
    Device { weight, user_agent, screen }
}

/// Browsers by how often they come.
#[rustfmt::skip]
const DEVICES: [Device; 8] = [
    device(28, "1920x1080", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"),
    device(20, "393x852", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"),
    device(18, "412x915", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"),
    device(11, "1512x982", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15"),
    device(8, "1536x864", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0"),
    device(8, "2560x1440", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
    device(4, "1024x1366", "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"),
    device(3, "", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
];

const LANGUAGES: [(u32, &str); 6] = [
    (40, "en-US,en;q=0.9"),
    (24, "zh-CN,zh;q=0.9,en;q=0.8"),
    (14, "de-DE,de;q=0.9,en;q=0.7"),
    (8, "fr-FR,fr;q=0.9"),
    (7, "ja-JP,ja;q=0.9"),
    (7, "es-ES,es;q=0.9"),
];

/// How often, the referrer, the query.
type Source = (u32, Option<&'static str>, Option<&'static str>);

const SOURCES: [Source; 9] = [
    (30, None, None),
    (24, Some("https://www.google.com/"), None),
    (8, Some("https://www.baidu.com/"), None),
    (5, Some("https://www.bing.com/"), None),
    (7, Some("https://news.ycombinator.com/"), None),
    (6, Some("https://t.co/"), None),
    (5, Some("https://walkers.example/best-boots"), None),
    (8, None, Some("utm_source=newsletter&utm_medium=email&utm_campaign=autumn")),
    (
        7,
        Some("https://www.google.com/"),
        Some("utm_source=google&utm_medium=cpc&utm_campaign=boots&gclid=demo"),
    ),
];

/// Draws a visitor.
pub(crate) fn person(rng: &mut Rng) -> Person {
    let device = pick(&DEVICES, |device| device.weight, rng).unwrap_or(&DEVICES[0]);
    Person {
        device,
        language: pick(&LANGUAGES, |row| row.0, rng).map_or("en", |row| row.1),
        cookies: !device.screen.is_empty() && rng.u32(0..100) >= 2,
        opted_out: rng.u32(0..100) < 2,
    }
}

/// Draws where a visit comes from.
pub(crate) fn arrival(rng: &mut Rng) -> Arrival {
    let (_, referrer, query) = *pick(&SOURCES, |row| row.0, rng).unwrap_or(&SOURCES[0]);
    let landing = if rng.u32(0..100) < 35 { Step::Product } else { Step::Home };
    Arrival { referrer, query, landing }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everybody_comes_in_time() {
        let mut rng = Rng::with_seed(3);
        let people: Vec<Person> = (0..2000).map(|_| person(&mut rng)).collect();
        let agents: HashSet<_> = people.iter().map(|person| person.device.user_agent).collect();
        let languages: HashSet<_> = people.iter().map(|person| person.language).collect();
        assert_eq!(agents.len(), DEVICES.len());
        assert_eq!(languages.len(), LANGUAGES.len());
        assert!(people.iter().any(|person| person.opted_out));
        assert!(people.iter().any(|person| !person.cookies));
        let sources: HashSet<_> =
            (0..2000).map(|_| arrival(&mut rng)).map(|from| (from.referrer, from.query)).collect();
        assert_eq!(sources.len(), SOURCES.len());
    }

    #[test]
    fn the_same_seed_brings_the_same_people() {
        let crowd = || {
            let mut rng = Rng::with_seed(9);
            (0..20).map(|_| person(&mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(crowd(), crowd());
    }
}
