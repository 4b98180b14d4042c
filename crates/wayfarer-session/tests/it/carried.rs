//! Sessions that lie in their cookies: what they keep, what nobody can do to them, and what the server can still say.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use wayfarer_session::{
    BoxError, Clock, CookieChange, CookieKeys, CookieOwner, CookieSessions, Epochs, ErrorKind,
    Expiry, ManualClock, MemoryEpochs, Outcome, Session, SessionManager, SessionManagerBuilder,
    Whose,
    django::{COOKIE_SALT, DjangoCodec, DjangoKeys, PickleCodec, SALT},
};

const SECRET: &str = "test-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz";

fn keys(byte: u8) -> CookieKeys {
    CookieKeys::new(&[byte; 32]).unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_second(1_767_225_600).unwrap()))
}

fn native(cookies: CookieSessions, clock: &Arc<ManualClock>) -> SessionManagerBuilder {
    SessionManager::in_cookies(cookies)
        .cookie_keys(keys(7))
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
}

fn both() -> [CookieSessions; 2] {
    [CookieSessions::signed(), CookieSessions::encrypted()]
}

async fn end(session: &Session) -> Option<String> {
    match session.finish(Outcome::Keep).await.unwrap().cookie {
        CookieChange::Set { value, .. } => Some(value),
        CookieChange::Keep | CookieChange::Remove => None,
    }
}

async fn with(manager: &SessionManager, key: &str, value: &str) -> String {
    let session = manager.open(None);
    session.insert(key, value).await.unwrap();
    end(&session).await.unwrap()
}

async fn get(manager: &SessionManager, cookie: &str, key: &str) -> Option<String> {
    manager.open(Some(cookie)).get(key).await.unwrap()
}

#[tokio::test]
async fn a_session_comes_back_from_its_cookie_and_keeps_its_subject() {
    for cookies in both() {
        let manager = native(cookies, &clock()).build().unwrap();
        let session = manager.open(None);
        session.insert("a", vec![1, 2]).await.unwrap();
        let first = end(&session).await.unwrap();
        let subject = session.subject().unwrap();
        let session = manager.open(Some(&first));
        assert_eq!(session.subject(), Some(subject), "without loading it");
        assert_eq!(session.get::<Vec<u8>>("a").await.unwrap(), Some(vec![1, 2]));
        assert_eq!(end(&session).await, None, "a read writes no cookie");
        let session = manager.open(Some(&first));
        session.insert("b", "é").await.unwrap();
        assert_eq!(session.modify("n", |n: Option<u32>| n.unwrap_or(1) + 1).await.unwrap(), 2);
        let second = end(&session).await.unwrap();
        let session = manager.open(Some(&second));
        assert_eq!(session.keys().await.unwrap(), ["a", "b", "n"]);
        assert_eq!(session.subject(), Some(subject));
        assert!(!format!("{session:?} {manager:?}").contains(&second));
    }
}

#[tokio::test]
async fn an_untouched_session_costs_nothing_and_a_visitor_without_one_gets_none() {
    let manager = native(CookieSessions::signed(), &clock()).build().unwrap();
    let session = manager.open(None);
    assert!(session.is_empty().await.unwrap());
    assert_eq!(end(&session).await, None);
    let session = manager.open(Some("anything"));
    let finished = session.finish(Outcome::Keep).await.unwrap();
    assert_eq!((finished.cookie, finished.accessed), (CookieChange::Keep, false));
}

#[tokio::test]
async fn nobody_changes_a_cookie_or_seals_one_of_another_kind() {
    for cookies in both() {
        let manager = native(cookies.clone(), &clock()).build().unwrap();
        let cookie = with(&manager, "a", "1").await;
        for at in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(get(&manager, &changed, "a").await, None, "byte {at}");
            assert_eq!(get(&manager, &cookie[..at], "a").await, None, "cut at {at}");
        }
        let refused = manager.open(Some("junk"));
        assert!(refused.is_empty().await.unwrap());
        let change = refused.finish(Outcome::Keep).await.unwrap().cookie;
        assert_eq!(change, CookieChange::Remove);
        let others = SessionManager::in_cookies(cookies).cookie_keys(keys(8)).build().unwrap();
        assert_eq!(get(&others, &cookie, "a").await, None, "under other keys");
    }
    let [signed, encrypted] = both().map(|cookies| native(cookies, &clock()).build().unwrap());
    assert_eq!(get(&encrypted, &with(&signed, "a", "1").await, "a").await, None);
    assert_eq!(get(&signed, &with(&encrypted, "a", "1").await, "a").await, None);
}

#[tokio::test]
async fn keys_are_changed_while_sessions_go_on() {
    for cookies in both() {
        let old = native(cookies.clone(), &clock()).build().unwrap();
        let cookie = with(&old, "a", "1").await;
        let rotated = keys(9).with_fallback(&[7; 32]).unwrap();
        let new = SessionManager::in_cookies(cookies).cookie_keys(rotated).clock(clock());
        let new = new.build().unwrap();
        let session = new.open(Some(&cookie));
        assert_eq!(session.get::<String>("a").await.unwrap().as_deref(), Some("1"));
        session.insert("b", "2").await.unwrap();
        let resealed = end(&session).await.unwrap();
        assert_eq!(get(&new, &resealed, "b").await.as_deref(), Some("2"));
        assert_eq!(get(&old, &resealed, "a").await, None, "the new key seals");
    }
}

#[tokio::test]
async fn an_encrypted_cookie_shows_nothing_and_a_signed_one_does() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let contains = |cookie: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(cookie).unwrap();
        bytes.windows(6).any(|part| part == b"secret")
    };
    let [signed, encrypted] = both().map(|cookies| native(cookies, &clock()).build().unwrap());
    assert!(contains(&with(&signed, "a", "secret").await));
    let one = with(&encrypted, "a", "secret").await;
    assert!(!contains(&one));
    assert_ne!(one, with(&encrypted, "a", "secret").await);
}

#[tokio::test]
async fn a_session_runs_out_and_lives_on_while_it_is_used() {
    let clock = clock();
    let builder = native(CookieSessions::signed(), &clock);
    let manager =
        builder.idle(Duration::from_secs(600)).absolute(Duration::from_secs(1500)).build();
    let manager = manager.unwrap();
    let first = with(&manager, "a", "1").await;
    clock.advance(Duration::from_secs(599));
    let session = manager.open(Some(&first));
    assert!(session.contains("a").await.unwrap());
    let second = end(&session).await.expect("it is sealed anew, to live on");
    clock.advance(Duration::from_secs(1));
    assert_eq!(get(&manager, &first, "a").await, None);
    clock.advance(Duration::from_secs(590));
    let session = manager.open(Some(&second));
    assert!(session.contains("a").await.unwrap());
    let third = end(&session).await.unwrap();
    clock.advance(Duration::from_secs(309));
    assert!(get(&manager, &third, "a").await.is_some());
    clock.advance(Duration::from_secs(1));
    assert_eq!(get(&manager, &third, "a").await, None, "the absolute limit");
    let session = manager.open(None);
    session.insert("a", 1).await.unwrap();
    session.set_expiry(Expiry::Seconds(5)).await.unwrap();
    let short = end(&session).await.unwrap();
    clock.advance(Duration::from_secs(5));
    assert!(!manager.open(Some(&short)).contains("a").await.unwrap());
}

#[tokio::test]
async fn what_does_not_fit_is_an_error_and_what_can_be_packed_is() {
    let manager = native(CookieSessions::signed(), &clock()).build().unwrap();
    let cookie = with(&manager, "a", &"x".repeat(100_000)).await;
    assert!(cookie.len() < 500, "it is packed: {}", cookie.len());
    assert_eq!(get(&manager, &cookie, "a").await.unwrap().len(), 100_000);
    let noise: String = (0..5000_u32)
        .map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26))
        .collect();
    let session = manager.open(Some(&cookie));
    session
        .insert(
            "noise",
            noise.repeat(3)
                + &format!(
                    "{:?}",
                    (0..2000_u32).map(|n| n.wrapping_mul(2_654_435_761)).collect::<Vec<_>>()
                ),
        )
        .await
        .unwrap();
    let error = session.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("4032 are allowed"), "{error}");
    // What could not be unpacked again is not packed.
    let session = native(CookieSessions::signed(), &clock()).build().unwrap().open(None);
    session.insert("a", "x".repeat(300_000)).await.unwrap();
    let error = session.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("262144 are allowed"), "{error}");
}

#[tokio::test]
async fn a_flush_takes_the_cookie_away_and_cannot_call_it_back() {
    let manager = native(CookieSessions::signed(), &clock()).build().unwrap();
    let cookie = with(&manager, "a", "1").await;
    let session = manager.open(Some(&cookie));
    session.flush().await.unwrap();
    let change = session.finish(Outcome::Keep).await.unwrap().cookie;
    assert_eq!(change, CookieChange::Remove);
    assert!(get(&manager, &cookie, "a").await.is_some(), "as the docs say");
    let error = manager.sessions_of("42").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(manager.purge().await.unwrap(), 0);
}

#[tokio::test]
async fn what_changes_after_the_head_is_too_late() {
    let manager = native(CookieSessions::signed(), &clock()).build().unwrap();
    let cookie = with(&manager, "a", "1").await;
    let session = manager.open(Some(&cookie));
    let _ = session.finish(Outcome::Keep).await.unwrap();
    session.insert("b", 2).await.unwrap();
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::TooLate);
}

/// Epochs that may be away.
#[derive(Debug, Default)]
struct Noted(MemoryEpochs, AtomicBool);

impl Noted {
    async fn end(&self, whose: Whose, instant: Timestamp) {
        self.0.end_before(&whose, instant, Timestamp::MAX).await.unwrap();
    }

    fn is_there(&self) -> Result<(), BoxError> {
        let away = self.1.load(Ordering::Relaxed);
        if away { Err("the table of epochs is away".into()) } else { Ok(()) }
    }
}

#[async_trait]
impl Epochs for Noted {
    async fn not_before(&self, whose: CookieOwner<'_>) -> Result<Option<Timestamp>, BoxError> {
        self.is_there()?;
        self.0.not_before(whose).await
    }

    async fn end_before(
        &self,
        whose: &Whose,
        instant: Timestamp,
        forget_at: Timestamp,
    ) -> Result<(), BoxError> {
        self.is_there()?;
        self.0.end_before(whose, instant, forget_at).await
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, BoxError> {
        self.0.purge(limit, now).await
    }
}

fn user(name: &str) -> Whose {
    Whose::User(name.to_owned())
}

#[tokio::test]
async fn an_epoch_ends_what_began_before_it_and_nothing_else() {
    let (clock, epochs) = (clock(), Arc::new(Noted::default()));
    let cookies = CookieSessions::encrypted().with_epochs(Arc::clone(&epochs) as Arc<dyn Epochs>);
    let manager = native(cookies, &clock).build().unwrap();
    let ada = with(&manager, "_auth_user_id", "ada").await;
    let bob = with(&manager, "_auth_user_id", "bob").await;
    let live = async |cookie: &str| get(&manager, cookie, "_auth_user_id").await.is_some();
    // A request that is at work while all sessions of its user are ended.
    let at_work = manager.open(Some(&ada));
    at_work.insert("late", 1).await.unwrap();
    clock.advance(Duration::from_secs(60));
    epochs.end(user("ada"), clock.now()).await;
    let error = at_work.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!((live(&ada).await, live(&bob).await), (false, true));
    // Who logs in again has a new key, and is in.
    clock.advance(Duration::from_secs(60));
    epochs.end(user("bob"), clock.now()).await;
    let again = with(&manager, "_auth_user_id", "ada").await;
    assert!(live(&again).await && !live(&bob).await);
    let subject = manager.open(Some(&again)).subject().unwrap();
    epochs.end(Whose::Session(subject), clock.now() + SignedDuration::from_secs(1)).await;
    assert!(!live(&again).await, "one session alone");
    // Nobody is let in because the epochs cannot be asked.
    epochs.1.store(true, Ordering::Relaxed);
    let error = manager.open(Some(&again)).get::<String>("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_log_out_holds_for_whoever_kept_the_cookie() {
    let (clock, epochs) = (clock(), Arc::new(Noted::default()));
    let cookies = CookieSessions::signed().with_epochs(Arc::clone(&epochs) as Arc<dyn Epochs>);
    let manager = native(cookies, &clock).build().unwrap();
    let kept = with(&manager, "_auth_user_id", "ada").await;
    let other = with(&manager, "_auth_user_id", "ada").await;
    // One request writes, another is just logging the same session in again: neither gets a cookie that is worth anything.
    let (writes, logs_in) = (manager.open(Some(&kept)), manager.open(Some(&kept)));
    writes.insert("late", 1).await.unwrap();
    logs_in.cycle_key().await.unwrap();
    let out = manager.open(Some(&kept));
    epochs.1.store(true, Ordering::Relaxed);
    assert_eq!(out.flush().await.unwrap_err().kind(), ErrorKind::Unavailable);
    epochs.1.store(false, Ordering::Relaxed);
    let out = manager.open(Some(&kept));
    out.flush().await.unwrap();
    clock.advance(Duration::from_secs(60));
    for late in [writes, logs_in] {
        let error = late.finish(Outcome::Keep).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    assert_eq!(get(&manager, &kept, "_auth_user_id").await, None);
    assert!(get(&manager, &other, "_auth_user_id").await.is_some());
}

#[tokio::test]
async fn all_of_a_user_before_an_instant_are_over() {
    let (clock, epochs) = (clock(), MemoryEpochs::new());
    let cookies = CookieSessions::signed().with_epochs(Arc::new(epochs.clone()));
    let absolute = Duration::from_secs(7 * 24 * 60 * 60);
    let manager = native(cookies, &clock).absolute(absolute).build().unwrap();
    let first = with(&manager, "_auth_user_id", "ada").await;
    clock.advance(Duration::from_secs(60));
    let (instant, second) = (clock.now(), with(&manager, "_auth_user_id", "ada").await);
    let bob = with(&manager, "_auth_user_id", "bob").await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(manager.revoke_before("ada", instant).await.unwrap(), None);
    let mut live = Vec::new();
    for cookie in [&first, &second, &bob] {
        live.push(get(&manager, cookie, "_auth_user_id").await.is_some());
    }
    assert_eq!(live, [false, true, true]);
    // What is noted is forgotten when nobody can have a cookie from before any more, and not earlier.
    clock.advance(absolute - Duration::from_secs(1));
    manager.purge().await.unwrap();
    assert_eq!(format!("{epochs:?}"), "MemoryEpochs(1)");
    clock.advance(Duration::from_secs(1));
    manager.purge().await.unwrap();
    assert_eq!(format!("{epochs:?}"), "MemoryEpochs(0)");
    // An instant of the future ends nothing that begins after the call.
    manager.revoke_before("ada", clock.now() + SignedDuration::from_hours(1)).await.unwrap();
    clock.advance(Duration::from_secs(60));
    let third = with(&manager, "_auth_user_id", "ada").await;
    assert!(get(&manager, &third, "_auth_user_id").await.is_some());
}

#[tokio::test]
async fn without_epochs_nobody_is_told_that_sessions_have_ended() {
    let clock = clock();
    let manager = native(CookieSessions::signed(), &clock).build().unwrap();
    let error = manager.revoke_before("ada", clock.now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_new_key_counts_from_when_it_was_given() {
    let (clock, epochs) = (clock(), Arc::new(Noted::default()));
    let cookies = CookieSessions::signed().with_epochs(Arc::clone(&epochs) as Arc<dyn Epochs>);
    let manager = native(cookies, &clock).build().unwrap();
    let before = with(&manager, "_auth_user_id", "ada").await;
    clock.advance(Duration::from_secs(60));
    let session = manager.open(Some(&before));
    session.cycle_key().await.unwrap();
    let after = end(&session).await.unwrap();
    epochs.end(user("ada"), clock.now()).await;
    assert_eq!(get(&manager, &before, "_auth_user_id").await, None);
    assert!(get(&manager, &after, "_auth_user_id").await.is_some());
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let codec = || DjangoCodec::new(&DjangoKeys::new(SECRET).unwrap(), COOKIE_SALT).unwrap();
    let epochs: Arc<dyn Epochs> = Arc::new(Noted::default());
    let wrong = [
        SessionManager::in_cookies(CookieSessions::signed()),
        SessionManager::in_cookies(CookieSessions::signed())
            .cookie_keys(keys(7))
            .early_subject(true),
        SessionManager::in_cookies(CookieSessions::encrypted()).django(codec()),
        SessionManager::in_cookies(CookieSessions::signed().with_epochs(epochs)).django(codec()),
        SessionManager::in_cookies(CookieSessions::signed()).django(PickleCodec::new()),
    ];
    for builder in wrong {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Config);
    }
}

fn django(salt: &str, clock: &Arc<ManualClock>) -> SessionManager {
    let codec = DjangoCodec::new(&DjangoKeys::new(SECRET).unwrap(), salt).unwrap();
    let builder = SessionManager::in_cookies(CookieSessions::signed()).django(codec);
    builder.subject_entry(false).clock(Arc::clone(clock) as Arc<dyn Clock>).build().unwrap()
}

#[tokio::test]
async fn djangos_signed_cookies_are_written_as_by_django() {
    const A_IS_1: &str = "eyJhIjoxfQ:1vb66i:yjvgsmTztUOEtZe7JEFGqd1v0uhNZ9j9zUAFYV3Ewis";
    let clock = clock();
    let manager = django(COOKIE_SALT, &clock);
    let session = manager.open(None);
    session.insert("a", 1).await.unwrap();
    assert_eq!(end(&session).await.as_deref(), Some(A_IS_1));
}

mod real {
    use wayfarer_testkit::django::SECRET;

    use super::*;

    #[tokio::test]
    async fn django_and_we_read_and_write_the_same_cookies() {
        let project = wayfarer_testkit::django::project(&[], "signed_cookies", "").unwrap();
        let with_salt = |salt| {
            let codec = DjangoCodec::new(&DjangoKeys::new(SECRET).unwrap(), salt).unwrap();
            SessionManager::in_cookies(CookieSessions::signed()).django(codec).build().unwrap()
        };
        let manager = with_salt(COOKIE_SALT);
        wayfarer_testkit::django::cookies_both_ways(&project, &manager).await.unwrap();
        let theirs = project.run("s = S(); s['a'] = 1; s.save(); print(s.session_key)").unwrap();
        assert!(manager.open(Some(&theirs)).contains("a").await.unwrap());
        assert!(with_salt(SALT).open(Some(&theirs)).is_empty().await.unwrap(), "another salt");
    }
}

#[tokio::test]
async fn a_session_that_ends_at_the_end_of_time_comes_back() {
    for cookies in both() {
        let manager = native(cookies, &clock()).build().unwrap();
        for expiry in [Expiry::Seconds(i64::MAX), Expiry::At(Timestamp::MAX)] {
            let session = manager.open(None);
            session.insert("a", "1").await.unwrap();
            session.set_expiry(expiry).await.unwrap();
            let cookie = end(&session).await.unwrap();
            // Another process: it has only what the cookie says.
            let manager = native(CookieSessions::signed(), &clock()).build().unwrap();
            let other = native(CookieSessions::encrypted(), &clock()).build().unwrap();
            let read = [get(&manager, &cookie, "a").await, get(&other, &cookie, "a").await];
            assert!(read.contains(&Some("1".to_owned())), "{expiry:?}");
        }
    }
}
