//! What is known of one request, and the event that says it.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, Method, Uri, header, request};
use wayfarer_event::{Client, RawEvent, limit};
use wayfarer_session::{RequestContext, Session};

use super::Settings;

/// What every event of one request says alike.
pub(crate) struct Facts {
    pub(crate) context: Arc<RequestContext>,
    session: Option<Session>,
    /// Host, path and query: where campaigns are read from.
    url: Option<String>,
    route: Option<String>,
}

impl Facts {
    pub(super) fn of(parts: &request::Parts, settings: &Settings) -> Facts {
        let ip = settings.address.read(&parts.headers, &parts.extensions);
        let context = context(&parts.method, &parts.uri, &parts.headers, ip);
        Facts {
            url: url(context.host.as_deref(), &parts.uri),
            context: Arc::new(context),
            session: parts.extensions.get::<Session>().cloned(),
            route: route(&parts.extensions),
        }
    }

    /// The session of the request, if a session layer lies outside the tracking layer.
    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The visitor asks not to be tracked.
    pub(crate) fn is_declined(&self) -> bool {
        self.context.dnt || self.context.gpc
    }

    /// An event of this request and its session. Reads what the session knows by now, and never its store.
    pub(crate) fn event(&self, name: &str) -> RawEvent {
        let context = &self.context;
        let no_url = self.url.is_none();
        RawEvent {
            session: self.subject(),
            user: self.user(),
            url: self.url.clone(),
            host: context.host.clone().filter(|_| no_url),
            path: context.path.clone().filter(|_| no_url),
            route: self.route.clone(),
            method: context.method.clone(),
            referrer: context.referrer.clone(),
            language: context.language.clone(),
            client: Some(self.client()),
            ..RawEvent::new(name)
        }
    }

    /// The browser as the collector wants to know it.
    pub(super) fn client(&self) -> Client {
        client(&self.context)
    }

    /// The subject of the session: the verified cookie's, or the one that the answer is about to set.
    pub(super) fn subject(&self) -> Option<String> {
        self.session.as_ref()?.subject().map(|subject| subject.to_string())
    }

    /// The account, if the handler came to know it.
    fn user(&self) -> Option<String> {
        self.session.as_ref()?.user()
    }
}

/// The browser that a request came from, as the collector wants to know it.
pub(crate) fn client(context: &RequestContext) -> Client {
    Client {
        ip: context.client_ip,
        user_agent: context.user_agent.clone(),
        dnt: context.dnt,
        gpc: context.gpc,
    }
}

fn context(method: &Method, uri: &Uri, headers: &HeaderMap, ip: Option<IpAddr>) -> RequestContext {
    let text = |name, most| text(headers, name, most);
    RequestContext {
        host: text(header::HOST, limit::HOST)
            .or_else(|| uri.authority().map(|authority| cut(authority.as_str(), limit::HOST))),
        path: Some(cut(uri.path(), limit::ADDRESS)),
        method: Some(cut(method.as_str(), limit::SHORT)),
        referrer: text(header::REFERER, limit::ADDRESS),
        language: text(header::ACCEPT_LANGUAGE, limit::ADDRESS)
            .and_then(|all| first_language(&all)),
        user_agent: text(header::USER_AGENT, limit::USER_AGENT),
        client_ip: ip,
        dnt: is_one(headers, &header::DNT),
        gpc: is_one(headers, &HeaderName::from_static("sec-gpc")),
    }
}

fn text(headers: &HeaderMap, name: HeaderName, most: usize) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| cut(text, most))
}

fn is_one(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().trim_ascii() == b"1")
}

/// The most wanted language of an `Accept-Language` header. Browsers put it first.
fn first_language(header: &str) -> Option<String> {
    let first = header.split([',', ';']).next()?.trim();
    let is_tag = !first.is_empty() && first != "*" && first.len() <= limit::SHORT;
    is_tag.then(|| first.to_owned())
}

/// The address of the page. The scheme is not known behind a proxy and not stored; `http` stands for either.
fn url(host: Option<&str>, uri: &Uri) -> Option<String> {
    let host = host?;
    let whole = |path: &str| format!("http://{host}{path}");
    let with_query = whole(uri.path_and_query().map_or("/", |path| path.as_str()));
    let fits = |url: &String| url.len() <= limit::ADDRESS;
    Some(with_query).filter(fits).or_else(|| Some(whole(uri.path())).filter(fits))
}

#[cfg(feature = "axum")]
fn route(extensions: &http::Extensions) -> Option<String> {
    let path = extensions.get::<axum::extract::MatchedPath>()?;
    Some(cut(path.as_str(), limit::ADDRESS))
}

#[cfg(not(feature = "axum"))]
fn route(_: &http::Extensions) -> Option<String> {
    None
}

/// The text, or as much of it as a limit in bytes lets through.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}
