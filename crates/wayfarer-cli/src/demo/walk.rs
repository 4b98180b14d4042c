//! What a visitor of the shop does next: a Markov chain over steps, with the time that people take for each. Pure: chance
//! comes in from outside, pages and requests are left to [`visitor`](super::visitor).

use std::time::Duration;

use fastrand::Rng;

/// One thing that a visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Goes to the front page.
    Home,
    /// Looks through a shelf.
    Category,
    /// Follows a link to a product.
    Product,
    /// Puts the product that is shown into the cart.
    Add,
    /// Looks into the cart.
    Cart,
    /// Opens the form to log in.
    LogInForm,
    /// Logs in with a wrong password.
    LogInWrong,
    /// Logs in.
    LogIn,
    /// Goes to pay.
    Checkout,
    /// Pays.
    Pay,
    /// Logs out.
    LogOut,
    /// Goes away.
    Leave,
}

/// What may follow a step, and how likely it is beside the others of its row.
type Row = &'static [(Step, u32)];

/// The chain. One row a step; a step without a row ends the visit.
fn row(step: Step) -> Row {
    use Step::{
        Add, Cart, Category, Checkout, Home, Leave, LogIn, LogInForm, LogInWrong, LogOut, Pay,
        Product,
    };
    match step {
        Home => &[(Product, 50), (Category, 18), (LogInForm, 6), (Cart, 3), (Leave, 23)],
        Category => &[(Product, 70), (Category, 10), (Home, 6), (Leave, 14)],
        Product => &[(Product, 38), (Add, 22), (Home, 12), (Category, 6), (Leave, 22)],
        Add => &[(Cart, 50), (Product, 35), (Home, 8), (Leave, 7)],
        Cart => &[(Checkout, 58), (Product, 20), (Home, 7), (Leave, 15)],
        LogInForm => &[(LogIn, 70), (LogInWrong, 22), (Leave, 8)],
        LogInWrong => &[(LogIn, 68), (LogInWrong, 14), (Leave, 18)],
        LogIn => &[(Home, 55), (Cart, 45)],
        Checkout => &[(Pay, 78), (Cart, 7), (Leave, 15)],
        Pay => &[(Home, 30), (LogOut, 15), (Leave, 55)],
        LogOut => &[(Leave, 80), (Home, 20)],
        Leave => &[],
    }
}

/// A visitor's way through the shop. It remembers what a chain of first order would forget: whether there is something in
/// the cart, whether the visitor is logged in, and how long the visit is already.
#[derive(Debug)]
pub(crate) struct Walk {
    at: Step,
    steps: u32,
    buys: bool,
    in_cart: u32,
    logged_in: bool,
}

/// After so many steps everybody goes home.
const LONGEST: u32 = 40;

impl Walk {
    /// A visit that starts with `first`. Whoever keeps no cookies has no cart and no account, and only looks.
    pub(crate) fn starting_at(first: Step, keeps_cookies: bool) -> Walk {
        Walk { at: first, steps: 0, buys: keeps_cookies, in_cart: 0, logged_in: false }
    }

    /// The next step. [`Step::Leave`] stays for ever.
    pub(crate) fn next(&mut self, rng: &mut Rng) -> Step {
        self.steps += 1;
        self.at = match pick(row(self.at), |(_, weight)| *weight, rng) {
            Some((step, _)) if self.steps <= LONGEST => self.possible(*step),
            _ => Step::Leave,
        };
        self.remember();
        self.at
    }

    /// Nobody pays for an empty cart or without an account, and nobody logs in twice.
    fn possible(&self, step: Step) -> Step {
        match step {
            Step::Add | Step::Cart | Step::LogInForm if !self.buys => Step::Product,
            Step::Checkout | Step::Pay if self.in_cart == 0 => Step::Product,
            Step::Checkout | Step::Pay if !self.logged_in => Step::LogInForm,
            Step::LogInForm if self.logged_in => Step::Product,
            Step::LogOut if !self.logged_in => Step::Leave,
            step => step,
        }
    }

    fn remember(&mut self) {
        match self.at {
            Step::Add => self.in_cart += 1,
            Step::Pay => self.in_cart = 0,
            Step::LogIn => self.logged_in = true,
            Step::LogOut => self.logged_in = false,
            _ => {}
        }
    }
}

/// One of `items`, each as likely as its weight says; `None` where the weights are all 0.
pub(crate) fn pick<'a, T>(
    items: &'a [T],
    weight: impl Fn(&T) -> u32,
    rng: &mut Rng,
) -> Option<&'a T> {
    let sum: u32 = items.iter().map(&weight).sum();
    if sum == 0 {
        return None;
    }
    let mut left = rng.u32(0..sum);
    items.iter().find(|item| match left.checked_sub(weight(item)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    })
}

/// How long a visitor looks at what `step` brought up: exponential around a mean, at least half a second, at most a minute.
pub(crate) fn think(step: Step, rng: &mut Rng) -> Duration {
    let mean = match step {
        Step::Product => 9.0,
        Step::Home | Step::Category => 5.0,
        Step::Checkout => 12.0,
        Step::LogInForm | Step::Cart => 6.0,
        _ => 2.5,
    };
    let seconds = exponential(mean, rng).clamp(0.5, 60.0);
    Duration::from_secs_f64(seconds)
}

/// A draw from the exponential distribution with this mean: the time until the next of things that come independently.
pub(crate) fn exponential(mean: f64, rng: &mut Rng) -> f64 {
    -mean * (1.0 - rng.f64()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(first: Step, buys: bool, rng: &mut Rng) -> Vec<Step> {
        let mut walk = Walk::starting_at(first, buys);
        let mut steps = vec![first];
        while steps.last() != Some(&Step::Leave) {
            steps.push(walk.next(rng));
        }
        steps
    }

    fn visits(number: usize) -> Vec<Vec<Step>> {
        let mut rng = Rng::with_seed(7);
        (0..number).map(|_| visit(Step::Home, true, &mut rng)).collect()
    }

    #[test]
    fn the_same_seed_walks_the_same_way() {
        assert_eq!(visits(50), visits(50));
    }

    #[test]
    fn every_visit_ends_and_none_is_endless() {
        for steps in visits(5000) {
            assert!(steps.len() <= LONGEST as usize + 2, "{} steps", steps.len());
        }
    }

    #[test]
    fn nobody_pays_for_nothing_or_unknown() {
        for steps in visits(5000) {
            let (mut cart, mut known) = (0, false);
            for step in steps {
                match step {
                    Step::Add => cart += 1,
                    Step::LogIn => known = true,
                    Step::LogOut => known = false,
                    Step::Pay => {
                        assert!(cart > 0 && known);
                        cart = 0;
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn who_keeps_no_cookies_only_looks() {
        let mut rng = Rng::with_seed(7);
        for _ in 0..2000 {
            let steps = visit(Step::Product, false, &mut rng);
            let looks = [Step::Home, Step::Category, Step::Product, Step::Leave];
            assert!(steps.iter().all(|step| looks.contains(step)), "{steps:?}");
        }
    }

    #[test]
    fn a_crowd_looks_like_people() {
        let visits = visits(5000);
        let share = |test: &dyn Fn(&[Step]) -> bool| {
            visits.iter().filter(|steps| test(steps)).count() as f64 / visits.len() as f64
        };
        let bounced = share(&|steps| steps.len() == 2);
        let paid = share(&|steps| steps.contains(&Step::Pay));
        let failed = share(&|steps| steps.contains(&Step::LogInWrong));
        assert!((0.15..0.35).contains(&bounced), "{bounced} bounced");
        assert!((0.02..0.20).contains(&paid), "{paid} paid");
        assert!((0.01..0.15).contains(&failed), "{failed} mistyped");
    }

    #[test]
    fn a_pick_follows_the_weights() {
        let mut rng = Rng::with_seed(1);
        let items = [("never", 0), ("often", 3), ("seldom", 1)];
        let often = (0..4000)
            .filter(|_| pick(&items, |item| item.1, &mut rng).unwrap().0 == "often")
            .count();
        assert!((2800..3200).contains(&often), "{often}");
        assert_eq!(pick(&[("never", 0)], |item| item.1, &mut rng), None);
    }

    #[test]
    fn people_think_for_seconds() {
        let mut rng = Rng::with_seed(1);
        let thoughts: Vec<f64> =
            (0..2000).map(|_| think(Step::Product, &mut rng).as_secs_f64()).collect();
        let mean = thoughts.iter().sum::<f64>() / 2000.0;
        assert!((7.0..11.0).contains(&mean), "{mean}");
        assert!(thoughts.iter().all(|seconds| (0.5..=60.0).contains(seconds)));
    }
}
