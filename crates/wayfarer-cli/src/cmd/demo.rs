//! `wayfarer demo`: the whole loop on one machine, for real.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::Serialize;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use url::Url;
use wayfarer_embedded::{ExportRequest, Scope, SiteSpec, Wayfarer};
use wayfarer_server::{ServeError, Server, Serving};

use crate::{
    args::address,
    demo::{
        crowd::{self, Plan, Total},
        shop::{Collector, Shop},
    },
    desk::Desk,
    failure::Failure,
    serving::{Ending, bind, loopback_only},
    show::output,
};

/// The site that the shop's events belong to.
const SITE: &str = "shop";

/// Run the whole loop on this machine: a shop with simulated visitors, collector, lake, dashboard
///
/// Everything goes the way it goes in earnest: simulated browsers speak HTTP with the shop, the shop's tracker sends events to
/// the collector over HTTP with a server token, and the shop asks for insights over HTTP. A rush of visitors comes first, so
/// that there is something to learn from, and is always waited for; then a steady stream.
///
/// The last line on standard output is JSON: `sent`, `acknowledged` by the collector, `counted` by reading the lake after it
/// was closed and opened again, and more. The exit status is 0 only if `acknowledged` and `counted` are equal.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Address and port of dashboard and collector; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Address and port of the shop
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081", value_parser = address)]
    shop_listen: SocketAddr,
    /// Visitors that come in a minute, after the rush; 0: nobody comes, walk around yourself
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(..=60_000))]
    visitors_per_minute: u32,
    /// End after so many seconds; else at Ctrl-C
    #[arg(long, value_name = "SECONDS")]
    exit_after: Option<u64>,
    /// The seed of the visitors' choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What a demo says at its end.
#[derive(Debug, Serialize)]
struct Counts {
    sent: u64,
    acknowledged: u64,
    counted: u64,
    declined: u64,
    rejected: u64,
    dropped: u64,
    visits: u64,
    pages: u64,
    failed_requests: u64,
}

/// The data folder of a demo: named, or a fresh one that goes away with the value.
enum Data {
    Named(PathBuf),
    Fresh(tempfile::TempDir),
}

impl Data {
    fn of(desk: &Desk) -> Result<Data, Failure> {
        if desk.data_named {
            return Ok(Data::Named(desk.config.data.clone()));
        }
        let fresh = tempfile::Builder::new().prefix("wayfarer-demo-").tempdir();
        fresh.map(Data::Fresh).map_err(|error| Failure::new("cli-failed").because(&error))
    }

    fn path(&self) -> PathBuf {
        match self {
            Data::Named(path) => path.clone(),
            Data::Fresh(folder) => folder.path().join("data"),
        }
    }
}

impl Demo {
    /// Runs until its time is over or somebody ends it, and compares the counts.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        loopback_only(self.listen)?;
        loopback_only(self.shop_listen)?;
        let listeners = (bind(self.listen).await?, bind(self.shop_listen).await?);
        let mut ending = Ending::new()?;
        let data = Data::of(&desk)?;
        let town = Town::open(&desk, &data.path(), listeners).await?;
        town.announce(&desk)?;
        let total = self.entertain(&town, &mut ending).await;
        let counts = town.close(&desk, &data.path()).await?.with_visits(total?);
        output::json(&counts)?;
        if counts.acknowledged == counts.counted {
            return Ok(());
        }
        let failure = Failure::new("cli-demo-differs");
        let failure = failure.with("acknowledged", counts.acknowledged.to_string());
        Err(failure.with("counted", counts.counted.to_string()))
    }

    /// Sends visitors until the end.
    async fn entertain(&self, town: &Town, ending: &mut Ending) -> Result<Total, Failure> {
        let plan = Plan {
            shop: town.shop_url.clone(),
            per_minute: self.visitors_per_minute,
            seed: self.seed,
        };
        let (stop, stopped) = watch::channel(false);
        let (calm, mut calmed) = watch::channel(false);
        let mut crowd = tokio::spawn(crowd::run(plan, stopped, calm));
        let over = async {
            match self.exit_after {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
            // A crowd that is gone is calm too.
            let _ = calmed.wait_for(|calm| *calm).await;
        };
        let early = tokio::select! {
            () = ending.asked() => None,
            () = over => None,
            failed = &mut crowd => Some(failed),
        };
        stop.send_replace(true);
        let total = match early {
            Some(total) => total,
            None => crowd.await,
        };
        total.map_err(|error| Failure::new("cli-failed").because(&error))?.map_err(Failure::from)
    }
}

/// Everything that runs: lake, server and shop.
struct Town {
    wayfarer: Wayfarer,
    stop_server: watch::Sender<bool>,
    server: JoinHandle<Result<(), ServeError>>,
    shop: Shop,
    dashboard: String,
    shop_url: Url,
    /// Events of the site that were there before.
    before: u64,
}

impl Town {
    async fn open(
        desk: &Desk,
        data: &Path,
        (listener, shop_listener): (TcpListener, TcpListener),
    ) -> Result<Town, Failure> {
        let dashboard = format!("http://{}", listener.local_addr()?);
        let shop_url = format!("http://{}", shop_listener.local_addr()?);
        let shop_url: Url =
            shop_url.parse().map_err(|error| Failure::new("cli-failed").because(&error))?;
        let wayfarer = Wayfarer::open(data, desk.config.options.clone()).await?;
        let token = site_and_token(&wayfarer).await?;
        let before = count(&wayfarer).await?;
        let (stop_server, mut stopped) = watch::channel(false);
        let state = Server::new(wayfarer.clone(), desk.config.http.clone());
        let shutdown = async move { _ = stopped.wait_for(|stop| *stop).await };
        let server = tokio::spawn(Serving::new(state, listener)?.run(shutdown));
        let collector = Collector { url: &dashboard, token: &token, site: SITE };
        let shop = Shop::open(shop_listener, &data.join("shop"), &collector).await?;
        Ok(Town { wayfarer, stop_server, server, shop, dashboard, shop_url, before })
    }

    fn announce(&self, desk: &Desk) -> Result<(), Failure> {
        let variables = [
            ("dashboard", self.dashboard.clone().into()),
            ("shop", self.shop_url.to_string().into()),
        ];
        let text = desk.words.with("cli-demo", &variables);
        if desk.json {
            eprintln!("{text}");
            return Ok(());
        }
        Ok(output::line(&text)?)
    }

    /// Closes everything from the shop on down, opens the folder again, and counts what is there.
    async fn close(self, desk: &Desk, data: &Path) -> Result<Counts, Failure> {
        let tracked = self.shop.close().await?;
        self.stop_server.send_replace(true);
        let served =
            self.server.await.map_err(|error| Failure::new("cli-failed").because(&error))?;
        served.map_err(|error| Failure::new("cli-failed").because(&error))?;
        self.wayfarer.close().await?;
        drop(self.wayfarer);
        let again = Wayfarer::open(data, desk.config.options.clone()).await?;
        let counted = count(&again).await?.saturating_sub(self.before);
        again.close().await?;
        Ok(Counts {
            sent: tracked.sent,
            acknowledged: tracked.accepted,
            counted,
            declined: tracked.declined,
            rejected: tracked.rejected,
            dropped: tracked.dropped,
            visits: 0,
            pages: 0,
            failed_requests: 0,
        })
    }
}

impl Counts {
    fn with_visits(self, total: Total) -> Counts {
        let (pages, failed_requests) = (total.tally.pages, total.tally.failed);
        Counts { visits: total.visits, pages, failed_requests, ..self }
    }
}

async fn site_and_token(wayfarer: &Wayfarer) -> Result<String, Failure> {
    let (control, now) = (wayfarer.control(), wayfarer.now().into());
    control.ensure_site(&SiteSpec::new(SITE), now).await?;
    Ok(control.create_token(SITE, Scope::Server, now).await?.token)
}

/// Reads every event of the site from the lake and counts them.
async fn count(wayfarer: &Wayfarer) -> Result<u64, Failure> {
    let site = Some(SITE.to_owned());
    let mut export = wayfarer.export(&ExportRequest { site, ..ExportRequest::default() })?;
    let mut count = 0;
    while let Some(batch) = export.next_batch().await? {
        count += batch.len() as u64;
    }
    Ok(count)
}
