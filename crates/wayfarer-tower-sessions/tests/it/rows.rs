//! The tables of tower-sessions-sqlx-store, with records as it writes them: MessagePack of the real type.

use sqlx::Executor;
use tower_sessions::{
    cookie::time::{Duration, OffsetDateTime},
    session::{Id, Record},
};
use wayfarer_tower_sessions::{OldSessions, SqliteRows};

fn record(id: i128, life: Duration) -> Record {
    let data = [("cart".to_owned(), serde_json::json!([3, 5, {"é": null, "f": 1.5}]))];
    let expiry_date = OffsetDateTime::now_utc().replace_nanosecond(1000).unwrap() + life;
    Record { id: Id(id), data: data.into_iter().collect(), expiry_date }
}

async fn finds_what_lives(rows: &dyn OldSessions, live: &Record, dead: &Record, damaged: Id) {
    assert_eq!(rows.load(&live.id).await.unwrap().as_ref(), Some(live));
    assert_eq!(rows.load(&dead.id).await.unwrap(), None);
    assert_eq!(rows.load(&Id(1)).await.unwrap(), None);
    assert!(rows.load(&damaged).await.is_err());
    rows.forget(&live.id).await.unwrap();
    assert_eq!(rows.load(&live.id).await.unwrap(), None);
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sqlite");
    assert!(SqliteRows::open(&path).await.is_err(), "none is made");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    pool.execute(
        "create table if not exists tower_sessions
         (id text primary key not null, data blob not null, expiry_date integer not null)",
    )
    .await
    .unwrap();
    let (live, dead) = (record(7, Duration::hours(1)), record(8, -Duration::hours(1)));
    let damaged = Id(9);
    let whole = |record: &Record| rmp_serde::to_vec(record).unwrap();
    for (id, data) in
        [(live.id, whole(&live)), (dead.id, whole(&dead)), (damaged, b"\xc1".to_vec())]
    {
        let insert =
            sqlx::query("insert into tower_sessions (id, data, expiry_date) values (?, ?, ?)");
        let insert = insert.bind(id.to_string()).bind(data).bind("2026-01-01 0:00:00.0 +00:00:00");
        insert.execute(&pool).await.unwrap();
    }
    let rows = SqliteRows::open(&path).await.unwrap();
    finds_what_lives(&rows, &live, &dead, damaged).await;
    assert!(SqliteRows::open_table(&path, "a\"; drop table x; --").await.is_err());
}

mod real {
    use wayfarer_testkit::Postgres;
    use wayfarer_tower_sessions::PostgresRows;

    use super::*;

    #[tokio::test]
    async fn postgres() {
        let url = Postgres::shared().unwrap().database().unwrap();
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        pool.execute("create schema tower_sessions").await.unwrap();
        pool.execute(
            "create table tower_sessions.session
             (id text primary key not null, data bytea not null, expiry_date timestamptz not null)",
        )
        .await
        .unwrap();
        let (live, dead) = (record(7, Duration::hours(1)), record(8, -Duration::hours(1)));
        let damaged = Id(9);
        let whole = |record: &Record| rmp_serde::to_vec(record).unwrap();
        for (id, data) in
            [(live.id, whole(&live)), (dead.id, whole(&dead)), (damaged, b"\xc1".to_vec())]
        {
            let insert = "insert into tower_sessions.session values ($1, $2, now())";
            sqlx::query(insert).bind(id.to_string()).bind(data).execute(&pool).await.unwrap();
        }
        let rows = PostgresRows::open(&url).await.unwrap();
        finds_what_lives(&rows, &live, &dead, damaged).await;
        assert!(PostgresRows::open_table(&url, "x\"y", "session").await.is_err());
    }
}
