//! Which requests of a log are page views.
//!
//! A request is a `page_view` when all of this holds, else a `request`:
//! - its method is GET or HEAD;
//! - its status is no redirect (3xx but 304) and no 1xx: of a redirect only the page at its end was seen. An error page is
//!   a page, and carries its status;
//! - the last segment of its path has no extension, or one of [`PAGES`]. An extension is what follows the last dot: at most
//!   five letters and digits, with a letter among them, so `/v1.2` has none. `/.well-known/…` and what only programs ask
//!   for (`/robots.txt`, feeds) is not a page.

/// Extensions of pages, in lower case.
static PAGES: &[&str] = &[
    "html", "htm", "xhtml", "shtml", "php", "php3", "php5", "phtml", "asp", "aspx", "jsp", "jspx",
    "jsf", "do", "cfm", "cgi", "pl", "md",
];

/// Segments that feeds end with.
static FEEDS: &[&str] = &["feed", "rss", "atom"];

/// Whether a request shows a page.
pub(super) fn is_view(method: &str, target: &str, status: u16) -> bool {
    let seen = matches!(status, 200..=299 | 304 | 400..=599);
    matches!(method, "GET" | "HEAD") && seen && is_page(path(target))
}

/// The path of a target, without query; empty for what is no path.
fn path(target: &str) -> &str {
    let target = target.split(['?', '#']).next().unwrap_or("");
    match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None if target.starts_with('/') => target,
        None => "",
    }
}

fn is_page(path: &str) -> bool {
    if path.is_empty() || path.starts_with("/.well-known/") {
        return false;
    }
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    let is_feed = FEEDS.iter().any(|feed| last.eq_ignore_ascii_case(feed));
    match extension(last) {
        Some(extension) => PAGES.iter().any(|page| extension.eq_ignore_ascii_case(page)),
        None => !is_feed,
    }
}

fn extension(segment: &str) -> Option<&str> {
    let (_, extension) = segment.rsplit_once('.')?;
    let fits = (1..=5).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_alphanumeric())
        && extension.bytes().any(|b| b.is_ascii_alphabetic());
    fits.then_some(extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_their_parts() {
        for target in [
            "/",
            "/a",
            "/a/",
            "/index.HTML?x=/b.png",
            "/a.php",
            "/v1.2",
            "/blog/geekery/2.0",
            "http://example.org",
            "http://example.org/a",
            "/a.b/c",
            "/文",
            "/file.very-long",
        ] {
            assert!(is_view("GET", target, 200), "{target}");
        }
        for target in [
            "/a.png",
            "/a.css?x",
            "/robots.txt",
            "/feed/",
            "/blog/feed",
            "/favicon.ico",
            "/a.xml",
            "*",
            "",
            "example.org:443",
            "/.well-known/security",
            "/a.mp3",
            "/x.woff2",
            "/.env",
        ] {
            assert!(!is_view("GET", target, 200), "{target}");
        }
    }

    #[test]
    fn a_redirect_and_an_upload_show_no_page() {
        assert!(is_view("HEAD", "/", 304));
        assert!(is_view("GET", "/", 404));
        assert!(!is_view("GET", "/", 301));
        assert!(!is_view("GET", "/", 101));
        assert!(!is_view("POST", "/", 200));
    }
}
