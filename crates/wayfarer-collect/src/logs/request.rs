//! One request as a log tells it, and its way to a claim.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use serde_json::{Map, Value};
use wayfarer_event::{Micros, RawEvent, limit, name};

use super::page;
use crate::{
    collector::cut,
    visitor::{Address, Agent, Peer},
};

/// Name of the event that a request is which shows no page: an image, a redirect, an upload.
const REQUEST: &str = "request";

/// One request, as a line of a log tells it. Borrows from the line.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The address of the client, or its host's name.
    pub(crate) address: Cow<'a, [u8]>,
    pub(crate) user: Option<Cow<'a, str>>,
    pub(crate) ts: Micros,
    /// `None` where the client sent no HTTP.
    pub(crate) method: Option<Cow<'a, str>>,
    /// What was asked for: a path with its query, or a whole address.
    pub(crate) target: Option<Cow<'a, str>>,
    pub(crate) status: u16,
    pub(crate) bytes: Option<u64>,
    /// The host that was asked, without its port.
    pub(crate) host: Option<Cow<'a, str>>,
    pub(crate) referrer: Option<Cow<'a, str>>,
    pub(crate) agent: Logged<'a>,
    pub(crate) latency_ms: Option<f64>,
}

/// A field that a format may not have at all.
#[derive(Debug)]
pub(crate) enum Logged<'a> {
    /// The format does not tell.
    Not,
    /// The client sent none.
    Missing,
    Said(Cow<'a, str>),
}

impl<'a> Logged<'a> {
    /// A field that the format has.
    pub(crate) fn of(field: Option<Cow<'a, str>>) -> Logged<'a> {
        field.map_or(Logged::Missing, Logged::Said)
    }
}

/// The address in a field, with or without a port.
fn ip(field: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(field).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse::<IpAddr>().ok().or_else(with_port)
}

impl Request<'_> {
    /// Who asked.
    pub(crate) fn peer(&self) -> Peer<'_> {
        let address = match self.address.as_ref() {
            b"" | b"-" => Address::Unknown,
            host => ip(host).map_or(Address::Host(host), Address::Ip),
        };
        let agent = match &self.agent {
            Logged::Not => Agent::NotKnown,
            Logged::Missing => Agent::Missing,
            Logged::Said(agent) => Agent::Said(cut(agent, limit::USER_AGENT)),
        };
        Peer { address, agent }
    }

    /// The claim that this line makes. Addresses too long for a column are cut.
    pub(crate) fn claim(&self, id: String) -> RawEvent {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let short = |text: &Option<Cow<'_, str>>| {
            text.as_deref().map(|text| cut(text, limit::ADDRESS).to_owned())
        };
        let mut raw = RawEvent::new(self.name());
        raw.id = Some(id);
        raw.ts = Some(self.ts);
        raw.status = Some(self.status);
        raw.latency_ms = self.latency_ms;
        raw.user = owned(&self.user);
        raw.method = owned(&self.method);
        raw.host = owned(&self.host);
        raw.referrer = short(&self.referrer);
        match short(&self.target) {
            Some(target) if target.starts_with('/') => raw.path = Some(target),
            Some(target) if target.contains("://") => raw.url = Some(target),
            _ => {}
        }
        raw.props = self.bytes.map(|bytes| Map::from_iter([("bytes".into(), Value::from(bytes))]));
        raw
    }

    fn name(&self) -> &'static str {
        let method = self.method.as_deref().unwrap_or("");
        let target = self.target.as_deref().unwrap_or("");
        if page::is_view(method, target, self.status) { name::PAGE_VIEW } else { REQUEST }
    }
}
