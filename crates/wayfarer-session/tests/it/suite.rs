//! What Django's own suite checks of a session, under its names, in both modes of ours.
//!
//! Where we do otherwise, the test says so, and `docs/sessions.md` says why.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use wayfarer_session::{
    CookieChange, CookieKeys, ErrorKind, Expiry, ManualClock, MemoryStore, Outcome, Raw, Session,
    SessionManager,
    django::{DjangoCodec, DjangoKeys, SALT},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TWO_WEEKS: SignedDuration = SignedDuration::from_hours(14 * 24);

struct World {
    django: bool,
    store: MemoryStore,
    clock: Arc<ManualClock>,
    manager: SessionManager,
}

impl World {
    fn new(django: bool) -> World {
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let store = MemoryStore::new();
        let builder = SessionManager::builder(store.clone()).clock(clock.clone());
        let keys = DjangoKeys::new("the-secret-key-of-a-test").unwrap();
        let manager = if django {
            builder.django(DjangoCodec::new(&keys, SALT).unwrap()).subject_entry(false)
        } else {
            builder.cookie_keys(CookieKeys::new(&[7; 32]).unwrap())
        };
        World { django, manager: manager.build().unwrap(), store, clock }
    }

    fn both() -> [World; 2] {
        [World::new(false), World::new(true)]
    }

    /// A stored session that holds `n: 1`, opened again.
    async fn stored(&self) -> (String, Session) {
        let session = self.manager.open(None);
        session.insert("n", 1).await.unwrap();
        let cookie = end(&session).await.unwrap();
        let again = self.manager.open(Some(&cookie));
        (cookie, again)
    }

    fn rows(&self) -> String {
        format!("{:?}", self.store)
    }
}

async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

fn flags(session: &Session) -> (bool, bool) {
    (session.accessed(), session.modified())
}

const UNUSED: (bool, bool) = (false, false);
const READ: (bool, bool) = (true, false);
const CHANGED: (bool, bool) = (true, true);

#[tokio::test]
async fn new_session_and_get_empty() {
    for world in World::both() {
        let session = world.manager.open(None);
        assert_eq!(flags(&session), UNUSED);
        assert_eq!(session.get::<String>("cat").await.unwrap(), None);
        assert_eq!(flags(&session), READ);
    }
}

#[tokio::test]
async fn store_and_pop() {
    for world in World::both() {
        let (_, session) = world.stored().await;
        assert_eq!(session.pop::<i32>("n").await.unwrap(), Some(1));
        assert_eq!(session.get::<i32>("n").await.unwrap(), None);
        assert_eq!(flags(&session), CHANGED);
    }
}

#[tokio::test]
async fn pop_of_nothing_changes_nothing() {
    for world in World::both() {
        let (_, session) = world.stored().await;
        assert_eq!(session.pop::<String>("some key").await.unwrap(), None);
        assert!(!session.remove("some key").await.unwrap());
        assert_eq!(flags(&session), READ);
    }
}

#[tokio::test]
async fn setdefault_changes_only_what_is_missing() {
    for world in World::both() {
        let (_, session) = world.stored().await;
        assert_eq!(session.set_default("n", 2).await.unwrap(), 1);
        assert_eq!(flags(&session), READ);
        assert_eq!(session.set_default("foo", "bar".to_owned()).await.unwrap(), "bar");
        assert_eq!(flags(&session), CHANGED);
    }
}

#[tokio::test]
async fn update_has_key_keys_values_items() {
    for world in World::both() {
        let (_, session) = world.stored().await;
        assert!(session.contains("n").await.unwrap());
        assert_eq!(session.keys().await.unwrap(), ["n"]);
        assert_eq!(session.values().await.unwrap(), [Raw::new(&1).unwrap()]);
        assert_eq!(session.items().await.unwrap(), [("n".into(), Raw::new(&1).unwrap())]);
        assert_eq!(flags(&session), READ);
        session.update([("update key", 2), ("n", 3)]).await.unwrap();
        assert_eq!(session.keys().await.unwrap(), ["n", "update key"]);
        assert_eq!(session.get::<i32>("n").await.unwrap(), Some(3));
        assert_eq!(flags(&session), CHANGED);
    }
}

#[tokio::test]
async fn clear_keeps_the_key_and_flush_does_not() {
    for world in World::both() {
        let (cookie, session) = world.stored().await;
        session.clear().await.unwrap();
        assert_eq!(session.items().await.unwrap(), []);
        assert_eq!(flags(&session), CHANGED);
        end(&session).await;
        let cleared = world.manager.open(Some(&cookie));
        assert!(!cleared.is_empty().await.unwrap(), "it is stored, without values");
        cleared.flush().await.unwrap();
        assert_eq!(flags(&cleared), READ, "a flush leaves nothing to save");
        assert_eq!(cleared.finish(Outcome::Keep).await.unwrap().cookie, CookieChange::Remove);
        assert!(world.manager.open(Some(&cookie)).is_empty().await.unwrap());
    }
}

#[tokio::test]
async fn save_doesnt_clear_data_and_can_be_done_again() {
    for world in World::both() {
        let (cookie, session) = world.stored().await;
        session.insert("a", "b").await.unwrap();
        for _ in 0..2 {
            session.save().await.unwrap();
            assert_eq!(session.get::<String>("a").await.unwrap().as_deref(), Some("b"));
        }
        let again = world.manager.open(Some(&cookie));
        assert_eq!(again.keys().await.unwrap(), ["n", "a"]);
    }
}

#[tokio::test]
async fn cycle_keeps_the_data_and_kills_the_old_key() {
    for world in World::both() {
        let (old, session) = world.stored().await;
        session.cycle_key().await.unwrap();
        let new = end(&session).await.unwrap();
        assert_ne!(old, new);
        assert_eq!(world.manager.open(Some(&new)).get::<i32>("n").await.unwrap(), Some(1));
        assert!(world.manager.open(Some(&old)).is_empty().await.unwrap());
    }
}

#[tokio::test]
async fn cycle_with_no_session_makes_one_only_for_data() {
    for world in World::both() {
        let session = world.manager.open(None);
        session.cycle_key().await.unwrap();
        assert_eq!(end(&session).await, None);
        session.insert("n", 1).await.unwrap();
        assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::TooLate);
        assert_eq!(world.rows(), "MemoryStore { slots: 0 }");
    }
}

#[tokio::test]
async fn an_invalid_key_is_never_taken_on() {
    for world in World::both() {
        for key in ["", "1234567", "12345678", "nonexistentsessionkey0123456789ab", "../../passwd"]
        {
            let session = world.manager.open(Some(key));
            assert!(session.is_empty().await.unwrap());
            session.insert("n", 1).await.unwrap();
            let given = end(&session).await.unwrap();
            assert_ne!(given, key);
            assert!(world.manager.open(Some(key)).is_empty().await.unwrap());
        }
        assert_eq!(world.rows(), "MemoryStore { slots: 5 }");
    }
}

#[tokio::test]
async fn session_load_does_not_create_record() {
    for world in World::both() {
        for key in ["someunknownkey0123456789abcdefgh", "another"] {
            let session = world.manager.open(Some(key));
            assert_eq!(session.get::<i32>("n").await.unwrap(), None);
            end(&session).await;
        }
        assert_eq!(world.rows(), "MemoryStore { slots: 0 }");
    }
}

#[tokio::test]
async fn session_save_does_not_resurrect_session_logged_out_in_other_context() {
    for world in World::both() {
        let (cookie, one) = world.stored().await;
        one.insert("test_data", "value1").await.unwrap();
        world.manager.open(Some(&cookie)).flush().await.unwrap();
        let error = one.finish(Outcome::Keep).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(world.manager.open(Some(&cookie)).is_empty().await.unwrap());
    }
}

#[tokio::test]
async fn expiry_in_every_form() {
    for world in World::both() {
        let (_, session) = world.stored().await;
        let now = || "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
        assert_eq!(session.expiry().await.unwrap(), Expiry::Default);
        assert_eq!(session.expiry_age().await.unwrap(), TWO_WEEKS);
        session.set_expiry(Expiry::Seconds(10)).await.unwrap();
        assert_eq!(session.expiry_age().await.unwrap(), SignedDuration::from_secs(10));
        assert_eq!(session.expiry_date().await.unwrap(), now() + SignedDuration::from_secs(10));
        let at = now() + SignedDuration::from_secs(20);
        session.set_expiry(Expiry::At(at)).await.unwrap();
        assert_eq!(session.expiry_age().await.unwrap(), SignedDuration::from_secs(20));
        assert_eq!(session.expiry_date().await.unwrap(), at);
        assert!(!session.expires_at_browser_close().await.unwrap());
        session.set_expiry(Expiry::BrowserClose).await.unwrap();
        assert!(session.expires_at_browser_close().await.unwrap());
        assert_eq!(session.expiry_age().await.unwrap(), TWO_WEEKS, "the server keeps it as ever");
        session.set_expiry(Expiry::Default).await.unwrap();
        assert_eq!(session.expiry().await.unwrap(), Expiry::Default);
        assert_eq!(session.keys().await.unwrap(), ["n"], "nothing of it stays behind");
    }
}

#[tokio::test]
async fn actual_expiry() {
    for world in World::both() {
        for (expiry, lives) in [
            (Expiry::Seconds(-1), false),
            (Expiry::Seconds(0), false),
            (Expiry::Seconds(86_401), true),
            (Expiry::At("2026-01-01T00:00:00Z".parse().unwrap()), false),
            (Expiry::At("2036-01-01T00:00:00Z".parse().unwrap()), true),
            (Expiry::BrowserClose, true),
        ] {
            let session = world.manager.open(None);
            session.insert("foo", "bar").await.unwrap();
            session.set_expiry(expiry).await.unwrap();
            let cookie = end(&session).await.unwrap();
            let found = world.manager.open(Some(&cookie)).contains("foo").await.unwrap();
            assert_eq!(found, lives, "{expiry:?}, django mode: {}", world.django);
        }
    }
}

#[tokio::test]
async fn seconds_slide_with_saves_and_not_with_reads() {
    for world in World::both() {
        let (cookie, session) = world.stored().await;
        session.set_expiry(Expiry::Seconds(86_400)).await.unwrap();
        end(&session).await;
        world.clock.advance(DAY / 2);
        let reader = world.manager.open(Some(&cookie));
        assert!(reader.contains("n").await.unwrap());
        end(&reader).await;
        let writer = world.manager.open(Some(&cookie));
        writer.insert("n", 2).await.unwrap();
        end(&writer).await;
        world.clock.advance(DAY * 3 / 4);
        let reader = world.manager.open(Some(&cookie));
        assert!(reader.contains("n").await.unwrap(), "the save moved its end");
        end(&reader).await;
        world.clock.advance(DAY / 4);
        assert!(!world.manager.open(Some(&cookie)).contains("n").await.unwrap());
    }
}

#[tokio::test]
async fn test_cookie() {
    for world in World::both() {
        let session = world.manager.open(None);
        session.set_test_cookie().await.unwrap();
        let cookie = end(&session).await.unwrap();
        assert!(!world.manager.open(None).test_cookie_worked().await.unwrap());
        let session = world.manager.open(Some(&cookie));
        assert!(session.test_cookie_worked().await.unwrap());
        session.delete_test_cookie().await.unwrap();
        assert!(!session.test_cookie_worked().await.unwrap());
        assert_eq!(session.get::<String>("testcookie").await.unwrap(), None);
    }
}

#[tokio::test]
async fn is_empty_and_bool() {
    for world in World::both() {
        let session = world.manager.open(None);
        assert!(session.is_empty().await.unwrap());
        session.insert("foo", "bar").await.unwrap();
        assert!(!session.is_empty().await.unwrap());
    }
}

#[tokio::test]
async fn modify_is_atomic_beside_other_requests() {
    for world in World::both() {
        let (cookie, _) = world.stored().await;
        let requests: Vec<_> = (0..50).map(|_| world.manager.open(Some(&cookie))).collect();
        for request in &requests {
            assert_eq!(request.get::<u32>("n").await.unwrap(), Some(1), "all start from one state");
        }
        let tasks = requests.into_iter().map(|session| {
            tokio::spawn(
                async move { session.modify("n", |n: Option<u32>| n.unwrap_or(0) + 1).await },
            )
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        let session = world.manager.open(Some(&cookie));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(51));
    }
}

#[tokio::test]
async fn an_empty_session_is_stored_only_if_there_was_one() {
    for world in World::both() {
        let session = world.manager.open(None);
        session.insert("n", 1).await.unwrap();
        session.remove("n").await.unwrap();
        assert_eq!(end(&session).await, None);
        session.flush().await.unwrap();
        assert_eq!(world.rows(), "MemoryStore { slots: 0 }");
    }
}
