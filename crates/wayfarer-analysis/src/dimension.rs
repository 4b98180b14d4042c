//! The dimensions that reports break down by: one row each in a table.

use wayfarer_event::Column;

use crate::{
    Error,
    error::{nearest, suggestion},
    filter::Field,
};

/// What a report breaks down by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// Each event has its own value.
    Event(Field),
    /// The value of a visit's first page view, or of its first event where it has no page view, holds for all its events.
    Visit(Column),
    /// The path of a visit's first page view.
    Entry,
    /// The path of a visit's last page view.
    Exit,
    /// Whether it is the visitor's first visit ever.
    NewReturning,
    /// The goals that an event reaches: it counts under each of them, and nowhere if it reaches none.
    Goal,
}

const EVENT: &[Column] = &[
    Column::Path,
    Column::Route,
    Column::Host,
    Column::Title,
    Column::Name,
    Column::Method,
    Column::Status,
    Column::User,
    Column::Currency,
    Column::BotReason,
    Column::VisitorKind,
];

/// How a visit came: known of its first events alone.
const ARRIVAL: &[Column] = &[
    Column::Channel,
    Column::Source,
    Column::Referrer,
    Column::UtmSource,
    Column::UtmMedium,
    Column::UtmCampaign,
    Column::UtmTerm,
    Column::UtmContent,
    Column::ClickId,
];

/// With what somebody came, and from where on earth.
const CLIENT: &[Column] = &[
    Column::Country,
    Column::Region,
    Column::City,
    Column::Language,
    Column::Browser,
    Column::BrowserVersion,
    Column::Os,
    Column::OsVersion,
    Column::Device,
    Column::Screen,
];

/// Every dimension that `breakdown` knows; beside these, `prop.` and the name of any property.
pub fn dimensions() -> impl Iterator<Item = &'static str> {
    let columns = EVENT.iter().chain(ARRIVAL).chain(CLIENT).map(|column| column.name());
    columns.chain(["entry", "exit", "new_returning", "goal"])
}

impl Dimension {
    /// The dimension of this name.
    pub(crate) fn named(name: &str) -> Result<Dimension, Error> {
        if let Some(prop) = name.strip_prefix("prop.").filter(|prop| !prop.is_empty()) {
            return Ok(Dimension::Event(Field::Prop(prop.to_owned())));
        }
        let found = match name {
            "entry" => Some(Dimension::Entry),
            "exit" => Some(Dimension::Exit),
            "new_returning" => Some(Dimension::NewReturning),
            "goal" => Some(Dimension::Goal),
            "event" => Some(Dimension::Event(Field::Column(Column::Name))),
            _ => column(EVENT, name)
                .map(|column| Dimension::Event(Field::Column(column)))
                .or_else(|| column(ARRIVAL, name).map(Dimension::Visit))
                .or_else(|| column(CLIENT, name).map(Dimension::Visit)),
        };
        found.ok_or_else(|| {
            let meant = suggestion(nearest(name, dimensions()));
            Error::parameter("by", format!("names no dimension `{name}`{meant}"))
        })
    }

    /// Whether single events do not tell it, so that an event has the value of its visit.
    pub(crate) fn is_of_visit_alone(&self) -> bool {
        match self {
            Dimension::Visit(column) => ARRIVAL.contains(column),
            Dimension::Entry | Dimension::Exit | Dimension::NewReturning => true,
            Dimension::Event(_) | Dimension::Goal => false,
        }
    }

    /// Whether it is about bots, and shows them without being asked to.
    pub(crate) fn shows_bots(&self) -> bool {
        *self == Dimension::Event(Field::Column(Column::BotReason))
    }
}

fn column(columns: &[Column], name: &str) -> Option<Column> {
    columns.iter().copied().find(|column| column.name() == name)
}
