use jiff::{Timestamp, civil::date};
use sqlx::SqlitePool;
use wayfarer_analysis::{Goal, Segment};
use wayfarer_collect::Salts;
use wayfarer_session::SystemRandom;

use super::*;
use crate::ErrorKind;

async fn open(folder: &Path) -> Control {
    Control::open(folder, Arc::new(SystemRandom)).await.unwrap()
}

fn hours(hours: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
}

const NOW: wayfarer_event::Micros = wayfarer_event::Micros(1_800_000_000_000_000);

#[tokio::test]
async fn sites_and_tokens_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path()).await;
    let spec = SiteSpec::new("shop").timezone("Europe/Berlin").host("Shop.Example.org");
    control.put_site(&spec, NOW).await.unwrap();
    let token = control.create_token("shop", Scope::Server, NOW).await.unwrap();
    let gone = control.create_token("shop", Scope::Browser, NOW).await.unwrap();
    assert!(token.token.starts_with("wfs_") && gone.token.starts_with("wfb_"));
    assert!(control.revoke_token(&gone.id).await.unwrap());
    assert!(!control.revoke_token(&gone.id).await.unwrap());
    control.close().await;

    let control = open(folder.path()).await;
    let site = control.site("shop").unwrap();
    assert_eq!(site.own_hosts, ["shop.example.org"]);
    assert_eq!(control.sites()[0].timezone, "Europe/Berlin");
    let grant = control.grant(&token.token).unwrap();
    assert_eq!((grant.site.name.as_str(), grant.scope), ("shop", Scope::Server));
    assert!(control.grant(&gone.token).is_none());
    assert!(control.grant("wfs_guess").is_none());
}

#[tokio::test]
async fn goals_and_segments_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path()).await;
    let goal = |filter: &str| Goal { name: "bought".into(), filter: filter.into() };
    let segment = |name: &str, narrows: &[&str]| Segment {
        name: name.into(),
        filter: Some("country = 'DE'".into()),
        segment: narrows.iter().map(|name| (*name).to_owned()).collect(),
        ..Segment::default()
    };
    let unknown = control.save("s", &goal("name = 'a'"), NOW).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownSite);
    for site in ["s", "other"] {
        control.put_site(&SiteSpec::new(site), NOW).await.unwrap();
    }
    control.save("s", &goal("name = 'a'"), NOW).await.unwrap();
    control.save("s", &goal("name = 'purchase'"), NOW).await.unwrap();
    control.save("s", &segment("german", &[]), NOW).await.unwrap();
    control.save("s", &segment("a part", &["german"]), NOW).await.unwrap();
    for (wrong, word) in [
        (segment("german", &["a part"]), "leads back to itself"),
        (segment("b", &["germans"]), "did you mean `german`"),
        (Segment { name: "b".into(), ..Segment::default() }, "chooses something"),
    ] {
        let error = control.save("s", &wrong, NOW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = control.save("s", &goal("nmae = 'a'"), NOW).await.unwrap_err();
    assert!(error.to_string().contains("`name`"), "{error}");
    control.close().await;

    let control = open(folder.path()).await;
    assert_eq!(control.saved::<Goal>("s").unwrap(), [goal("name = 'purchase'")]);
    let names = |control: &Control| -> Vec<String> {
        control.saved::<Segment>("s").unwrap().into_iter().map(|segment| segment.name).collect()
    };
    assert_eq!(names(&control), ["a part", "german"]);
    assert!(control.saved::<Goal>("other").unwrap().is_empty());
    let error = control.forget::<Segment>("s", "german").await.unwrap_err();
    assert!(error.to_string().contains("narrowed by `a part`"), "{error}");
    assert!(control.forget::<Segment>("s", "a part").await.unwrap());
    assert!(!control.forget::<Segment>("s", "a part").await.unwrap());
    assert!(control.forget::<Segment>("s", "german").await.unwrap());
    assert!(!control.forget::<Goal>("other", "bought").await.unwrap());
    assert!(control.forget::<Goal>("s", "bought").await.unwrap());
    control.close().await;
    let control = open(folder.path()).await;
    assert!(names(&control).is_empty() && control.saved::<Goal>("s").unwrap().is_empty());
}

#[tokio::test]
async fn a_site_has_so_many_goals_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path()).await;
    control.put_site(&SiteSpec::new("s"), NOW).await.unwrap();
    let goal = |nth: usize| Goal { name: format!("goal {nth}"), filter: "name = 'a'".into() };
    for nth in 0..Goal::MOST {
        control.save("s", &goal(nth), NOW).await.unwrap();
    }
    assert!(control.save("s", &goal(0), NOW).await.is_ok());
    let error = control.save("s", &goal(Goal::MOST), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "a site has at most 64 goals");
}

#[tokio::test]
async fn a_token_is_not_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path()).await;
    control.put_site(&SiteSpec::new("s"), NOW).await.unwrap();
    let token = control.create_token("s", Scope::Server, NOW).await.unwrap();
    control.close().await;
    let file = std::fs::read(folder.path().join(FILE)).unwrap();
    let secret = token.token.trim_start_matches("wfs_").as_bytes();
    assert!(!file.windows(secret.len()).any(|window| window == secret));
    assert!(!format!("{token:?}").contains(&token.token));
}

#[tokio::test]
async fn what_a_site_cannot_be_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path()).await;
    let wrong = [
        (SiteSpec::new(""), "name"),
        (SiteSpec::new("a/b"), "name"),
        (SiteSpec::new("a".repeat(65)), "name"),
        (SiteSpec::new("a").timezone("Mars/Base"), "Mars/Base"),
        (SiteSpec::new("a").host("shop.example.org:80"), "shop.example.org:80"),
    ];
    for (spec, word) in wrong {
        let error = control.put_site(&spec, NOW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = control.create_token("a", Scope::Browser, NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownSite);
}

#[tokio::test]
async fn a_daily_salt_stays_while_it_is_used_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let day = date(2026, 3, 1);
    let control = open(folder.path()).await;
    let salts = control.salts();
    let salt = salts.daily(day).unwrap();
    salts.save(hours(0)).await.unwrap();
    control.close().await;

    let control = open(folder.path()).await;
    let salts = control.salts();
    salts.expire(hours(47)).await.unwrap();
    assert_eq!(salts.daily(day).unwrap(), salt, "used again: its time begins anew");
    salts.expire(hours(94)).await.unwrap();
    salts.expire(hours(141)).await.unwrap();
    salts.expire(hours(143)).await.unwrap();
    assert_ne!(salts.daily(day).unwrap(), salt);
    control.close().await;
    let file = std::fs::read(folder.path().join(FILE)).unwrap();
    assert!(!file.windows(32).any(|window| window == salt), "thrown away is overwritten");
}

#[tokio::test]
async fn a_salt_that_was_not_saved_is_saved_with_the_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path()).await;
    let salts = Arc::clone(control.salts());
    let one = salts.daily(date(2026, 3, 1)).unwrap();
    let two = salts.daily(date(2026, 3, 2)).unwrap();
    assert_ne!(one, two);
    let (first, second) = tokio::join!(salts.save(hours(0)), salts.save(hours(0)));
    first.unwrap();
    second.unwrap();
    let identity = salts.identity();
    control.close().await;
    let control = open(folder.path()).await;
    assert_eq!(control.salts().daily(date(2026, 3, 1)).unwrap(), one);
    assert_eq!(control.salts().identity(), identity);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(folder.path()).await;
    sqlx::query("PRAGMA user_version = 9").execute(&control.pool).await.unwrap();
    control.close().await;
    let error = Control::open(folder.path(), Arc::new(SystemRandom)).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 9, .. }), "{error}");
}

#[tokio::test]
async fn an_older_store_is_copied_before_it_is_brought_forward() {
    const TWO: &[&str] = &["CREATE TABLE a (x)", "CREATE TABLE b (x)"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.sqlite");
    let pool = connect(&file).await.unwrap();
    schema::migrate(&pool, &file, &TWO[..1]).await.unwrap();
    schema::migrate(&pool, &file, TWO).await.unwrap();
    assert_eq!(tables(&pool).await, ["a", "b"]);
    let copy = connect(&folder.path().join("t.v1.backup.sqlite")).await.unwrap();
    assert_eq!(tables(&copy).await, ["a"]);
}

async fn tables(pool: &SqlitePool) -> Vec<String> {
    let names = sqlx::query_scalar("SELECT name FROM sqlite_schema ORDER BY name");
    names.fetch_all(pool).await.unwrap()
}
