//! The laws that all [`Epochs`] keep.

use jiff::{SignedDuration, Timestamp};

use super::{
    Broken, Kept,
    history::{subject, user},
    tools::{after, now},
};
use crate::{
    epochs::{CookieOwner, Epochs},
    error::BoxError,
    history::Whose,
    key::Handle,
};

/// Epochs in trouble keep no law.
impl From<BoxError> for Broken {
    fn from(error: BoxError) -> Broken {
        Broken(error.to_string())
    }
}

/// Tries the laws on epochs, and says which is broken. They draw their own subjects and users, and purge what could be
/// forgotten a year ago.
///
/// # Errors
/// What is broken.
pub async fn run_epochs(epochs: &dyn Epochs) -> Kept {
    what_is_noted_is_said_of_nobody_else(epochs).await?;
    a_session_is_noted_by_subject_and_by_handle(epochs).await?;
    the_later_instant_counts(epochs).await?;
    a_purge_forgets_what_nobody_needs_and_keeps_to_its_limit(epochs).await
}

fn at(seconds: i64) -> Timestamp {
    after(now(), SignedDuration::from_secs(seconds))
}

async fn what_is_noted_is_said_of_nobody_else(epochs: &dyn Epochs) -> Kept {
    let (user, instant) = (user()?, at(-9));
    epochs.end_before(&Whose::User(user.clone()), instant, Timestamp::MAX).await?;
    let (upper, longer) = (user.to_uppercase(), format!("{user} "));
    let of =
        [(Some(&user), Some(instant)), (Some(&upper), None), (Some(&longer), None), (None, None)];
    for (who, expected) in of {
        let owner = CookieOwner::new(who.map(String::as_str), subject()?);
        let said = epochs.not_before(owner).await?;
        if said != expected {
            return Err(Broken(format!(
                "{user} is ended before {instant}; of {who:?} {said:?} is said"
            )));
        }
    }
    // Nobody becomes a session by being called like one.
    let subject = subject()?;
    let named_so = Handle::of(&subject).to_string();
    epochs.end_before(&Whose::User(named_so), instant, Timestamp::MAX).await?;
    match epochs.not_before(CookieOwner::new(None, subject)).await? {
        None => Ok(()),
        Some(_) => Err(Broken("a user who is called like a session ends it".into())),
    }
}

async fn a_session_is_noted_by_subject_and_by_handle(epochs: &dyn Epochs) -> Kept {
    let (one, other) = (subject()?, subject()?);
    let instant = at(-9);
    for (whose, subject) in [(Whose::Session(one), one), (Whose::Handle(Handle::of(&other)), other)]
    {
        epochs.end_before(&whose, instant, Timestamp::MAX).await?;
        let said = epochs.not_before(CookieOwner::new(Some("somebody"), subject)).await?;
        if said != Some(instant) {
            return Err(Broken(format!("{whose:?} is ended before {instant}; {said:?} is said")));
        }
    }
    // Beyond every clock: a session that is over for good.
    epochs.end_before(&Whose::Session(one), Timestamp::MAX, Timestamp::MAX).await?;
    let said = epochs.not_before(CookieOwner::new(None, one)).await?;
    if said.is_some_and(|said| said > at(1_000_000)) {
        return Ok(());
    }
    Err(Broken(format!("a session that is over for good is over before {said:?}")))
}

async fn the_later_instant_counts(epochs: &dyn Epochs) -> Kept {
    let (user, subject) = (user()?, subject()?);
    let whose = Whose::User(user.clone());
    for seconds in [-9, -5, -7] {
        epochs.end_before(&whose, at(seconds), Timestamp::MAX).await?;
    }
    epochs.end_before(&Whose::Session(subject), at(-20), Timestamp::MAX).await?;
    let said = epochs.not_before(CookieOwner::new(Some(&user), subject)).await?;
    if said.is_some_and(|said| said > at(-7) && said <= at(-4)) {
        return Ok(());
    }
    Err(Broken(format!(
        "the latest of some instants was 5 s ago; it is now {}, {said:?} is said",
        now()
    )))
}

async fn a_purge_forgets_what_nobody_needs_and_keeps_to_its_limit(epochs: &dyn Epochs) -> Kept {
    const YEAR: i64 = 366 * 24 * 60 * 60;
    while epochs.purge(100, at(-YEAR)).await? > 0 {}
    let (user, subject) = (user()?, subject()?);
    for seconds in [-YEAR - 3, -YEAR - 2, -YEAR - 1] {
        let whose = Whose::Session(super::history::subject()?);
        epochs.end_before(&whose, at(-2 * YEAR), at(seconds)).await?;
    }
    // What is noted again is kept for as long as the longest of both.
    for forget_at in [at(0), at(-YEAR - 4)] {
        epochs.end_before(&Whose::User(user.clone()), at(-2 * YEAR), forget_at).await?;
    }
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        forgotten.push(epochs.purge(2, at(-YEAR)).await?);
    }
    let left = epochs.not_before(CookieOwner::new(Some(&user), subject)).await?.is_some();
    if (forgotten.as_slice(), left) == ([2, 1, 0].as_slice(), true) {
        return Ok(());
    }
    Err(Broken(format!(
        "batches of 2 forget {forgotten:?} of 3 old epochs; the other is kept: {left}"
    )))
}
