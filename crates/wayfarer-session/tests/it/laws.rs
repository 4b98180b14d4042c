//! Every store of this crate keeps every law, also behind an `Arc<dyn>`.

use std::sync::Arc;

use wayfarer_session::{MemoryStore, SessionStore, conformance};

#[tokio::test]
async fn memory() {
    conformance::run(&MemoryStore::new()).await.assert_kept();
}

#[tokio::test]
async fn memory_behind_an_arc() {
    let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
    conformance::run(&store).await.assert_kept();
}

#[tokio::test]
async fn a_law_is_left_out_only_by_name() {
    let report = conformance::run(&MemoryStore::new()).await;
    assert!(report.0.iter().all(|(_, verdict)| *verdict == conformance::Verdict::Kept), "{report}");
    assert_eq!(report.0.len(), conformance::laws::ALL.len());
}
