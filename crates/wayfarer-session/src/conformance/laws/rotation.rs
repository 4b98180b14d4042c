//! The laws of rotation.

use tokio::task::yield_now;

use super::super::{
    Broken, Kept,
    tools::{HOUR, after, fresh, holds, is_dead, key, now, record, rotate, together},
};
use crate::store::{Created, Record, Rotated, Rotation, Saved, SessionStore};

/// A rotation stores the new state under the new key, and the old key is dead for every call.
pub async fn a_rotation_moves_the_session(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (from, version) = fresh(store, "old", now).await?;
    let to = key()?;
    let rotated = rotate(store, &from, &to, "new", &version, now).await?;
    let Rotated::Stored(next) = rotated else {
        return Err(Broken(format!("a rotation answers {rotated:?}")));
    };
    holds(store, &to, "new", now).await?;
    is_dead(store, &from, now).await?;
    let late = store.save(&from, &record("late", now), &version, now).await?;
    must!(late == Saved::Gone, "a save under the old key answers {late:?}");
    let saved = store.save(&to, &record("newer", now), &next, now).await?;
    must!(matches!(saved, Saved::Stored(_)), "a save upon the rotated version: {saved:?}");
    Ok(())
}

/// A rotation upon a version that is not the last changes nothing.
pub async fn a_rotation_upon_an_old_version_conflicts(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (from, old) = fresh(store, "0", now).await?;
    let _ = store.save(&from, &record("1", now), &old, now).await?;
    let to = key()?;
    let rotated = rotate(store, &from, &to, "2", &old, now).await?;
    must!(rotated == Rotated::Conflict, "a rotation upon an old version answers {rotated:?}");
    is_dead(store, &to, now).await?;
    holds(store, &from, "1", now).await
}

/// A session that ended is not rotated into life.
pub async fn a_rotation_of_nothing_is_gone(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (from, version) = fresh(store, "{}", now).await?;
    let _ = store.delete(&from, now).await?;
    let to = key()?;
    let rotated = rotate(store, &from, &to, "late", &version, now).await?;
    must!(rotated == Rotated::Gone, "a rotation after a delete answers {rotated:?}");
    is_dead(store, &to, now).await
}

/// A rotation to a key in use leaves both sessions as they are.
pub async fn a_rotation_to_a_taken_key_changes_nothing(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (from, version) = fresh(store, "mine", now).await?;
    let (to, _) = fresh(store, "theirs", now).await?;
    let rotated = rotate(store, &from, &to, "new", &version, now).await?;
    must!(rotated == Rotated::Taken, "a rotation to a taken key answers {rotated:?}");
    holds(store, &from, "mine", now).await?;
    holds(store, &to, "theirs", now).await
}

/// The key that a session was rotated away from is not given away again.
pub async fn a_rotated_key_stays_taken(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (from, version) = fresh(store, "{}", now).await?;
    let _ = rotate(store, &from, &key()?, "{}", &version, now).await?;
    let again = store.create(&from, &record("again", now), now).await?;
    must!(again == Created::Taken, "a rotated key is given away");
    Ok(())
}

/// A rotation that leaves something under the old key leaves exactly that, as a new state that dies at its own end.
pub async fn a_rotation_leaves_what_it_is_told(store: &dyn SessionStore) -> Kept {
    let now = now();
    let (from, version) = fresh(store, "old", now).await?;
    let (to, new) = (key()?, record("new", now));
    let left = Record { expires_at: after(now, HOUR / 2), ..record("moved", now) };
    let (expected, left) = (&version, Some(&left));
    let rotation = Rotation { from: &from, to: &to, record: &new, left, expected };
    let rotated = store.rotate(&rotation, now).await?;
    must!(matches!(rotated, Rotated::Stored(_)), "a rotation answers {rotated:?}");
    holds(store, &to, "new", now).await?;
    holds(store, &from, "moved", now).await?;
    if store.capabilities().cas {
        let late = store.save(&from, &record("late", now), &version, now).await?;
        must!(late == Saved::Conflict, "a save upon the state before answers {late:?}");
        holds(store, &from, "moved", now).await?;
    }
    is_dead(store, &from, after(now, HOUR / 2)).await?;
    holds(store, &to, "new", after(now, HOUR / 2)).await
}

/// Of a save and a rotation at the same time upon one version, one is done and the other is told.
pub async fn a_save_beside_a_rotation_is_not_lost(store: &dyn SessionStore) -> Kept {
    let now = now();
    for round in 0..20 {
        let (from, version) = fresh(store, "{}", now).await?;
        let to = key()?;
        let done = together(2, |n| {
            let (from, to, version) = (&from, &to, &version);
            async move {
                if n == round % 2 {
                    yield_now().await;
                }
                if n == 0 {
                    let saved = store.save(from, &record("saved", now), version, now).await?;
                    return Ok(matches!(saved, Saved::Stored(_)));
                }
                let rotated = rotate(store, from, to, "rotated", version, now).await?;
                Ok(matches!(rotated, Rotated::Stored(_)))
            }
        })
        .await?;
        must!(done == 1, "{done} of a save and a rotation upon one version are done");
    }
    Ok(())
}
