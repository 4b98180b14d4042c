//! The table of the stored columns: one row a column, from which storage, filters, exports and documentation are driven.

use std::{fmt, str::FromStr};

use crate::Event;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// An instant, in microseconds of UTC.
    Time,
    /// A whole number.
    I64,
    /// A whole number that is never negative.
    U64,
    /// A number.
    F64,
}

macro_rules! columns {
    ($($variant:ident $name:literal $kind:ident $doc:literal;)*) => {
        /// A column of `main.events`, in the order of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Column {
            $(#[doc = $doc] $variant,)*
        }

        impl Column {
            /// Every column, in the order of the table.
            pub const ALL: &[Column] = &[$(Column::$variant),*];

            /// The name of the column.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Column::$variant => $name),* }
            }

            /// What the column holds.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self { $(Column::$variant => Kind::$kind),* }
            }

            /// What the column means, in a sentence without its full stop.
            #[must_use]
            pub fn doc(self) -> &'static str {
                match self { $(Column::$variant => $doc),* }
            }
        }
    };
}

columns! {
    Site "site" Text "Whose event this is";
    Visitor "visitor" U64 "The visitor: a keyed hash of site, kind and claimed id";
    VisitorKind "visitor_kind" Text "How the visitor is known: subject, first_party, daily";
    Session "session" Text "The subject of the session, never its key";
    User "user" Text "The account, where the handler knew it";
    Name "name" Text "What was done: page_view, click, purchase, …";
    Ts "ts" Time "When it was done";
    ReceivedAt "received_at" Time "When the collector took it";
    Writer "writer" U64 "Which writer put it into the lake";
    Seq "seq" U64 "Its place in the order of arrival at that writer";
    Id "id" Text "Unique within its site: the sender's, the import ledger's or our own";
    Host "host" Text "Host of the page";
    Path "path" Text "Path of the page, without query and fragment";
    Route "route" Text "The pattern that the application routed by, such as /product/{id}";
    Method "method" Text "HTTP method";
    Status "status" I64 "HTTP status";
    LatencyMs "latency_ms" F64 "How long the server took, in milliseconds";
    Title "title" Text "Title of the page";
    Referrer "referrer" Text "The page before, as the browser named it, without query and fragment";
    Source "source" Text "Where the visitor came from, such as Google";
    Channel "channel" Text "The kind of source: Direct, Organic Search, Referral, …";
    UtmSource "utm_source" Text "utm_source of the address";
    UtmMedium "utm_medium" Text "utm_medium of the address";
    UtmCampaign "utm_campaign" Text "utm_campaign of the address";
    UtmTerm "utm_term" Text "utm_term of the address";
    UtmContent "utm_content" Text "utm_content of the address";
    ClickId "click_id" Text "Which advertiser's click id the address carried, such as gclid";
    Country "country" Text "Country, ISO 3166-1 alpha-2";
    Region "region" Text "Region, ISO 3166-2";
    City "city" Text "City";
    Language "language" Text "The visitor's first language, such as de or zh-CN";
    Browser "browser" Text "Browser";
    BrowserVersion "browser_version" Text "Major version of the browser";
    Os "os" Text "Operating system";
    OsVersion "os_version" Text "Version of the operating system";
    Device "device" Text "desktop, mobile, tablet";
    Screen "screen" Text "Size of the screen in CSS pixels, such as 1920x1080";
    ActiveMs "active_ms" I64 "Time that the page was visible and focused, in milliseconds";
    Scroll "scroll" I64 "How far the page was scrolled, 0-100";
    Value "value" F64 "What it was worth";
    Currency "currency" Text "Currency of the value, ISO 4217";
    BotReason "bot_reason" Text "Why this is held to be a bot; null for people";
    Props "props" Text "Everything else, as a JSON object";
}

impl Column {
    /// The place of the column in [`Column::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The value of a text column; `None` where it is null or the column is of another kind.
    #[must_use]
    pub fn text(self, e: &Event) -> Option<&str> {
        match self {
            Column::Site => Some(e.site.as_str()),
            Column::VisitorKind => Some(e.visitor_kind.as_str()),
            Column::Session => e.session.as_deref(),
            Column::User => e.user.as_deref(),
            Column::Name => Some(e.name.as_str()),
            Column::Id => e.id.as_deref(),
            Column::Host => e.host.as_deref(),
            Column::Path => e.path.as_deref(),
            Column::Route => e.route.as_deref(),
            Column::Method => e.method.as_deref(),
            Column::Title => e.title.as_deref(),
            Column::Referrer => e.referrer.as_deref(),
            Column::Source => e.source.as_deref(),
            Column::Channel => e.channel.as_deref(),
            Column::UtmSource => e.utm_source.as_deref(),
            Column::UtmMedium => e.utm_medium.as_deref(),
            Column::UtmCampaign => e.utm_campaign.as_deref(),
            Column::UtmTerm => e.utm_term.as_deref(),
            Column::UtmContent => e.utm_content.as_deref(),
            Column::ClickId => e.click_id.as_deref(),
            Column::Country => e.country.as_deref(),
            Column::Region => e.region.as_deref(),
            Column::City => e.city.as_deref(),
            Column::Language => e.language.as_deref(),
            Column::Browser => e.browser.as_deref(),
            Column::BrowserVersion => e.browser_version.as_deref(),
            Column::Os => e.os.as_deref(),
            Column::OsVersion => e.os_version.as_deref(),
            Column::Device => e.device.as_deref(),
            Column::Screen => e.screen.as_deref(),
            Column::Currency => e.currency.as_deref(),
            Column::BotReason => e.bot_reason.as_deref(),
            Column::Props => e.props.as_deref(),
            _ => None,
        }
    }

    /// The value of a whole-number or time column; `None` where it is null, the column is of another kind, or only the
    /// lake knows it (`writer`, `seq`).
    #[must_use]
    pub fn int(self, e: &Event) -> Option<i64> {
        match self {
            Column::Ts => Some(e.ts.0),
            Column::ReceivedAt => Some(e.received_at.0),
            Column::Status => e.status.map(i64::from),
            Column::ActiveMs => e.active_ms.map(i64::from),
            Column::Scroll => e.scroll.map(i64::from),
            _ => None,
        }
    }

    /// The value of a number column; `None` where it is null or the column is of another kind.
    #[must_use]
    pub fn float(self, e: &Event) -> Option<f64> {
        match self {
            Column::LatencyMs => e.latency_ms,
            Column::Value => e.value,
            _ => None,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Column {
    type Err = UnknownColumn;

    fn from_str(name: &str) -> Result<Column, UnknownColumn> {
        Column::ALL
            .iter()
            .copied()
            .find(|column| column.name() == name)
            .ok_or_else(|| UnknownColumn(name.to_owned()))
    }
}

/// There is no column of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no column `{0}`")]
pub struct UnknownColumn(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_by_its_name() {
        for &column in Column::ALL {
            assert_eq!(column.name().parse(), Ok(column));
            assert_eq!(Column::ALL[column.index()], column);
        }
        assert_eq!("nmae".parse::<Column>(), Err(UnknownColumn("nmae".into())));
    }

    #[test]
    fn a_value_is_read_by_the_accessor_of_its_kind_alone() {
        let event = Event {
            path: Some("/a".into()),
            status: Some(404),
            value: Some(1.5),
            ..Event::default()
        };
        assert_eq!(Column::Path.text(&event), Some("/a"));
        assert_eq!(Column::Status.int(&event), Some(404));
        assert_eq!(Column::Value.float(&event), Some(1.5));
        assert_eq!(Column::Path.int(&event), None);
        assert_eq!(Column::Status.text(&event), None);
    }
}
