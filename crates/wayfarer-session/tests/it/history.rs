//! History, and the purge that forgets: what is told of a session after it is gone.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use wayfarer_session::{
    CookieChange, CookieKeys, ErrorKind, HistoryEntry, ManualClock, MemoryHistory, MemoryStore,
    Outcome, RequestContext, Session, SessionHistory, SessionManager, SessionManagerBuilder,
    SignalKind, StoreError, Whose, conformance, last_end,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn builder(store: &MemoryStore, clock: &Arc<ManualClock>) -> SessionManagerBuilder {
    let keys = CookieKeys::new(&[7; 32]).unwrap();
    SessionManager::builder(store.clone()).cookie_keys(keys).clock(clock.clone())
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()))
}

async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

async fn log_in(manager: &SessionManager) -> String {
    let session = manager.open(None);
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let context = RequestContext {
        user_agent: Some(agent.into()),
        client_ip: Some("203.0.113.7".parse().unwrap()),
        ..RequestContext::default()
    };
    session.put_extension(Arc::new(context));
    session.insert("_auth_user_id", "ada").await.unwrap();
    end(&session).await.unwrap()
}

async fn told(manager: &SessionManager) -> Vec<(SignalKind, Option<String>)> {
    let entries = manager.history(&Whose::User("ada".into()), 9).await.unwrap();
    entries.into_iter().map(|entry| (entry.kind, entry.device)).collect()
}

#[tokio::test]
async fn the_laws_are_kept() {
    conformance::run_history(&MemoryHistory::new(1000)).await.unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    ForgetsReasons,
    OldestFirst,
    IgnoresLimit,
    IgnoresWhose,
    IgnoresHandles,
    IgnoresCase,
    PurgesAll,
    PurgesAtOnce,
}

/// A history with one flaw.
#[derive(Debug)]
struct Flawed(Flaw, MemoryHistory);

#[async_trait]
impl SessionHistory for Flawed {
    async fn append(&self, entry: &HistoryEntry) -> Result<(), StoreError> {
        let mut entry = entry.clone();
        match self.0 {
            Flaw::ForgetsReasons => entry.reason = None,
            Flaw::IgnoresCase => entry.user = entry.user.map(|user| user.to_lowercase()),
            _ => {}
        }
        self.1.append(&entry).await
    }

    async fn read(&self, whose: &Whose, limit: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        let limit = if self.0 == Flaw::IgnoresLimit { 99 } else { limit };
        let whose = match whose {
            Whose::User(user) if self.0 == Flaw::IgnoresCase => Whose::User(user.to_lowercase()),
            Whose::Session(_) if self.0 == Flaw::IgnoresWhose => {
                let at = jiff::Timestamp::UNIX_EPOCH;
                return Ok(vec![HistoryEntry::new(SignalKind::Created, at)]);
            }
            Whose::Handle(_) if self.0 == Flaw::IgnoresHandles => return Ok(Vec::new()),
            other => other.clone(),
        };
        if self.0 != Flaw::OldestFirst {
            return self.1.read(&whose, limit).await;
        }
        let mut all = self.1.read(&whose, 99).await?;
        all.reverse();
        all.truncate(limit.try_into().unwrap());
        Ok(all)
    }

    async fn purge(&self, limit: u32, before: jiff::Timestamp) -> Result<u32, StoreError> {
        match self.0 {
            Flaw::PurgesAll => self.1.purge(limit, jiff::Timestamp::MAX).await,
            Flaw::PurgesAtOnce => self.1.purge(99, before).await,
            _ => self.1.purge(limit, before).await,
        }
    }
}

#[tokio::test]
async fn every_flaw_is_found() {
    let flaws = [
        Flaw::ForgetsReasons,
        Flaw::OldestFirst,
        Flaw::IgnoresLimit,
        Flaw::IgnoresWhose,
        Flaw::IgnoresHandles,
        Flaw::IgnoresCase,
        Flaw::PurgesAll,
        Flaw::PurgesAtOnce,
    ];
    for flaw in flaws {
        let history = Flawed(flaw, MemoryHistory::new(1000));
        assert!(conformance::run_history(&history).await.is_err(), "{flaw:?} is not found");
    }
}

#[tokio::test]
async fn it_tells_why_somebody_was_logged_out() {
    let (store, clock) = (MemoryStore::new(), clock());
    let manager =
        builder(&store, &clock).history(MemoryHistory::new(100), DAY * 90).build().unwrap();
    let device = Some("Firefox on Linux".to_owned());
    let revoked = log_in(&manager).await;
    let subject = manager.open(Some(&revoked)).subject().unwrap();
    let at_work = manager.open(Some(&revoked));
    at_work.insert("late", 1).await.unwrap();
    manager.revoke_all("ada", None).await.unwrap();
    let _ = at_work.finish(Outcome::Keep).await.unwrap_err();
    let expected = [
        (SignalKind::Interrupted, None),
        (SignalKind::Revoked, None),
        (SignalKind::Created, device.clone()),
    ];
    assert_eq!(told(&manager).await, expected);
    let of_session = manager.history(&Whose::Session(subject), 1).await.unwrap();
    assert_eq!(of_session[0].kind, SignalKind::Interrupted);

    let ran_out = log_in(&manager).await;
    clock.advance(DAY * 15);
    assert!(manager.open(Some(&ran_out)).is_empty().await.unwrap());
    assert_eq!(told(&manager).await[0], (SignalKind::Expired, None));
    let text =
        serde_json::to_string(&manager.history(&Whose::User("ada".into()), 9).await.unwrap());
    assert!(!text.unwrap().contains("203.0.113.7"));
}

#[test]
fn the_last_end_says_why_and_a_log_out_says_more_than_the_flush_after_it() {
    let (ours, others) = ([1; 16], [2; 16]);
    let told = |kinds: &[(SignalKind, [u8; 16])]| {
        let entries = kinds.iter().map(|(kind, subject)| {
            let at = jiff::Timestamp::UNIX_EPOCH;
            let mut entry = HistoryEntry::new(kind.clone(), at);
            entry.subject = Some(wayfarer_session::Subject::from_bytes(*subject));
            entry
        });
        let entries: Vec<_> = entries.collect();
        last_end(&entries).map(|end| end.kind.clone())
    };
    use SignalKind::{Created, Expired, Flushed, Interrupted, LoggedIn, LoggedOut, Revoked};
    assert_eq!(told(&[]), None);
    assert_eq!(told(&[(LoggedIn, ours), (Created, ours)]), None);
    assert_eq!(told(&[(Interrupted, ours), (Revoked, ours), (LoggedIn, ours)]), Some(Revoked));
    assert_eq!(told(&[(Flushed, ours), (LoggedOut, ours), (LoggedIn, ours)]), Some(LoggedOut));
    // Another session's log-out does not explain this one's end.
    assert_eq!(told(&[(Flushed, ours), (LoggedOut, others)]), Some(Flushed));
    assert_eq!(told(&[(Expired, ours), (LoggedOut, ours)]), Some(Expired));
}

#[tokio::test]
async fn without_a_history_it_says_so() {
    let manager = builder(&MemoryStore::new(), &clock()).build().unwrap();
    let error = manager.history(&Whose::User("ada".into()), 9).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_memory_is_bounded() {
    let history = MemoryHistory::new(3);
    for second in 0..10 {
        let at = jiff::Timestamp::from_second(second).unwrap();
        let mut entry = HistoryEntry::new(SignalKind::Created, at);
        entry.user = Some("ada".into());
        history.append(&entry).await.unwrap();
    }
    let kept = history.read(&Whose::User("ada".into()), 99).await.unwrap();
    let seconds: Vec<_> = kept.iter().map(|entry| entry.at.as_second()).collect();
    assert_eq!(seconds, [9, 8, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_purge_runs_by_itself_and_forgets_sessions_and_history() {
    let (store, clock, history) = (MemoryStore::new(), clock(), MemoryHistory::new(100));
    let manager = builder(&store, &clock).history(history.clone(), DAY * 30).build().unwrap();
    for _ in 0..3 {
        log_in(&manager).await;
    }
    let purging = tokio::spawn(manager.clone().purge_every(DAY));
    tokio::time::sleep(DAY * 2).await;
    assert_eq!(format!("{store:?}"), "MemoryStore { slots: 3 }", "they live");
    clock.advance(DAY * 15);
    tokio::time::sleep(DAY * 2).await;
    assert_eq!(format!("{store:?}"), "MemoryStore { slots: 0 }");
    assert_eq!(format!("{history:?}"), "MemoryHistory(3 of 100)", "that is kept longer");
    clock.advance(DAY * 30);
    tokio::time::sleep(DAY * 2).await;
    assert_eq!(format!("{history:?}"), "MemoryHistory(0 of 100)");
    purging.abort();
}
