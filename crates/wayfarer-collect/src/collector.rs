//! The collector: who may say what, and the way of a claim to an event.

use std::sync::Arc;

use wayfarer_event::{
    Client, Event, Invalid, Micros, RawEvent, Text, VisitorId, VisitorKind, limit, name,
};

use crate::{
    Reject, Salts, Site,
    address::{self, Address},
    agent::{Agents, Software},
    campaign::Campaign,
    language, scrub,
    source::{self, Origin, Sources},
    visitor::{self, Agent, Peer, Salt},
};

/// How far back a browser may date an event, in milliseconds: 48 h, as long as a daily salt is kept.
const OLDEST_AGE_MS: u64 = 48 * 60 * 60 * 1000;

/// How far ahead of the collector's clock a server may date an event. It is then taken as done now.
const AHEAD: i64 = Micros::DAY;

/// Where an event comes in: for whom, by whom, when.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// The site that the sender speaks for.
    pub site: &'a Site,
    /// What kind of sender it is.
    pub kind: DoorKind,
    /// The connection itself. Used for [`DoorKind::Browser`] alone: the connection of a server says nothing of a visitor.
    pub client: Option<&'a Client>,
    /// When the event arrived.
    pub received_at: Micros,
}

/// What kind of sender speaks, and so what it may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorKind {
    /// Anybody's browser with a public token. May not set `user`, `ts`, `client` or `session`; says `age_ms`, up to 48 h,
    /// instead of `ts`.
    Browser,
    /// A server with a secret token. May set all. A `ts` in the past is taken as it is; one up to a day ahead is taken as
    /// now, one further ahead is refused. Without `client.user_agent` nothing is concluded from its absence; an empty one
    /// says that the browser sent none.
    Server,
    /// The application's own process. May set all, by the rules of [`DoorKind::Server`]; a `client` without a user agent is
    /// one that sent none.
    InProcess,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An event to store. Its `id` is the sender's, if it gave one.
    Take(Box<Event>),
    /// The visitor asks not to be tracked (DNT, GPC). Nothing may be stored.
    Decline,
    /// Refused, and why.
    Reject(Reject),
}

/// Makes events of claims. Made once and shared; holds the tables and bounded caches for bots, sources and user agents.
///
/// A visitor is known by the `session` that a server claims, else by the `visitor`, else by address and user agent for
/// one day of the site's calendar; an event that names a `user` alone belongs to a visitor made of that user.
pub struct Collector {
    salts: Arc<dyn Salts>,
    identity: Salt,
    agents: Agents,
    sources: Sources,
}

impl Collector {
    /// A collector that hashes visitors under these salts.
    #[must_use]
    pub fn new(salts: Arc<dyn Salts>) -> Collector {
        let identity = Salt::new(&salts.identity());
        Collector { salts, identity, agents: Agents::new(), sources: Sources::new() }
    }

    /// Takes, declines or refuses one claim. Does not block but for [`Salts::daily`]; never panics.
    #[must_use]
    pub fn collect(&self, raw: RawEvent, door: &Door<'_>) -> Outcome {
        self.collect_under(raw, door, &*self.salts)
    }

    /// [`Collector::collect`] under salts that the caller remembers.
    pub(crate) fn collect_under(
        &self,
        mut raw: RawEvent,
        door: &Door<'_>,
        salts: &dyn Salts,
    ) -> Outcome {
        let said;
        let client = match door.kind {
            // What a browser claims stays with the claim, and is refused there.
            DoorKind::Browser => door.client,
            DoorKind::Server | DoorKind::InProcess => {
                said = raw.client.take();
                said.as_ref()
            }
        };
        if client.is_some_and(|client| client.dnt || client.gpc) {
            return Outcome::Decline;
        }
        let peer = client.map_or_else(Peer::default, |client| peer(client, door.kind));
        self.take(raw, door, peer, salts).map_or_else(Outcome::Reject, Outcome::Take)
    }

    /// The visitor of a site who is known by this id: what [`collect`](Collector::collect) writes for an event that claims
    /// it, as `session` ([`VisitorKind::Subject`]) or as `visitor` ([`VisitorKind::FirstParty`]).
    #[must_use]
    pub fn visitor(&self, site: &str, kind: VisitorKind, claimed: &str) -> VisitorId {
        self.identity.visitor(site, kind, &[claimed.as_bytes()])
    }

    pub(crate) fn salts(&self) -> &dyn Salts {
        &*self.salts
    }

    /// Makes an event of a claim by somebody who does not decline.
    pub(crate) fn take(
        &self,
        raw: RawEvent,
        door: &Door<'_>,
        peer: Peer<'_>,
        salts: &dyn Salts,
    ) -> Result<Box<Event>, Reject> {
        raw.check()?;
        permit(&raw, door)?;
        let ts = when(&raw, door.received_at)?;
        let (visitor, kind) = self.who(&raw, door.site, ts, peer, salts)?;
        let page = Page::read(&raw)?;
        let referrer = raw.referrer.as_deref().and_then(Referrer::read);
        let referrer = referrer.filter(|referrer| !referrer.is_own(&page, door.site));
        let referrer = referrer.map(Referrer::masked);
        let origin = self.origin(&raw, &page, referrer.as_ref());
        let software = self.agents.read(peer.agent);
        let mut event = plain(raw, door)?;
        (event.ts, event.visitor, event.visitor_kind) = (ts, visitor, kind);
        event.referrer = referrer.map(|referrer| referrer.text);
        (event.source, event.channel) = origin.map(|o| (o.source, o.channel)).unzip();
        page.fill(&mut event);
        fill_software(&mut event, &software);
        scrub::client_address(&mut event, peer.address);
        Ok(event)
    }

    /// Whose event it is.
    fn who(
        &self,
        raw: &RawEvent,
        site: &Site,
        ts: Micros,
        peer: Peer<'_>,
        salts: &dyn Salts,
    ) -> Result<(VisitorId, VisitorKind), Reject> {
        let lasting =
            |kind, parts: &[&[u8]]| Ok((self.identity.visitor(&site.name, kind, parts), kind));
        if let Some(session) = &raw.session {
            return lasting(VisitorKind::Subject, &[session.as_bytes()]);
        }
        if let Some(visitor) = &raw.visitor {
            return lasting(VisitorKind::FirstParty, &[visitor.as_bytes()]);
        }
        if let visitor::Address::Unknown = peer.address {
            let user = raw.user.as_ref().ok_or(Reject::Nobody)?;
            // Two parts: no `visitor` that a browser claims can be taken for a user.
            return lasting(VisitorKind::FirstParty, &[b"user", user.as_bytes()]);
        }
        let day = site.timezone.to_datetime(ts.timestamp()).date();
        let salt = salts.daily(day).map_err(|error| Reject::Salt(error.to_string()))?;
        let kind = VisitorKind::Daily;
        let visitor = peer.daily(|parts| Salt::new(&salt).visitor(&site.name, kind, parts));
        Ok((visitor.ok_or(Reject::Nobody)?, kind))
    }

    /// Where the visitor came from. Only a page view shows that nobody sent them.
    fn origin(&self, raw: &RawEvent, page: &Page, referrer: Option<&Referrer>) -> Option<Origin> {
        let outside = referrer.map(|referrer| referrer.host.as_str());
        self.sources.origin(&page.campaign, outside).or_else(|| {
            (raw.name == name::PAGE_VIEW)
                .then(|| Origin { source: source::DIRECT.into(), channel: source::DIRECT.into() })
        })
    }
}

/// What a client says of itself. Borrowed for as long as one event is read.
fn peer(client: &Client, door: DoorKind) -> Peer<'_> {
    let agent = match (client.user_agent.as_deref(), door) {
        (Some(""), _) | (None, DoorKind::Browser | DoorKind::InProcess) => Agent::Missing,
        (None, DoorKind::Server) => Agent::NotKnown,
        (Some(agent), _) => Agent::Said(cut(agent, limit::USER_AGENT)),
    };
    Peer { address: client.ip.map_or(visitor::Address::Unknown, visitor::Address::Ip), agent }
}

/// The beginning of a text, at most `most` bytes long.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// Refuses what this kind of sender may not say.
fn permit(raw: &RawEvent, door: &Door<'_>) -> Result<(), Reject> {
    if raw.site.as_ref().is_some_and(|site| *site != door.site.name) {
        return Err(Reject::OtherSite);
    }
    if door.kind != DoorKind::Browser {
        return Ok(());
    }
    let claims = [
        ("user", raw.user.is_some()),
        ("ts", raw.ts.is_some()),
        ("client", raw.client.is_some()),
        ("session", raw.session.is_some()),
    ];
    match claims.into_iter().find(|(_, claimed)| *claimed) {
        Some((field, _)) => Err(Reject::Forbidden(field)),
        None => Ok(()),
    }
}

/// When it was done.
fn when(raw: &RawEvent, now: Micros) -> Result<Micros, Invalid> {
    match (raw.ts, raw.age_ms) {
        (Some(_), Some(_)) => Err(Invalid::new("age_ms", "cannot stand beside `ts`")),
        (Some(ts), None) if ts > now.plus(AHEAD) => {
            Err(Invalid::new("ts", "is more than a day ahead of the collector's clock"))
        }
        (Some(ts), None) => Ok(ts.min(now)),
        (None, Some(age)) if age > OLDEST_AGE_MS => {
            Err(Invalid::new("age_ms", "is more than 48 hours"))
        }
        (None, Some(age)) => Ok(now.plus(-1000 * i64::try_from(age).unwrap_or(0))),
        (None, None) => Ok(now),
    }
}

/// The page that an event names.
struct Page {
    host: Option<Text>,
    path: Option<Text>,
    campaign: Campaign,
}

impl Page {
    fn read(raw: &RawEvent) -> Result<Page, Invalid> {
        let said = match &raw.host {
            Some(host) => {
                Some(address::host(host).ok_or_else(|| Invalid::new("host", "is not a host"))?)
            }
            None => None,
        };
        let address = match (&raw.url, &raw.path) {
            (Some(url), _) => Address::parse(url).ok_or_else(|| {
                Invalid::new("url", "is not an address such as https://example.org/page")
            })?,
            (None, Some(path)) => Address::of_path(path),
            (None, None) => {
                return Ok(Page { host: said, path: None, campaign: Campaign::default() });
            }
        };
        let campaign = Campaign::read(address.query);
        Ok(Page { host: address.host.or(said), path: Some(address.path), campaign })
    }

    fn fill(self, event: &mut Event) {
        event.host = self.host;
        event.path = self.path;
        event.utm_source = self.campaign.utm_source;
        event.utm_medium = self.campaign.utm_medium;
        event.utm_campaign = self.campaign.utm_campaign;
        event.utm_term = self.campaign.utm_term;
        event.utm_content = self.campaign.utm_content;
        event.click_id = self.campaign.click.map(|click| click.name.into());
    }
}

/// The page before, without scheme and query.
struct Referrer {
    host: Text,
    text: Text,
}

impl Referrer {
    /// `None` for what names no host. A referrer without a scheme is one that was reduced before.
    fn read(text: &str) -> Option<Referrer> {
        let whole = text.contains("://") || text.starts_with("//");
        let added = if whole { String::new() } else { format!("//{text}") };
        let address = Address::parse(if whole { text } else { &added })?;
        let host = address.host.filter(|host| whole || host.contains('.'))?;
        let text = compact_str::format_compact!("{host}{}", address.path);
        Some(Referrer { host, text })
    }

    /// Without a host that is an address: it may be a visitor's.
    fn masked(self) -> Referrer {
        if !scrub::is_address(&self.host) {
            return self;
        }
        let text = self.text.replacen(self.host.as_str(), scrub::MASK, 1);
        Referrer { host: scrub::MASK.into(), text: text.into() }
    }

    fn is_own(&self, page: &Page, site: &Site) -> bool {
        source::is_own(&self.host, page.host.as_deref(), &site.own_hosts)
    }
}

/// The fields that are kept as they are claimed.
fn plain(raw: RawEvent, door: &Door<'_>) -> Result<Box<Event>, Invalid> {
    let text = |text: Option<String>| text.map(Text::from);
    Ok(Box::new(Event {
        site: Text::new(&door.site.name),
        name: raw.name.into(),
        received_at: door.received_at,
        id: text(raw.id),
        session: text(raw.session),
        user: text(raw.user),
        route: text(raw.route),
        method: text(raw.method),
        status: raw.status,
        latency_ms: raw.latency_ms,
        title: text(raw.title),
        language: raw.language.as_deref().and_then(language::first),
        screen: raw.screen.map(screen).transpose()?,
        active_ms: raw.active_ms,
        scroll: raw.scroll,
        value: raw.value,
        currency: raw.currency.as_deref().map(currency).transpose()?,
        props: raw.props.as_ref().filter(|props| !props.is_empty()).map(props).transpose()?,
        ..Event::default()
    }))
}

fn props(props: &serde_json::Map<String, serde_json::Value>) -> Result<Text, Invalid> {
    let text = serde_json::to_string(props);
    text.map(Text::from).map_err(|_| Invalid::new("props", "cannot be written as JSON"))
}

fn screen(text: String) -> Result<Text, Invalid> {
    let number =
        |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('x') {
        Some((width, height)) if number(width) && number(height) => Ok(text.into()),
        _ => Err(Invalid::new("screen", "is not a size such as 1920x1080")),
    }
}

fn currency(text: &str) -> Result<Text, Invalid> {
    match text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
        true => Ok(text.to_ascii_uppercase().into()),
        false => Err(Invalid::new("currency", "is not three letters of ISO 4217, such as EUR")),
    }
}

fn fill_software(event: &mut Event, software: &Software) {
    event.browser.clone_from(&software.browser);
    event.browser_version.clone_from(&software.browser_version);
    event.os.clone_from(&software.os);
    event.os_version.clone_from(&software.os_version);
    event.device.clone_from(&software.device);
    event.bot_reason.clone_from(&software.bot_reason);
}

#[cfg(test)]
mod tests;
