//! The few files that pages load, all of them from here.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::not_found;

/// A file that is built in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

impl Asset {
    fn by_name(name: &str) -> Option<Asset> {
        let (content_type, text) = match name {
            "dashboard.css" => {
                ("text/css; charset=utf-8", include_str!("../../assets/dashboard.css"))
            }
            "dashboard.js" => {
                ("text/javascript; charset=utf-8", include_str!("../../assets/dashboard.js"))
            }
            "icon.svg" => ("image/svg+xml", include_str!("../../assets/icon.svg")),
            _ => return None,
        };
        Some(Asset { content_type, text })
    }

    /// What changes when the text does.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}

pub(crate) async fn get(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match Asset::by_name(&name) {
        Some(asset) => answer(&asset, &headers),
        None => not_found().await,
    }
}

/// The file, or word that the browser has it already. Browsers ask again each time: a new version shows at once.
pub(crate) fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = asset.tag();
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.content_type)], asset.text).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
