//! The laws, one async function each. [`ALL`] is their table.

use jiff::SignedDuration;
use tokio::task::yield_now;

use super::{
    Broken, Kept, Law,
    tools::{HOUR, after, created, fresh, holds, is_dead, key, loaded, now, record, together},
};
use crate::{
    key::{StoreKey, Subject},
    store::{Created, Met, Record, Saved, SessionStore, Touched},
};

macro_rules! must {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(Broken(format!($($text)+)));
        }
    };
}

mod many;
mod rotation;

pub use self::{many::*, rotation::*};

macro_rules! table {
    ($($name:ident $(needs $capability:ident)?;)*) => {
        /// Every law.
        pub const ALL: &[Law] = &[$(Law {
            name: stringify!($name),
            needs: table!(@needs $($capability)?),
            try_on: |store| Box::pin($name(store)),
        }),*];
    };
    (@needs) => { None };
    (@needs $capability:ident) => {
        Some((stringify!($capability), |capabilities| capabilities.$capability))
    };
}

table! {
    a_created_session_loads_as_it_was;
    subject_and_user_are_kept needs enumerate;
    a_users_live_sessions_are_listed needs enumerate;
    an_unknown_key_loads_nothing;
    keys_are_told_apart_by_case;
    create_never_overwrites;
    of_many_creates_one_wins;
    a_save_replaces_and_moves_the_version;
    a_save_upon_an_old_version_conflicts needs cas;
    of_many_saves_upon_one_version_one_wins needs cas;
    a_save_never_creates;
    a_save_after_delete_is_gone;
    a_save_after_expiry_is_gone;
    a_save_beside_a_delete_never_revives;
    a_session_dies_at_its_instant;
    a_delete_ends_one_session_once;
    a_deleted_key_stays_taken needs final_delete;
    a_touch_moves_the_end_and_no_version;
    a_touch_never_revives;
    a_touch_leaves_an_end_that_others_moved;
    a_rotation_moves_the_session;
    a_rotation_upon_an_old_version_conflicts needs cas;
    a_rotation_of_nothing_is_gone;
    a_rotation_to_a_taken_key_changes_nothing;
    a_rotated_key_stays_taken needs final_delete;
    a_rotation_leaves_what_it_is_told;
    a_save_beside_a_rotation_is_not_lost needs cas;
    a_scan_meets_every_live_session needs scan;
    a_purge_forgets_what_ran_out_and_nothing_else needs purge;
    a_purge_keeps_to_its_limit needs purge;
    what_ran_out_lies_there_until_it_is_purged needs purge;
    a_large_record_comes_back_whole;
}

/// What was created loads, byte for byte, and with the end that it was given.
pub async fn a_created_session_loads_as_it_was(store: &dyn SessionStore) -> Kept {
    let (key, now) = (key()?, now());
    let record = record("1{\"a\":\"é\\u0000'\\\"\"}\n{} \t;--", now);
    let version = created(store, &key, &record, now).await?;
    let loaded = loaded(store, &key, now).await?;
    must!(loaded.record.data == record.data, "the data changed");
    let off = loaded.record.expires_at.duration_since(record.expires_at).abs();
    let precision = i128::from(store.capabilities().expiry_precision_us);
    must!(off.as_micros() < precision, "the end is off by {off}");
    must!(loaded.version == version, "load gives another version than create");
    Ok(())
}

/// Subject and user come back as they were stored.
pub async fn subject_and_user_are_kept(store: &dyn SessionStore) -> Kept {
    let (key, now) = (key()?, now());
    let mut record = record("{}", now);
    record.subject = Some(Subject::from_bytes([7; 16]));
    record.user = Some("42".into());
    let version = created(store, &key, &record, now).await?;
    let first = loaded(store, &key, now).await?.record;
    must!((first.subject, &first.user) == (record.subject, &record.user), "create loses them");
    record.user = None;
    let saved = store.save(&key, &record, &version, now).await?;
    must!(matches!(saved, Saved::Stored(_)), "save answers {saved:?}");
    let second = loaded(store, &key, now).await?.record;
    must!((second.subject, second.user) == (record.subject, None), "save loses them");
    Ok(())
}

/// A key that nobody created has no session, however often it is asked for.
pub async fn an_unknown_key_loads_nothing(store: &dyn SessionStore) -> Kept {
    let (key, now) = (key()?, now());
    is_dead(store, &key, now).await?;
    is_dead(store, &key, now).await?;
    let made = store.create(&key, &record("{}", now), now).await?;
    must!(made != Created::Taken, "loading took the key");
    Ok(())
}

/// Two keys that differ in case alone are two sessions.
pub async fn keys_are_told_apart_by_case(store: &dyn SessionStore) -> Kept {
    let now = now();
    let lower = StoreKey::new(format!("abcdef{}", key()?.expose().get(6..).unwrap_or_default()));
    let upper = StoreKey::new(lower.expose().to_uppercase());
    created(store, &lower, &record("lower", now), now).await?;
    is_dead(store, &upper, now).await
}

/// A second create under a key changes nothing.
pub async fn create_never_overwrites(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, _) = fresh(store, "first", now).await?;
    let second = store.create(&key, &record("second", now), now).await?;
    must!(second == Created::Taken, "a key in use is given away");
    holds(store, &key, "first", now).await
}

/// Of creates at the same time under one key, one stores and all others are told.
pub async fn of_many_creates_one_wins(store: &dyn SessionStore) -> Kept {
    let (key, now) = (key()?, now());
    let record = record("{}", now);
    let won = together(8, |_| async {
        yield_now().await;
        Ok(matches!(store.create(&key, &record, now).await?, Created::Stored(_)))
    })
    .await?;
    must!(won == 1, "{won} of 8 creates won");
    Ok(())
}

/// A save replaces the data, and the version that it answers is the one to save upon next.
pub async fn a_save_replaces_and_moves_the_version(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, mut version) = fresh(store, "0", now).await?;
    for text in ["1", "22", "", "333"] {
        version = match store.save(&key, &record(text, now), &version, now).await? {
            Saved::Stored(version) => version,
            other => return Err(Broken(format!("a save upon the last version: {other:?}"))),
        };
        holds(store, &key, text, now).await?;
        must!(loaded(store, &key, now).await?.version == version, "save and load disagree");
    }
    Ok(())
}

/// A save upon a version that is not the last changes nothing.
pub async fn a_save_upon_an_old_version_conflicts(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, old) = fresh(store, "0", now).await?;
    let first = store.save(&key, &record("1", now), &old, now).await?;
    must!(matches!(first, Saved::Stored(_)), "a save answers {first:?}");
    let late = store.save(&key, &record("2", now), &old, now).await?;
    must!(late == Saved::Conflict, "a save upon an old version answers {late:?}");
    holds(store, &key, "1", now).await
}

/// Of saves at the same time upon one version, one stores and all others conflict.
pub async fn of_many_saves_upon_one_version_one_wins(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, version) = fresh(store, "0", now).await?;
    let won = together(8, |n| {
        let (key, version) = (&key, &version);
        async move {
            let record = record(&format!("writer {n}"), now);
            yield_now().await;
            Ok(matches!(store.save(key, &record, version, now).await?, Saved::Stored(_)))
        }
    })
    .await?;
    must!(won == 1, "{won} of 8 saves won");
    Ok(())
}

/// A save under a key that nobody created stores nothing.
pub async fn a_save_never_creates(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (_, version) = fresh(store, "{}", now).await?;
    let unknown = key()?;
    let saved = store.save(&unknown, &record("{}", now), &version, now).await?;
    must!(saved == Saved::Gone, "a save of nothing answers {saved:?}");
    is_dead(store, &unknown, now).await
}

/// A save after a delete stores nothing: who logged out stays logged out.
pub async fn a_save_after_delete_is_gone(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, version) = fresh(store, "{}", now).await?;
    let met = store.delete(&key, now).await?;
    must!(met == Met::Live, "a delete meets {met:?}");
    let saved = store.save(&key, &record("late", now), &version, now).await?;
    must!(saved == Saved::Gone, "a save after a delete answers {saved:?}");
    is_dead(store, &key, now).await
}

/// A save after the session ran out stores nothing.
pub async fn a_save_after_expiry_is_gone(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, version) = fresh(store, "{}", now).await?;
    let late = after(now, HOUR * 2);
    let saved = store.save(&key, &record("late", late), &version, late).await?;
    must!(saved == Saved::Gone, "a save after the end answers {saved:?}");
    is_dead(store, &key, late).await
}

/// Whichever of a save and a delete comes first, the session is dead afterwards.
pub async fn a_save_beside_a_delete_never_revives(store: &dyn SessionStore) -> Kept {
    let now = now();
    for round in 0..20 {
        let (key, version) = fresh(store, "{}", now).await?;
        let record = record("late", now);
        together(2, |n| {
            let (key, version, record) = (&key, &version, &record);
            async move {
                if n == round % 2 {
                    yield_now().await;
                }
                if n == 0 {
                    let _ = store.save(key, record, version, now).await?;
                } else {
                    let _ = store.delete(key, now).await?;
                }
                Ok(true)
            }
        })
        .await?;
        is_dead(store, &key, now).await?;
    }
    Ok(())
}

/// A session loads until just before its end, and not from its end on.
pub async fn a_session_dies_at_its_instant(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, _) = fresh(store, "{}", now).await?;
    let precision = i64::try_from(store.capabilities().expiry_precision_us).unwrap_or(i64::MAX);
    let precision = SignedDuration::from_micros(precision);
    let end = after(now, HOUR);
    loaded(store, &key, after(end, -precision)).await?;
    is_dead(store, &key, after(end, precision - SignedDuration::from_micros(1))).await
}

/// A delete ends that session alone, and a second one meets nothing.
pub async fn a_delete_ends_one_session_once(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, _) = fresh(store, "{}", now).await?;
    let (other, _) = fresh(store, "other", now).await?;
    let met = [store.delete(&key, now).await?, store.delete(&key, now).await?];
    must!(met == [Met::Live, Met::Gone], "two deletes meet {met:?}");
    is_dead(store, &key, now).await?;
    holds(store, &other, "other", now).await
}

/// The key of a deleted session is not given away again.
pub async fn a_deleted_key_stays_taken(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, _) = fresh(store, "{}", now).await?;
    let _ = store.delete(&key, now).await?;
    let again = store.create(&key, &record("again", now), now).await?;
    must!(again == Created::Taken, "a deleted key is given away");
    is_dead(store, &key, now).await
}

/// A touch moves the end, both ways, and no save fails because of it.
pub async fn a_touch_moves_the_end_and_no_version(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, version) = fresh(store, "{}", now).await?;
    let touched = store.touch(&key, after(now, HOUR), after(now, HOUR * 3), now).await?;
    must!(touched == Touched::Moved, "a touch answers {touched:?}");
    holds(store, &key, "{}", after(now, HOUR * 2)).await?;
    let seen = loaded(store, &key, now).await?.record.expires_at;
    let touched = store.touch(&key, seen, after(now, HOUR * 2), now).await?;
    must!(touched == Touched::Moved, "a touch upon the end that was loaded answers {touched:?}");
    is_dead(store, &key, after(now, HOUR * 2)).await?;
    let saved = store.save(&key, &record("1", now), &version, now).await?;
    must!(matches!(saved, Saved::Stored(_)), "a save after a touch answers {saved:?}");
    Ok(())
}

/// A touch of a session that ended leaves it dead.
pub async fn a_touch_never_revives(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (deleted, _) = fresh(store, "{}", now).await?;
    let _ = store.delete(&deleted, now).await?;
    let (expired, _) = fresh(store, "{}", now).await?;
    let late = after(now, HOUR * 2);
    for (key, at) in [(&deleted, now), (&expired, late), (&key()?, now)] {
        let touched = store.touch(key, after(now, HOUR), after(at, HOUR), at).await?;
        must!(touched == Touched::Gone, "a touch of nothing answers {touched:?}");
        is_dead(store, key, at).await?;
    }
    Ok(())
}

/// A touch by somebody who saw another end than the session has now changes nothing: an end that was shortened stays so.
pub async fn a_touch_leaves_an_end_that_others_moved(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (key, version) = fresh(store, "0", now).await?;
    let seen = loaded(store, &key, now).await?.record.expires_at;
    let (sooner, soon) = (after(now, HOUR / 4), after(now, HOUR / 2));
    let short = Record { expires_at: soon, ..record("1", now) };
    let saved = store.save(&key, &short, &version, now).await?;
    must!(matches!(saved, Saved::Stored(_)), "a save answers {saved:?}");
    let late = store.touch(&key, seen, after(now, HOUR * 3), now).await?;
    must!(late == Touched::Conflict, "a touch upon the end before a save answers {late:?}");
    holds(store, &key, "1", sooner).await?;
    is_dead(store, &key, soon).await?;
    let touched = store.touch(&key, soon, sooner, now).await?;
    must!(touched == Touched::Moved, "a touch upon the end that was saved answers {touched:?}");
    let late = store.touch(&key, soon, after(now, HOUR * 3), now).await?;
    must!(late == Touched::Conflict, "a touch upon the end before a touch answers {late:?}");
    is_dead(store, &key, sooner).await
}

/// A record as large as the store takes, or of a mebibyte, comes back whole.
pub async fn a_large_record_comes_back_whole(store: &dyn SessionStore) -> Kept {
    let now = now();
    let most = store.capabilities().max_bytes.unwrap_or(1 << 20).min(1 << 20);
    let text = "0123456789abcdef".repeat(most.div_ceil(16));
    let (key, _) = fresh(store, text.get(..most).unwrap_or_default(), now).await?;
    let data = loaded(store, &key, now).await?.record.data;
    must!(text.as_bytes().starts_with(&data), "the data changed");
    must!(data.len() == most, "{} of {most} bytes came back", data.len());
    Ok(())
}
