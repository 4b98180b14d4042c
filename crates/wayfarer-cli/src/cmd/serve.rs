//! `wayfarer serve`: collector, API and dashboard, until Ctrl-C or a polite signal.

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;
use wayfarer_embedded::Wayfarer;
use wayfarer_server::{Server, Serving};

use crate::{
    args::address,
    desk::Desk,
    failure::Failure,
    serving::{Ending, bind, loopback_only},
    show::output,
};

/// Serve collector, API and dashboard
///
/// There are no accounts yet, so it serves on loopback addresses only: let a proxy in front of it ask for a password. Commands
/// on the same data folder go through the running server.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Address and port to serve on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
}

impl Serve {
    /// Serves until it is asked to end; then ends what has begun, and closes the folder.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let address = self.listen.unwrap_or(desk.config.listen);
        loopback_only(address)?;
        let listener = bind(address).await?;
        let mut ending = Ending::new()?;
        let (data, options) = (&desk.config.data, desk.config.options.clone());
        let wayfarer = Wayfarer::open(data, options).await?;
        let address = listener.local_addr()?;
        let server = Server::new(wayfarer.clone(), desk.config.http.clone());
        let serving = Serving::new(server, listener)?;
        // Commands on the folder find the server from here on.
        announce(&desk, &address, &wayfarer)?;
        let served = serving.run(async move { ending.asked().await }).await;
        let closed = wayfarer.close().await;
        served?;
        Ok(closed?)
    }
}

fn announce(desk: &Desk, address: &SocketAddr, wayfarer: &Wayfarer) -> Result<(), Failure> {
    let url = format!("http://{address}");
    let folder = wayfarer.folder().display().to_string();
    if desk.json {
        return Ok(output::json(&json!({ "listening": url, "data": folder }))?);
    }
    let variables = [("url", url.into()), ("path", folder.into())];
    Ok(output::line(&desk.words.with("cli-serving", &variables))?)
}
