//! The shop alone, on http://127.0.0.1:8081.
//!
//! `WAYFARER_URL` and `WAYFARER_TOKEN` name a Wayfarer server and a server token of the site `shop`: events go there, and
//! insights come from there. Without them the events are printed, and there are no insights.
//!
//! Sessions are kept in memory and signed with a key of this run: after a restart everybody is a stranger.

use std::{env, error::Error, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use wayfarer::{
    CookieKeys,
    event::{EventSink, InsightError, InsightSource, Insights, RawEvent, Receipt, SinkError, Who},
    session::{Random, SystemRandom},
    store::MemoryStore,
    track::{HttpInsights, HttpSink, Tracker, TrackerOptions},
};
use wayfarer_example_shop::{ShopOptions, router};

/// Prints events, one a line.
struct Print;

#[async_trait]
impl EventSink for Print {
    async fn send(&self, events: Vec<RawEvent>) -> Result<Receipt, SinkError> {
        for event in &events {
            // The address of a visitor goes nowhere but to a collector.
            let event = RawEvent { client: None, ..event.clone() };
            println!("{}", serde_json::to_string(&event).unwrap_or_default());
        }
        Ok(Receipt { accepted: events.len(), ..Receipt::default() })
    }
}

/// Knows nothing.
struct Nothing;

#[async_trait]
impl InsightSource for Nothing {
    async fn insights(&self, _: &Who) -> Result<Insights, InsightError> {
        Ok(Insights::default())
    }
}

type Ends = (Arc<dyn EventSink>, Arc<dyn InsightSource>);

fn ends() -> Result<Ends, Box<dyn Error>> {
    let (Ok(url), Ok(token)) = (env::var("WAYFARER_URL"), env::var("WAYFARER_TOKEN")) else {
        return Ok((Arc::new(Print), Arc::new(Nothing)));
    };
    Ok((Arc::new(HttpSink::new(&url, &token)?), Arc::new(HttpInsights::new(&url, &token)?)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (sink, insights) = ends()?;
    let mut key = [0; CookieKeys::MIN_BYTES];
    SystemRandom.fill(&mut key)?;
    let tracker = Tracker::new("shop", sink, TrackerOptions::default());
    let shop = router(ShopOptions {
        sessions: Arc::new(MemoryStore::new()),
        cookie_keys: CookieKeys::new(&key)?,
        tracker: tracker.clone(),
        insights,
        dashboard: env::var("WAYFARER_URL").ok(),
    })?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
    eprintln!("the shop is open: http://{}", listener.local_addr()?);
    let service = shop.into_make_service_with_connect_info::<SocketAddr>();
    let closing = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(listener, service).with_graceful_shutdown(closing).await?;
    // What is still on its way gets out.
    tracker.close().await;
    Ok(())
}
