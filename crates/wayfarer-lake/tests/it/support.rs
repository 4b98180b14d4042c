//! Events and lakes for tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use wayfarer_event::{Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::{CatalogAt, Lake, Options, SharedCatalog, Stored, View};

/// An event whose fields all follow from `n`, with most columns used.
pub(crate) fn event(site: &str, n: u64) -> Event {
    let page = n % 7;
    Event {
        site: site.into(),
        visitor: VisitorId((n % 11).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        visitor_kind: VisitorKind::ALL[(n % 3) as usize],
        session: n.is_multiple_of(3).then(|| format!("s{}", n % 5).into()),
        name: if n.is_multiple_of(4) { "click".into() } else { "page_view".into() },
        ts: Micros(1_767_225_600_000_000 + (n as i64 * 7919 % 1000) * 601_000_001),
        received_at: Micros(1_767_225_600_000_000 + n as i64 * 1000),
        path: Some(format!("/page/{page}").into()),
        title: (page == 3).then(|| "页 drei".into()),
        status: Some(if n.is_multiple_of(9) { 404 } else { 200 }),
        latency_ms: n.is_multiple_of(2).then_some(n as f64 / 8.0),
        active_ms: n.is_multiple_of(5).then_some(n as u32),
        scroll: n.is_multiple_of(6).then_some((n % 100) as u8),
        value: n.is_multiple_of(8).then_some(-1.5),
        props: n.is_multiple_of(10).then(|| format!("{{\"n\":{n}}}").into()),
        ..Event::default()
    }
}

/// The same with an id.
pub(crate) fn event_with_id(site: &str, n: u64) -> Event {
    Event { id: Some(format!("id-{n}").into()), ..event(site, n) }
}

/// A lake that seals and compacts only when it is asked to, in the time of its events.
pub(crate) fn options() -> Options {
    let day = Duration::from_hours(24);
    Options {
        clock: Arc::new(|| Micros::parse("2026-01-12T00:00:00Z").unwrap()),
        seal_after: day,
        compact_after: day,
        keep_snapshots: Duration::ZERO,
        // Back to the first of January, so that files are of a day.
        day_files: 11,
        week_files: 0,
        ..Options::default()
    }
}

/// A catalog in PostgreSQL.
pub(crate) fn shared_catalog(url: &str, files: &Path) -> CatalogAt {
    CatalogAt::Postgres(SharedCatalog { url: url.to_owned(), files: Some(files.to_owned()) })
}

pub(crate) async fn open(folder: &Path) -> Lake {
    Lake::open(folder, options()).await.unwrap()
}

/// Every row, in the order of export.
pub(crate) fn all(view: &View) -> Vec<Stored> {
    view.export(None).unwrap().map(Result::unwrap).collect()
}

/// Where a child finds its disk.
const DISK: &str = "WAYFARER_TEST_OWN_DISK";

/// The disk of a child that [`run_on_own_disk`] started; `None` where the test was not started by it.
pub(crate) fn own_disk() -> Option<PathBuf> {
    std::env::var_os(DISK).map(PathBuf::from)
}

/// Runs a test of this binary again, with a small tmpfs in a mount namespace of its own.
pub(crate) fn run_on_own_disk(child: &str) {
    let folder = tempfile::tempdir().unwrap();
    let namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command.env(DISK, folder.path());
        command
    };
    let mount = format!("mount -t tmpfs -o size=4m tmpfs \"${DISK}\"");
    if !namespace(&mount).output().is_ok_and(|output| output.status.success()) {
        println!("not run: this machine lets nobody mount a tmpfs of his own");
        return;
    }
    let script = format!("{mount} && mkdir \"${DISK}/data\" && exec \"$0\" --exact {child}");
    let binary = std::env::current_exe().unwrap();
    let output = namespace(&script).arg(binary).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
