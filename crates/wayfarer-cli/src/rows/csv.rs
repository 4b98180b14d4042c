//! CSV as RFC 4180 says, with a heading.

use std::{
    fs::File,
    io::{self, BufWriter},
};

use wayfarer_event::{Column, Kind};
use wayfarer_lake::Stored;

use super::{Rows, end_of, time, unsigned};

pub(super) struct Csv(csv::Writer<BufWriter<File>>);

impl Csv {
    pub(super) fn start(file: BufWriter<File>) -> io::Result<Csv> {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(Column::ALL.iter().map(|column| column.name()))?;
        Ok(Csv(csv))
    }
}

impl Rows for Csv {
    fn row(&mut self, row: &Stored) -> io::Result<()> {
        for &column in Column::ALL {
            match column.text(&row.event) {
                Some(text) => self.0.write_field(text)?,
                None => self.0.write_field(value(column, row).unwrap_or_default())?,
            }
        }
        self.0.write_record(None::<&[u8]>)?;
        Ok(())
    }

    fn end(self: Box<Self>) -> io::Result<File> {
        let buffer =
            self.0.into_inner().map_err(|error| io::Error::from(error.into_error().kind()))?;
        end_of(buffer)
    }
}

fn value(column: Column, row: &Stored) -> Option<String> {
    match column.kind() {
        Kind::Text => None,
        Kind::Time => time(column, &row.event),
        Kind::I64 => column.int(&row.event).map(|number| number.to_string()),
        Kind::U64 => unsigned(column, row).map(|number| number.to_string()),
        Kind::F64 => column.float(&row.event).map(|number| number.to_string()),
    }
}
