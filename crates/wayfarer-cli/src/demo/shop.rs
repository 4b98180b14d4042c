//! The example shop as the demo runs it: sessions in SQLite, events and insights over HTTP with a server token.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use wayfarer::{
    CookieKeys,
    session::{Random as _, SystemRandom},
    store::{Durability, SqliteOptions, SqliteStore},
    track::{Counts, HttpInsights, HttpSink, Tracker, TrackerOptions},
};
use wayfarer_example_shop::ShopOptions;

/// What the shop must know of the collector.
pub(crate) struct Collector<'a> {
    /// Its address, which is the dashboard's too.
    pub(crate) url: &'a str,
    /// A server token of the site.
    pub(crate) token: &'a str,
    /// The site.
    pub(crate) site: &'a str,
}

/// A shop that is open.
pub(crate) struct Shop {
    tracker: Tracker,
    close: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
}

impl Shop {
    /// Opens the shop. What it keeps lies in `folder`.
    ///
    /// # Errors
    /// When its sessions cannot be kept there.
    pub(crate) async fn open(
        listener: TcpListener,
        folder: &Path,
        collector: &Collector<'_>,
    ) -> anyhow::Result<Shop> {
        make(folder)?;
        let sink = Arc::new(HttpSink::new(collector.url, collector.token)?);
        let tracker = Tracker::new(collector.site, sink, TrackerOptions::default());
        // The sessions of a demo need not outlive a power cut.
        let mut options = SqliteOptions::default();
        options.durability = Durability::Normal;
        let sessions = SqliteStore::open(&folder.join("sessions.sqlite"), options).await?;
        let router = wayfarer_example_shop::router(ShopOptions {
            sessions: Arc::new(sessions),
            cookie_keys: cookie_keys(&folder.join("cookie.key"))?,
            tracker: tracker.clone(),
            insights: Arc::new(HttpInsights::new(collector.url, collector.token)?),
            dashboard: Some(collector.url.to_owned()),
        })?;
        let (close, mut closing) = watch::channel(false);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move {
            let closed = async move { _ = closing.wait_for(|closing| *closing).await };
            axum::serve(listener, service).with_graceful_shutdown(closed).await
        });
        Ok(Shop { tracker, close, serving })
    }

    /// Lets the last requests end, sends what waits, and says what became of every event.
    ///
    /// # Errors
    /// When serving had failed.
    pub(crate) async fn close(self) -> anyhow::Result<Counts> {
        self.close.send_replace(true);
        self.serving.await.context("the shop broke off")??;
        self.tracker.close().await;
        Ok(self.tracker.counts())
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {}", folder.display()))
}

/// The key that signs the shop's cookies: drawn once, then kept, so that a second demo on the folder knows the browsers
/// of the first.
fn cookie_keys(file: &Path) -> anyhow::Result<CookieKeys> {
    let mut secret = [0; 32];
    match fs::read(file) {
        Ok(kept) => return Ok(CookieKeys::new(&kept)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => SystemRandom.fill(&mut secret)?,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
    let mut options = fs::OpenOptions::new();
    let mut out = options.write(true).create_new(true).mode(0o600).open(file)?;
    io::Write::write_all(&mut out, &secret)?;
    Ok(CookieKeys::new(&secret)?)
}
