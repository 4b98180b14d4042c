//! The laws that every [`SessionHistory`] keeps.

use jiff::SignedDuration;

use super::{
    Broken, Kept,
    tools::{after, key, now},
};
use crate::{
    history::{HistoryEntry, SessionHistory, Whose},
    key::{Handle, Subject},
    random::SystemRandom,
    signal::SignalKind,
};

/// Tries the laws on a history, and says which is broken. They draw their own subjects and users, and purge what is older than
/// a year.
///
/// # Errors
/// What is broken.
pub async fn run_history(history: &dyn SessionHistory) -> Kept {
    an_entry_reads_as_it_was(history).await?;
    the_newest_come_first_and_no_more_than_asked_for(history).await?;
    nobody_reads_anothers(history).await?;
    a_purge_forgets_the_old_and_keeps_to_its_limit(history).await
}

/// An account that nobody else has.
pub(super) fn user() -> Result<String, Broken> {
    Ok(key()?.expose().to_owned())
}

pub(super) fn subject() -> Result<Subject, Broken> {
    Subject::random(&SystemRandom).map_err(|error| Broken(error.to_string()))
}

fn entry(user: &str, seconds: i64) -> HistoryEntry {
    let at = after(now(), SignedDuration::from_secs(seconds));
    HistoryEntry { user: Some(user.to_owned()), ..HistoryEntry::new(SignalKind::LoggedIn, at) }
}

async fn an_entry_reads_as_it_was(history: &dyn SessionHistory) -> Kept {
    let kinds = [SignalKind::Revoked, SignalKind::Interrupted, SignalKind::Custom("é'\"".into())];
    for kind in kinds {
        let (user, subject) = (user()?, subject()?);
        let whole = HistoryEntry {
            kind,
            subject: Some(subject),
            reason: Some("by an administrator; --".into()),
            device: Some("Firefox on Linux".into()),
            ..entry(&user, 0)
        };
        history.append(&whole).await?;
        let handle = Whose::Handle(Handle::of(&subject));
        for whose in [Whose::Session(subject), handle, Whose::User(user)] {
            let read = history.read(&whose, 9).await?;
            if read != [whole.clone()] {
                return Err(Broken(format!("{whole:?} reads as {read:?}")));
            }
        }
    }
    Ok(())
}

async fn the_newest_come_first_and_no_more_than_asked_for(history: &dyn SessionHistory) -> Kept {
    let user = user()?;
    for seconds in [1, 3, 2] {
        history.append(&entry(&user, seconds)).await?;
    }
    let read = history.read(&Whose::User(user), 2).await?;
    let [first, second] = read.as_slice() else {
        return Err(Broken(format!("2 of 3 entries are asked for, {} come", read.len())));
    };
    let apart = first.at.duration_since(second.at).as_secs_f64();
    if (0.5..1.5).contains(&apart) {
        return Ok(());
    }
    Err(Broken(format!("the newest two are not the first two: {apart} s lie between")))
}

async fn nobody_reads_anothers(history: &dyn SessionHistory) -> Kept {
    let user = user()?;
    history.append(&entry(&user, 0)).await?;
    let (stranger, another) = (subject()?, Handle::of(&subject()?));
    for whose in
        [Whose::User(user.to_uppercase()), Whose::Session(stranger), Whose::Handle(another)]
    {
        if !history.read(&whose, 9).await?.is_empty() {
            return Err(Broken(format!("{whose:?} reads what is another's")));
        }
    }
    Ok(())
}

async fn a_purge_forgets_the_old_and_keeps_to_its_limit(history: &dyn SessionHistory) -> Kept {
    const YEAR: i64 = 366 * 24 * 60 * 60;
    let before = after(now(), SignedDuration::from_secs(-YEAR));
    while history.purge(100, before).await? > 0 {}
    let user = user()?;
    for seconds in [-YEAR - 3, -YEAR - 2, -YEAR - 1, 0] {
        history.append(&entry(&user, seconds)).await?;
    }
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        forgotten.push(history.purge(2, before).await?);
    }
    let left = history.read(&Whose::User(user), 9).await?.len();
    if (forgotten.as_slice(), left) == ([2, 1, 0].as_slice(), 1) {
        return Ok(());
    }
    Err(Broken(format!("batches of 2 forget {forgotten:?} of 3 old entries and leave {left} of 1")))
}
