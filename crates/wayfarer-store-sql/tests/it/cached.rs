//! A cache in front of SQLite keeps every law.

use wayfarer_session::{CachedStore, MemoryStore, conformance};
use wayfarer_store_sql::{SqliteOptions, SqliteStore};

#[tokio::test]
async fn memory_before_sqlite_keeps_every_law() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.sqlite");
    let sqlite = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    let store = CachedStore::new(MemoryStore::new(), sqlite).unwrap();
    let report = conformance::run(&store).await;
    report.note("CachedStore<MemoryStore, SqliteStore>");
    assert!(report.0.iter().all(|(_, verdict)| *verdict == conformance::Verdict::Kept), "{report}");
    assert!(store.counts().hits > 0);
}
