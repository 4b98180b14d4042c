//! What the collector must know of a site.

use jiff::tz::TimeZone;

/// A site, as far as collecting needs to know it.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name: the value of the column `site`.
    pub name: String,
    /// Where its days begin and end.
    pub timezone: TimeZone,
    /// Hosts that belong to it, such as `example.org`; their subdomains belong to it too. A link from an own host is no
    /// referrer.
    pub own_hosts: Vec<String>,
}

impl Site {
    /// A site of this name in UTC, without own hosts.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Site {
        Site { name: name.into(), timezone: TimeZone::UTC, own_hosts: Vec::new() }
    }
}
