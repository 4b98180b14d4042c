//! The event as it is kept: one field a column of `main.events`, save `writer` and `seq`, which the lake gives.

use std::{fmt, num::ParseIntError, str::FromStr};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::Micros;

/// Text of a column. Short texts lie inline.
pub type Text = CompactString;

/// A visitor: a keyed hash of site, [`VisitorKind`] and the id that was claimed. Two sites never share one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct VisitorId(pub u64);

/// Sixteen hexadecimal digits.
impl fmt::Display for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Up to sixteen hexadecimal digits, as they are shown.
impl FromStr for VisitorId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<VisitorId, ParseIntError> {
        u64::from_str_radix(text, 16).map(VisitorId)
    }
}

/// How a visitor is known, strongest first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum VisitorKind {
    /// By the subject of a Wayfarer session.
    Subject,
    /// By an id that the site itself gave to the browser.
    FirstParty,
    /// By a hash of address, user agent and day, under a salt that is thrown away. Known for one day only.
    #[default]
    Daily,
}

impl VisitorKind {
    /// Every kind.
    pub const ALL: [VisitorKind; 3] =
        [VisitorKind::Subject, VisitorKind::FirstParty, VisitorKind::Daily];

    /// The name in the column `visitor_kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            VisitorKind::Subject => "subject",
            VisitorKind::FirstParty => "first_party",
            VisitorKind::Daily => "daily",
        }
    }
}

/// One thing done, as Wayfarer keeps it.
///
/// The meaning of each field stands in the table of [`Column`](crate::Column). A field that is not known is `None`, never
/// an empty text or 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the table of columns documents each field once")]
pub struct Event {
    pub site: Text,
    pub visitor: VisitorId,
    pub visitor_kind: VisitorKind,
    pub session: Option<Text>,
    pub user: Option<Text>,
    pub name: Text,
    pub ts: Micros,
    pub received_at: Micros,
    pub id: Option<Text>,
    pub host: Option<Text>,
    pub path: Option<Text>,
    pub route: Option<Text>,
    pub method: Option<Text>,
    pub status: Option<u16>,
    pub latency_ms: Option<f64>,
    pub title: Option<Text>,
    pub referrer: Option<Text>,
    pub source: Option<Text>,
    pub channel: Option<Text>,
    pub utm_source: Option<Text>,
    pub utm_medium: Option<Text>,
    pub utm_campaign: Option<Text>,
    pub utm_term: Option<Text>,
    pub utm_content: Option<Text>,
    pub click_id: Option<Text>,
    pub country: Option<Text>,
    pub region: Option<Text>,
    pub city: Option<Text>,
    pub language: Option<Text>,
    pub browser: Option<Text>,
    pub browser_version: Option<Text>,
    pub os: Option<Text>,
    pub os_version: Option<Text>,
    pub device: Option<Text>,
    pub screen: Option<Text>,
    pub active_ms: Option<u32>,
    pub scroll: Option<u8>,
    pub value: Option<f64>,
    pub currency: Option<Text>,
    pub bot_reason: Option<Text>,
    /// The properties, as the text of a JSON object.
    pub props: Option<Text>,
}
