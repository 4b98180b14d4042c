//! Our own event JSON, one event a line: what `POST /api/v1/events` takes, with all that a server may say.

use jiff::tz::TimeZone;

use super::{
    fields::LineError,
    format::{Parsed, Parser},
};
use crate::body;

/// Reads events as their senders claim them.
pub(super) struct Events;

impl Parser for Events {
    fn parse<'a>(&mut self, line: &'a [u8], _: &TimeZone) -> Result<Parsed<'a>, LineError> {
        let text =
            std::str::from_utf8(line).map_err(|_| LineError::new("the line is not UTF-8"))?;
        let event = body::event(text).map_err(|reject| LineError(reject.to_string().into()))?;
        Ok(Parsed::Event(Box::new(event), Vec::new()))
    }
}
