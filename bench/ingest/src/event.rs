//! The events of the load: a shop's visitors, each different from the last, the same in every run.

use wayfarer_event::{Event, Micros, Text, VisitorId, VisitorKind};

/// The site that events go to.
pub(crate) const SITE: &str = "bench";

/// When the first event happens.
const BEGIN: i64 = 1_767_225_600_000_000;

const AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36",
];

/// Draws events.
pub(crate) struct Source {
    random: fastrand::Rng,
    drawn: i64,
}

impl Source {
    /// A source of its own for each writer.
    pub(crate) fn new(writer: usize) -> Source {
        Source { random: fastrand::Rng::with_seed(writer as u64), drawn: 0 }
    }

    /// An event as the lake takes it.
    pub(crate) fn event(&mut self) -> Event {
        self.drawn += 1;
        let ts = Micros(BEGIN + self.drawn * 1000);
        Event {
            site: Text::const_new(SITE),
            visitor: VisitorId(self.random.u64(..200_000).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            visitor_kind: VisitorKind::FirstParty,
            name: Text::const_new("page_view"),
            ts,
            received_at: ts,
            host: Some(Text::const_new("shop.example")),
            path: Some(Text::from(format!("/product/{}", self.random.u16(..5000)))),
            country: Some(Text::const_new("DE")),
            browser: Some(Text::const_new("Firefox")),
            os: Some(Text::const_new("Linux")),
            device: Some(Text::const_new("desktop")),
            ..Event::default()
        }
    }

    /// An event as JSON for the collector's door: with an address and a user agent, as a server sends it.
    pub(crate) fn json(&mut self, into: &mut String) {
        use std::fmt::Write as _;
        self.drawn += 1;
        let (visitor, product) = (self.random.u32(..200_000), self.random.u16(..5000));
        let agent = self.random.choice(AGENTS).copied().unwrap_or_default();
        let (a, b) = (self.random.u8(..), self.random.u8(..));
        // Writing to a String cannot fail.
        let _ = write!(
            into,
            r#"{{"name":"page_view","visitor":"v{visitor}","url":"https://shop.example/product/{product}?utm_source=mail","title":"Product {product}","screen":"1920x1080","language":"de-DE","client":{{"ip":"198.51.{a}.{b}","user_agent":"{agent}"}}}}"#
        );
    }

    /// A batch of them.
    pub(crate) fn batch(&mut self, events: usize, into: &mut String) {
        into.push_str(r#"{"events":["#);
        for place in 0..events {
            if place > 0 {
                into.push(',');
            }
            self.json(into);
        }
        into.push_str("]}");
    }
}
