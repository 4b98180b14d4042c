//! What the browser is told to forget after a log-out: [`ClearSiteData`].

use std::convert::Infallible;

use axum_core::response::{IntoResponseParts, ResponseParts};
use http::{HeaderName, HeaderValue};

/// Tells the browser to forget what it keeps of this site: put it in front of the answer to a log-out, as in
/// `(ClearSiteData::AllButCookies, Redirect::to("/"))`. Browsers heed it over https only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearSiteData {
    /// Cached pages and what scripts have stored. Other cookies of the site stay; the session's goes with the log-out.
    AllButCookies,
    /// Every cookie of the site and its subdomains too.
    All,
}

impl IntoResponseParts for ClearSiteData {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let what = match self {
            ClearSiteData::AllButCookies => r#""cache", "storage""#,
            ClearSiteData::All => r#""cache", "cookies", "storage""#,
        };
        let name = HeaderName::from_static("clear-site-data");
        parts.headers_mut().insert(name, HeaderValue::from_static(what));
        Ok(parts)
    }
}
