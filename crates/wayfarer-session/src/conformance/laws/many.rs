//! The laws of calls that meet many sessions: list, scan, purge.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::{
    Broken, Kept,
    tools::{HOUR, after, created, fresh, holds, is_dead, key, lists, now, record},
};
use crate::{
    key::StoreKey,
    store::{Met, Record, SessionStore},
};

/// The sessions of a user are listed, those that run out last first; not those of others, and none that ended.
pub async fn a_users_live_sessions_are_listed(store: &dyn SessionStore) -> Kept {
    let (now, user) = (now(), key()?);
    let of = |user: &StoreKey, hours: i32| Record {
        user: Some(user.expose().into()),
        expires_at: after(now, HOUR * hours),
        ..record("{}", now)
    };
    let (first, second, ended, other) = (key()?, key()?, key()?, key()?);
    created(store, &first, &of(&user, 1), now).await?;
    let version = created(store, &second, &of(&user, 2), now).await?;
    created(store, &ended, &of(&user, 3), now).await?;
    created(store, &other, &of(&other, 3), now).await?;
    let _ = store.delete(&ended, now).await?;
    lists(store, &user, 9, &[&second, &first], now).await?;
    lists(store, &user, 1, &[&second], now).await?;
    lists(store, &user, 9, &[&second], after(now, HOUR)).await?;
    let _ = store.save(&second, &record("{}", now), &version, now).await?;
    lists(store, &user, 9, &[&first], now).await
}

/// A walk over all sessions meets every live one, as it is, and none that ended.
pub async fn a_scan_meets_every_live_session(store: &dyn SessionStore) -> Kept {
    let (now, later) = (now(), after(now(), HOUR / 2));
    let mut live = BTreeSet::new();
    for _ in 0..5 {
        live.insert(fresh(store, "live", now).await?.0);
    }
    let (deleted, _) = fresh(store, "dead", now).await?;
    let _ = store.delete(&deleted, now).await?;
    let expired = key()?;
    let short = Record { expires_at: later, ..record("dead", now) };
    created(store, &expired, &short, now).await?;
    let (mut from, mut met) = (None, BTreeSet::new());
    for _ in 0..10_000 {
        let page = store.scan(from.as_ref(), 2, later).await?;
        for listed in page.sessions {
            must!(listed.key != deleted && listed.key != expired, "a session that ended is met");
            let whole = *listed.loaded.record.data == *b"live";
            must!(whole || !live.contains(&listed.key), "a session is met with other data");
            met.insert(listed.key);
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    must!(from.is_none(), "the walk does not end");
    let missed = live.difference(&met).count();
    must!(missed == 0, "{missed} of {} live sessions are not met", live.len());
    Ok(())
}

/// An hour of the year 2000, so that a purge meets nothing but what its law wrote.
fn long_ago() -> Timestamp {
    Timestamp::from_second(946_684_800).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A purge forgets sessions that ran out, also deleted ones, and leaves the living alone.
pub async fn a_purge_forgets_what_ran_out_and_nothing_else(store: &dyn SessionStore) -> Kept {
    let now = long_ago();
    while store.purge(100, now).await? > 0 {}
    let (live, version) = fresh(store, "live", now).await?;
    let longer = Record { expires_at: after(now, HOUR * 9), ..record("live", now) };
    let _ = store.save(&live, &longer, &version, now).await?;
    let (deleted, _) = fresh(store, "{}", now).await?;
    let _ = store.delete(&deleted, now).await?;
    let (_expired, _) = fresh(store, "{}", now).await?;
    let early = store.purge(100, now).await?;
    must!(early <= 1, "a purge forgets {early} sessions before their end");
    let late = after(now, HOUR * 2);
    let forgotten = early + store.purge(100, late).await?;
    // A deleted session that leaves no mark is forgotten already.
    let marked = u32::from(store.capabilities().final_delete);
    let due = 1 + marked;
    must!(forgotten == due, "a purge forgets {forgotten} of {due} sessions");
    holds(store, &live, "live", late).await?;
    let _ = store.delete(&live, late).await?;
    while store.purge(100, after(now, HOUR * 99)).await? > 0 {}
    Ok(())
}

/// A purge forgets no more than it was asked to, and the rest when it is asked again.
pub async fn a_purge_keeps_to_its_limit(store: &dyn SessionStore) -> Kept {
    let (now, late) = (long_ago(), after(long_ago(), HOUR * 99));
    while store.purge(100, late).await? > 0 {}
    for _ in 0..5 {
        fresh(store, "{}", now).await?;
    }
    let mut batches = Vec::new();
    for _ in 0..4 {
        batches.push(store.purge(2, late).await?);
    }
    must!(batches == [2, 2, 1, 0], "batches of 2 forget {batches:?} of 5");
    Ok(())
}

/// A session that ran out is still there for who asks as of before: that is how one that ran out is told from one that was
/// ended. Ended as of before, it is gone as of before, too.
pub async fn what_ran_out_lies_there_until_it_is_purged(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, _) = fresh(store, "{}", now).await?;
    is_dead(store, &key, after(now, HOUR * 2)).await?;
    holds(store, &key, "{}", now).await?;
    let met = [store.delete(&key, now).await?, store.delete(&key, now).await?];
    must!(met == [Met::Live, Met::Gone], "two deletes as of before meet {met:?}");
    is_dead(store, &key, now).await
}
