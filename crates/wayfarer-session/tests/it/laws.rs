//! Every store of this crate keeps every law, also behind an `Arc<dyn>`.

use std::sync::Arc;

use wayfarer_session::{MemoryStore, SessionStore, conformance};

#[tokio::test]
async fn memory() {
    conformance::run(&MemoryStore::new()).await.note("MemoryStore").assert_kept();
}

#[tokio::test]
async fn memory_behind_an_arc() {
    let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
    conformance::run(&store).await.note("Arc<dyn SessionStore>").assert_kept();
}

#[tokio::test]
async fn a_law_is_left_out_only_by_name() {
    let report = conformance::run(&MemoryStore::new()).await;
    assert!(report.0.iter().all(|(_, verdict)| *verdict == conformance::Verdict::Kept), "{report}");
    assert_eq!(report.0.len(), conformance::laws::ALL.len());
}

/// `cargo xtask show sessions` writes the page.
#[test]
fn the_docs_have_a_row_for_every_law_and_no_other() {
    let page = include_str!("../../../../docs/session-laws.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let in_docs: Vec<&str> = rows.map(|(law, _)| law).collect();
    let laws: Vec<&str> = conformance::laws::ALL.iter().map(|law| law.name).collect();
    assert_eq!(in_docs, laws, "run `cargo xtask show sessions`");
}
