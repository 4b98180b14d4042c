//! The crowd before the shop: who comes when. A short rush first, so that there is something to learn from, then a steady
//! stream; some come back with the cookies that they have.

use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;
use tokio::{sync::watch, task::JoinSet};
use url::Url;

use super::{
    browser::{Browser, Shared},
    people::{self, Person},
    visitor::{PRODUCT, Pace, Tally, Visit},
    walk::{Step, exponential},
};

/// Visitors of the rush at the start.
const RUSH: u32 = 120;
/// They think this much faster than people.
const RUSH_HASTE: f64 = 0.01;
/// How many of the rush are in the shop at one time.
const RUSH_AT_ONCE: usize = 8;
/// Visitors at one time, at the most. Above it nobody comes until somebody goes.
const AT_ONCE: usize = 512;
/// Browsers that may come back, at the most.
const KNOWN: usize = 256;
/// How many of a hundred visits are by somebody who was there before.
const RETURNING: u32 = 20;

/// What a crowd is told.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The shop.
    pub(crate) shop: Url,
    /// Visitors a minute, after the rush.
    pub(crate) per_minute: u32,
    /// The seed of all chance.
    pub(crate) seed: u64,
}

/// What a crowd did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    /// Visits that were begun.
    pub(crate) visits: u64,
    /// What came of them.
    pub(crate) tally: Tally,
}

/// A visit that ended: the browser, for the next time.
type Ended = (Browser, Tally);

/// The visitors in the shop and those who may come back.
struct Crowd {
    plan: Plan,
    /// Links that lead from elsewhere right to a product.
    products: Vec<String>,
    shared: Shared,
    rng: Rng,
    stop: watch::Receiver<bool>,
    inside: JoinSet<Ended>,
    known: VecDeque<Browser>,
    total: Total,
}

/// Sends visitors until `stop` becomes true and the last has gone home. `calm` becomes true once the rush has gone home.
///
/// # Errors
/// When no browser can be made, or the front page of the shop does not come. Visitors that fail are counted.
pub(crate) async fn run(
    plan: Plan,
    stop: watch::Receiver<bool>,
    calm: watch::Sender<bool>,
) -> anyhow::Result<Total> {
    let shared = Shared::new()?;
    let mut crowd = Crowd {
        rng: Rng::with_seed(plan.seed),
        products: products(&plan, &shared).await?,
        plan,
        shared,
        stop,
        inside: JoinSet::new(),
        known: VecDeque::new(),
        total: Total::default(),
    };
    crowd.rush().await;
    calm.send_replace(true);
    crowd.stream().await;
    while let Some(ended) = crowd.inside.join_next().await {
        crowd.see_off(ended);
    }
    Ok(crowd.total)
}

/// What the front page links to. Whoever asks here wants not to be tracked, so it counts as nobody.
async fn products(plan: &Plan, shared: &Shared) -> anyhow::Result<Vec<String>> {
    if plan.per_minute == 0 {
        return Ok(Vec::new());
    }
    let nobody = Person { opted_out: true, ..people::person(&mut Rng::with_seed(plan.seed)) };
    let page = Browser::new(shared.clone(), plan.shop.clone(), nobody).open("/", None).await?;
    Ok(page.links.into_iter().filter(|link| link.starts_with(PRODUCT)).collect())
}

impl Crowd {
    /// Lets the rush in, and waits until it has gone home.
    async fn rush(&mut self) {
        for _ in 0..RUSH.min(self.plan.per_minute * 4) {
            self.wait(Duration::ZERO, RUSH_AT_ONCE).await;
            if *self.stop.borrow() {
                return;
            }
            self.let_in(RUSH_HASTE);
        }
        self.wait(Duration::ZERO, 1).await;
    }

    async fn stream(&mut self) {
        if self.plan.per_minute == 0 {
            // Nobody comes; the shop stays open for people.
            let _ = self.stop.wait_for(|stop| *stop).await;
        }
        let mean = 60.0 / f64::from(self.plan.per_minute);
        while !*self.stop.borrow() {
            let until_next = Duration::from_secs_f64(exponential(mean, &mut self.rng).min(60.0));
            self.wait(until_next, AT_ONCE).await;
            if !*self.stop.borrow() {
                self.let_in(1.0);
            }
        }
    }

    /// Waits for a time, and until fewer than `at_once` are inside; or until the end.
    async fn wait(&mut self, time: Duration, at_once: usize) {
        let mut stop = self.stop.clone();
        let next = tokio::time::sleep(time);
        tokio::pin!(next);
        while !next.is_elapsed() || self.inside.len() >= at_once {
            tokio::select! {
                () = &mut next, if !next.is_elapsed() => {}
                Some(ended) = self.inside.join_next() => self.see_off(ended),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn let_in(&mut self, haste: f64) {
        let mut browser = self.browser();
        let mut rng = self.rng.fork();
        let mut arrival = people::arrival(&mut rng);
        let landing = match (arrival.landing, rng.choice(&self.products)) {
            (Step::Product, Some(product)) => product.clone(),
            _ => {
                arrival.landing = Step::Home;
                "/".to_owned()
            }
        };
        let pace = Pace { haste, stop: self.stop.clone() };
        self.total.visits += 1;
        self.inside.spawn(async move {
            let tally = Visit::new(&mut browser, rng, pace).live(&arrival, &landing).await;
            (browser, tally)
        });
    }

    /// Somebody who was there before, or somebody new.
    fn browser(&mut self) -> Browser {
        if self.rng.u32(0..100) < RETURNING
            && let Some(browser) = self.known.pop_front()
        {
            return browser;
        }
        let person = people::person(&mut self.rng);
        Browser::new(self.shared.clone(), self.plan.shop.clone(), person)
    }

    fn see_off(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ok((browser, tally)) = ended else {
            self.total.tally.failed += 1;
            return;
        };
        self.total.tally.pages += tally.pages;
        self.total.tally.failed += tally.failed;
        self.known.push_back(browser);
        if self.known.len() > KNOWN {
            self.known.pop_front();
        }
    }
}
