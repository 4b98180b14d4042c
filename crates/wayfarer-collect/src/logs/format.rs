//! The table of the formats, and their detection.

use jiff::tz::TimeZone;
use wayfarer_event::RawEvent;

use super::{
    caddy_json, combined, common, csv, csv::Given, events, fields::LineError, nginx_json,
    request::Request, traefik_json, vhost_combined,
};

/// Lines that the detection looks at, at the most.
const LOOKED_AT: usize = 100;

/// A format of log files: one row of [`FORMATS`].
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name on the command line, such as `combined`.
    pub name: &'static str,
    /// What it is, in a sentence without its full stop.
    pub doc: &'static str,
    parser: fn() -> Box<dyn Parser>,
}

/// Every format that is read, in the order in which they are tried by the detection.
pub static FORMATS: &[Format] = &[
    Format {
        name: "combined",
        doc: "Apache and nginx: Common with referrer and user agent",
        parser: || Box::new(Requests(combined::parse)),
    },
    Format {
        name: "common",
        doc: "NCSA Common: address, time, request, status, bytes",
        parser: || Box::new(Requests(common::parse)),
    },
    Format {
        name: "vhost-combined",
        doc: "Apache: Combined after host:port",
        parser: || Box::new(Requests(vhost_combined::parse)),
    },
    Format {
        name: "nginx-json",
        doc: "nginx with escape=json: objects with the names of its variables",
        parser: || Box::new(Requests(nginx_json::parse)),
    },
    Format {
        name: "caddy-json",
        doc: "Caddy's access log",
        parser: || Box::new(Requests(caddy_json::parse)),
    },
    Format {
        name: "traefik-json",
        doc: "Traefik's access log in JSON",
        parser: || Box::new(Requests(traefik_json::parse)),
    },
    Format {
        name: "events",
        doc: "Event JSON of this program, one event a line",
        parser: || Box::new(events::Events),
    },
    Format {
        name: "csv",
        doc: "Tables with a heading: columns named like those of the event, others become properties",
        parser: || Box::new(csv::Table::default()),
    },
];

/// Reads the lines of one file, in their order.
pub(super) trait Parser: Send {
    /// Reads a line, without its line break. Never panics, whatever the bytes are.
    fn parse<'a>(&mut self, line: &'a [u8], zone: &TimeZone) -> Result<Parsed<'a>, LineError>;
}

/// What a line tells.
pub(super) enum Parsed<'a> {
    /// A request to a server.
    Request(Request<'a>),
    /// Any event, as its sender claims it, and columns that are given as they are.
    Event(Box<RawEvent>, Given),
    /// Nothing of its own: a heading.
    Nothing,
}

/// A format whose lines stand for themselves.
struct Requests(for<'a> fn(&'a [u8], &TimeZone) -> Result<Request<'a>, LineError>);

impl Parser for Requests {
    fn parse<'a>(&mut self, line: &'a [u8], zone: &TimeZone) -> Result<Parsed<'a>, LineError> {
        (self.0)(line, zone).map(Parsed::Request)
    }
}

impl Format {
    /// The format of this name; `None` for a name that is not in the table, `auto` included.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Format> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// The format that reads most of the first lines in `text`; `None` if none reads any.
    #[must_use]
    pub fn detect(text: &[u8]) -> Option<&'static Format> {
        let lines =
            || text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let read = |format: &Format| {
            let mut parser = format.parser();
            let ok = |line: &&[u8]| parser.parse(line.trim_ascii_end(), &TimeZone::UTC).is_ok();
            lines().take(LOOKED_AT).filter(ok).count()
        };
        let counted = FORMATS.iter().rev().map(|format| (read(format), format));
        counted.max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0).map(|(_, f)| f)
    }

    pub(super) fn parser(&self) -> Box<dyn Parser> {
        (self.parser)()
    }
}
