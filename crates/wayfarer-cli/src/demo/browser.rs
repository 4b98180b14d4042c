//! A browser without a window: real HTTP to the shop, a jar of cookies, redirects, forms and the tracker's beacons.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use cookie::Cookie;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, ORIGIN,
        REFERER, SET_COOKIE, USER_AGENT,
    },
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use url::{Url, form_urlencoded};

use super::{
    html::{Form, Reader},
    people::Person,
};

/// Longest page that is read.
const LONGEST_PAGE: usize = 4 << 20;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// What all browsers of a crowd share: connections and the reader of pages.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    http: Client<HttpConnector, Full<Bytes>>,
    reader: Arc<Reader>,
}

impl Shared {
    /// Connections to nowhere yet.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub(crate) fn new() -> anyhow::Result<Shared> {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Ok(Shared { http, reader: Arc::new(Reader::new()?) })
    }
}

/// A page as it came.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Its address, after redirects.
    pub(crate) url: Url,
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// The name that the server gave to this load, for the beacons.
    pub(crate) view: Option<String>,
    /// Where the tracker of the page sends its beacons.
    pub(crate) beacons: Option<String>,
    /// Links, in the order of the page.
    pub(crate) links: Vec<String>,
    /// Forms, in the order of the page.
    pub(crate) forms: Vec<Form>,
}

/// One browser of one person.
#[derive(Debug)]
pub(crate) struct Browser {
    shared: Shared,
    home: Url,
    person: Person,
    jar: BTreeMap<String, String>,
}

impl Browser {
    /// A browser with an empty jar, for the shop at `home`.
    pub(crate) fn new(shared: Shared, home: Url, person: Person) -> Browser {
        Browser { shared, home, person, jar: BTreeMap::new() }
    }

    /// Who sits before it.
    pub(crate) fn person(&self) -> &Person {
        &self.person
    }

    /// Goes to an address of the shop, from a page that is named or by hand.
    ///
    /// # Errors
    /// When no answer comes, or one that is no page.
    pub(crate) async fn open(&mut self, link: &str, from: Option<&str>) -> anyhow::Result<Page> {
        let url = self.home.join(link)?;
        self.load(Method::GET, url, Bytes::new(), from.map(str::to_owned)).await
    }

    /// Sends a form of `page`, filled in, and follows where it leads.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn submit(&mut self, page: &Page, form: &Form) -> anyhow::Result<Page> {
        let url = page.url.join(&form.action)?;
        let body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        self.load(Method::POST, url, body.into(), Some(page.url.to_string())).await
    }

    /// Sends what the tracker of `page` has to say, as browsers send beacons: text that nobody waits for.
    ///
    /// # Errors
    /// When no answer comes, or not the one of a collector.
    pub(crate) async fn beacon(
        &mut self,
        page: &Page,
        to: &str,
        body: String,
    ) -> anyhow::Result<()> {
        let url = self.home.join(to)?;
        let mut request = self.request(Method::POST, &url, Some(page.url.as_str()), body.into())?;
        let text = HeaderValue::from_static("text/plain;charset=UTF-8");
        request.headers_mut().insert(CONTENT_TYPE, text);
        let answer = self.send(request).await?;
        if !answer.status().is_success() {
            bail!("{to} answered {}", answer.status());
        }
        Ok(())
    }

    async fn load(
        &mut self,
        mut method: Method,
        mut url: Url,
        mut body: Bytes,
        mut from: Option<String>,
    ) -> anyhow::Result<Page> {
        for _ in 0..=REDIRECTS {
            let request = self.request(method, &url, from.as_deref(), body)?;
            let answer = self.send(request).await?;
            let Some(next) = redirect(&answer, &url)? else {
                return self.page(url, answer).await;
            };
            from = Some(url.to_string());
            (method, url, body) = (Method::GET, next, Bytes::new());
        }
        bail!("{url} redirects without end")
    }

    fn request(
        &self,
        method: Method,
        url: &Url,
        from: Option<&str>,
        body: Bytes,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let posts = method == Method::POST;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse()?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(self.person.device.user_agent));
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(self.person.language));
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8"));
        if let Some(from) = from {
            headers.insert(REFERER, from.parse()?);
        }
        if !self.jar.is_empty() {
            headers.insert(COOKIE, self.cookies().parse()?);
        }
        if self.person.opted_out {
            headers.insert("sec-gpc", HeaderValue::from_static("1"));
        }
        if posts {
            headers.insert(ORIGIN, self.home.origin().ascii_serialization().parse()?);
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
        }
        Ok(request)
    }

    fn cookies(&self) -> String {
        let pairs: Vec<_> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        let path = request.uri().path().to_owned();
        let answer = tokio::time::timeout(PATIENCE, self.shared.http.request(request))
            .await
            .with_context(|| format!("{path} did not answer in time"))?
            .with_context(|| format!("{path} did not answer"))?;
        if self.person.cookies {
            self.keep(answer.headers());
        }
        Ok(answer)
    }

    fn keep(&mut self, headers: &HeaderMap) {
        let texts = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for cookie in texts.filter_map(|text| Cookie::parse(text).ok()) {
            if cookie.max_age().is_some_and(|age| !age.is_positive()) {
                self.jar.remove(cookie.name());
            } else {
                self.jar.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }

    async fn page(&self, url: Url, answer: Response<Incoming>) -> anyhow::Result<Page> {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_PAGE).collect();
        let Ok(Ok(body)) = tokio::time::timeout(PATIENCE, body).await else {
            bail!("{} broke off", url.path());
        };
        let html = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Page {
            status: head.status,
            view: view_named_by(&head.headers),
            beacons: self.shared.reader.beacons(&html),
            links: self.shared.reader.links(&html),
            forms: self.shared.reader.forms(&html),
            url,
        })
    }
}

fn redirect(answer: &Response<Incoming>, from: &Url) -> anyhow::Result<Option<Url>> {
    if !answer.status().is_redirection() {
        return Ok(None);
    }
    let to = answer.headers().get(LOCATION).context("a redirect without a Location")?;
    Ok(Some(from.join(to.to_str()?)?))
}

/// The server names its page view in `Server-Timing: wf;desc="…"`, where scripts may read it.
fn view_named_by(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all("server-timing").iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| text.split_once("wf;desc=")).next().map(|(_, rest)| {
        rest.trim_start_matches('"').split(['"', ',', ';']).next().unwrap_or_default().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_view_is_read_from_server_timing() {
        let headers = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("server-timing", text.parse().unwrap());
            headers
        };
        for text in ["wf;desc=\"abc\"", "db;dur=5, wf;desc=\"abc\", x", "wf;desc=abc"] {
            assert_eq!(view_named_by(&headers(text)).as_deref(), Some("abc"), "{text}");
        }
        assert_eq!(view_named_by(&headers("db;dur=5")), None);
    }
}
