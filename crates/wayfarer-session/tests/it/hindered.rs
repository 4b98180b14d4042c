//! What goes wrong at one moment: a call of the store that never answers, and a rotation in the middle of a list.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::timeout;
use wayfarer_session::{
    Capabilities, CookieChange, CookieKeys, Created, Cursor, Listed, Loaded, MemoryStore, Met,
    Outcome, Page, Record, Rotated, Rotation, Saved, Session, SessionManager, SessionStore,
    StoreError, StoreKey, Touched, Version,
};

/// A store that is hindered once.
#[derive(Debug, Default)]
struct Hindered {
    sound: MemoryStore,
    /// The next call that stores something never answers.
    hangs: AtomicBool,
    /// Who gives this cookie's session a new key, once a list has read its keys and before it reads their sessions.
    rotates: Mutex<Option<(SessionManager, String)>>,
}

impl Hindered {
    async fn may_hang(&self) {
        if self.hangs.swap(false, Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl SessionStore for Hindered {
    fn capabilities(&self) -> Capabilities {
        self.sound.capabilities()
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        self.may_hang().await;
        self.sound.create(key, record, now).await
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.sound.load(key, now).await
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        self.may_hang().await;
        self.sound.save(key, record, expected, now).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        self.sound.touch(key, from, expires_at, now).await
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        self.may_hang().await;
        self.sound.rotate(rotation, now).await
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        self.sound.delete(key, now).await
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let listed = self.sound.list(user, limit, now).await?;
        let rotates = self.rotates.lock().unwrap().take();
        if let Some((manager, cookie)) = rotates {
            let session = manager.open(Some(&cookie));
            session.cycle_key().await.unwrap();
            end(&session).await;
        }
        let mut live = Vec::new();
        for listed in listed {
            if let Some(loaded) = self.sound.load(&listed.key, now).await? {
                live.push(Listed { loaded, ..listed });
            }
        }
        Ok(live)
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.sound.scan(from, limit, now).await
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        self.sound.purge(limit, now).await
    }
}

fn world() -> (Arc<Hindered>, SessionManager) {
    let store = Arc::new(Hindered::default());
    let keys = CookieKeys::new(&[7; 32]).unwrap();
    (Arc::clone(&store), SessionManager::builder(store).cookie_keys(keys).build().unwrap())
}

/// A stored session of ada's.
async fn log_in(manager: &SessionManager) -> String {
    let session = manager.open(None);
    session.insert("_auth_user_id", "ada").await.unwrap();
    end(&session).await.unwrap()
}

/// Ends a request and gives the cookie for the next.
async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

/// A save that the handler does not wait for to the end.
async fn give_up_saving(store: &Hindered, session: &Session) {
    store.hangs.store(true, Ordering::SeqCst);
    assert!(timeout(Duration::from_millis(10), session.save()).await.is_err());
}

#[tokio::test]
async fn what_a_save_that_was_given_up_had_on_its_way_is_saved_at_the_end() {
    let (store, manager) = world();
    for known in [false, true] {
        let cookie = if known { Some(log_in(&manager).await) } else { None };
        let session = manager.open(cookie.as_deref());
        session.insert("a", 1).await.unwrap();
        give_up_saving(&store, &session).await;
        assert_eq!(session.get::<i32>("a").await.unwrap(), Some(1));
        let cookie = end(&session).await.or(cookie).unwrap();
        assert_eq!(manager.open(Some(&cookie)).get::<i32>("a").await.unwrap(), Some(1));
    }
}

#[tokio::test]
async fn what_was_set_after_a_save_that_was_given_up_counts_on_top_of_it() {
    let (store, manager) = world();
    let cookie = log_in(&manager).await;
    let session = manager.open(Some(&cookie));
    session.update([("a", 1), ("b", 1)]).await.unwrap();
    store.hangs.store(true, Ordering::SeqCst);
    let modified = session.modify("n", |n: Option<i32>| n.unwrap_or(0) + 1);
    assert!(timeout(Duration::from_millis(10), modified).await.is_err());
    session.update([("b", 2), ("c", 2)]).await.unwrap();
    end(&session).await;
    let session = manager.open(Some(&cookie));
    let values = ["a", "b", "c", "n"].map(|key| session.get::<i32>(key));
    let [a, b, c, n] = values;
    let found = (a.await.unwrap(), b.await.unwrap(), c.await.unwrap(), n.await.unwrap());
    assert_eq!(found, (Some(1), Some(2), Some(2), None), "a modify that said nothing did nothing");
}

#[tokio::test]
async fn a_new_key_that_a_save_was_given_up_for_is_given_at_the_end() {
    let (store, manager) = world();
    let old = log_in(&manager).await;
    let session = manager.open(Some(&old));
    session.cycle_key().await.unwrap();
    give_up_saving(&store, &session).await;
    let new = end(&session).await.unwrap();
    assert_ne!(old, new);
    assert!(manager.open(Some(&old)).is_empty().await.unwrap());
    assert!(!manager.open(Some(&new)).is_empty().await.unwrap());
}

#[tokio::test]
async fn a_session_that_rotates_in_the_middle_of_a_list_is_ended_all_the_same() {
    let (store, manager) = world();
    let cookie = log_in(&manager).await;
    *store.rotates.lock().unwrap() = Some((manager.clone(), cookie));
    assert_eq!(manager.revoke_all("ada", None).await.unwrap(), 1);
    assert!(manager.sessions_of("ada").await.unwrap().is_empty());
}
