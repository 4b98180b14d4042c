//! One visit, from the arrival to the last beacon: the chain says what to do, the browser does it.

use std::time::Duration;

use fastrand::Rng;
use serde_json::json;

use super::{
    browser::{Browser, Page},
    html::Form,
    people::Arrival,
    walk::{Step, Walk, think},
};

/// Links to products start so.
pub(crate) const PRODUCT: &str = "/product/";
/// Links to shelves start so.
const CATEGORY: &str = "/category/";

/// What came of a visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Pages that were asked for and came.
    pub(crate) pages: u64,
    /// Requests without the answer that a browser expects.
    pub(crate) failed: u64,
}

/// How fast, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Thoughts take this share of their time: 1 for people.
    pub(crate) haste: f64,
    /// Becomes true when everybody shall go home.
    pub(crate) stop: tokio::sync::watch::Receiver<bool>,
}

impl Pace {
    /// Everybody shall go home.
    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits, but not past the end.
    async fn wait(&mut self, time: Duration) {
        let ended = self.stop.wait_for(|stop| *stop);
        // A sender that is gone means the same as one that says stop.
        let _ = tokio::time::timeout(time, ended).await;
    }
}

/// A visitor in the shop.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    browser: &'a mut Browser,
    rng: Rng,
    pace: Pace,
    page: Option<Page>,
    tally: Tally,
}

impl<'a> Visit<'a> {
    /// A visitor at the door.
    pub(crate) fn new(browser: &'a mut Browser, rng: Rng, pace: Pace) -> Visit<'a> {
        Visit { browser, rng, pace, page: None, tally: Tally::default() }
    }

    /// Lives through the whole visit. A request that fails ends it.
    pub(crate) async fn live(mut self, arrival: &Arrival, landing: &str) -> Tally {
        let link = match arrival.query {
            Some(query) => format!("{landing}?{query}"),
            None => landing.to_owned(),
        };
        let mut walk = Walk::starting_at(arrival.landing, self.browser.person().cookies);
        let mut step = arrival.landing;
        let mut shown = self.browser.open(&link, arrival.referrer).await;
        while self.shows(shown) && step != Step::Leave {
            self.look_at(step).await;
            step = if self.pace.stopped() { Step::Leave } else { walk.next(&mut self.rng) };
            shown = match (step, self.page.clone()) {
                (Step::Leave, _) | (_, None) => break,
                (_, Some(page)) => self.act(step, &page).await,
            };
        }
        self.tally
    }

    fn shows(&mut self, page: anyhow::Result<Page>) -> bool {
        match page {
            Ok(page) if !page.status.is_server_error() => {
                self.tally.pages += 1;
                self.page = Some(page);
                true
            }
            Ok(page) => self.failed(&format!("{} answered {}", page.url.path(), page.status)),
            Err(error) => self.failed(&format!("{error:#}")),
        }
    }

    fn failed(&mut self, why: &str) -> bool {
        tracing::warn!(why, "a simulated visitor got no page");
        self.tally.failed += 1;
        false
    }

    async fn look_at(&mut self, step: Step) {
        let time = think(step, &mut self.rng).mul_f64(self.pace.haste);
        self.pace.wait(time).await;
        let Some(page) = self.page.clone() else { return };
        let Some(beacons) = &page.beacons else { return };
        if self.browser.person().device.screen.is_empty() {
            return;
        }
        let body = self.engagement(&page, time);
        if let Err(error) = self.browser.beacon(&page, beacons, body).await {
            self.failed(&format!("{error:#}"));
        }
    }

    /// The tracker's account of a page, as it says it when the page is left.
    fn engagement(&mut self, page: &Page, time: Duration) -> String {
        let active = time.mul_f64(0.6 + 0.4 * self.rng.f64()).as_millis();
        let mut event = json!({
            "name": "engagement",
            "url": page.url.as_str(),
            "active_ms": u64::try_from(active).unwrap_or(u64::MAX),
            "scroll": self.rng.u8(10..=100),
            "screen": self.browser.person().device.screen,
        });
        if let Some(view) = &page.view {
            event["props"] = json!({ "page": view });
        }
        event.to_string()
    }

    async fn act(&mut self, step: Step, page: &Page) -> anyhow::Result<Page> {
        let here = page.url.to_string();
        match step {
            Step::Product => self.follow(page, PRODUCT).await,
            Step::Category => self.follow(page, CATEGORY).await,
            Step::Cart => self.browser.open("/cart", Some(&here)).await,
            Step::Checkout => self.browser.open("/checkout", Some(&here)).await,
            Step::LogInForm => self.browser.open("/login", Some(&here)).await,
            Step::Add => self.submit(page, "/cart", &[]).await,
            Step::Pay => self.submit(page, "/checkout", &[]).await,
            Step::LogOut => self.submit(page, "/logout", &[]).await,
            Step::LogIn => self.log_in(page, true).await,
            Step::LogInWrong => self.log_in(page, false).await,
            Step::Home | Step::Leave => self.browser.open("/", Some(&here)).await,
        }
    }

    /// Follows one of the page's links that start so; goes to the front page where there is none.
    async fn follow(&mut self, page: &Page, start: &str) -> anyhow::Result<Page> {
        let leads_on = |link: &&String| link.starts_with(start) && link.as_str() != page.url.path();
        let links: Vec<&String> = page.links.iter().filter(leads_on).collect();
        // People look at the first links most.
        let place = links.len() as f64 * self.rng.f64().powi(2);
        #[expect(clippy::cast_possible_truncation, reason = "a place in a list of links")]
        #[expect(clippy::cast_sign_loss, reason = "a product of what is not negative")]
        let link = links.get(place as usize).map_or("/", |link| link.as_str());
        self.browser.open(link, Some(page.url.as_str())).await
    }

    async fn log_in(&mut self, page: &Page, right: bool) -> anyhow::Result<Page> {
        let user = if self.browser.person().language.starts_with("zh") { "mei" } else { "demo" };
        let password = if right { "demo" } else { "demp" };
        self.submit(page, "/login", &[("user", user), ("password", password)]).await
    }

    /// Fills in the form of the page that goes to `action`, and sends it.
    async fn submit(
        &mut self,
        page: &Page,
        action: &str,
        filled: &[(&str, &str)],
    ) -> anyhow::Result<Page> {
        let Some(form) = page.forms.iter().find(|form| form.action.starts_with(action)) else {
            anyhow::bail!("{} has no form to {action}", page.url.path());
        };
        let mut form = form.clone();
        filled.iter().for_each(|(name, value)| fill(&mut form, name, value));
        self.browser.submit(page, &form).await
    }
}

fn fill(form: &mut Form, name: &str, value: &str) {
    match form.fields.iter_mut().find(|(field, _)| field == name) {
        Some((_, old)) => value.clone_into(old),
        None => form.fields.push((name.to_owned(), value.to_owned())),
    }
}
