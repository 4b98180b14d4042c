//! One JSON object a line.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use wayfarer_event::{Column, Kind};
use wayfarer_lake::Stored;

use super::{Rows, end_of, time, unsigned};

pub(super) struct Ndjson(BufWriter<File>);

impl Ndjson {
    pub(super) fn start(file: BufWriter<File>) -> Ndjson {
        Ndjson(file)
    }
}

impl Rows for Ndjson {
    fn row(&mut self, row: &Stored) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, &Object(row))?;
        self.0.write_all(b"\n")
    }

    fn end(self: Box<Self>) -> io::Result<File> {
        end_of(self.0)
    }
}

struct Object<'a>(&'a Stored);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.0;
        let mut map = serializer.serialize_map(Some(Column::ALL.len()))?;
        for &column in Column::ALL {
            let name = column.name();
            match column.kind() {
                Kind::Text if column == Column::Props => map.serialize_entry(name, &props(row))?,
                Kind::Text => map.serialize_entry(name, &column.text(&row.event))?,
                Kind::Time => map.serialize_entry(name, &time(column, &row.event))?,
                Kind::I64 => map.serialize_entry(name, &column.int(&row.event))?,
                Kind::U64 => map.serialize_entry(name, &unsigned(column, row))?,
                Kind::F64 => map.serialize_entry(name, &column.float(&row.event))?,
            }
        }
        map.end()
    }
}

/// The properties as they are; as a text where they are no JSON.
fn props(row: &Stored) -> Props<'_> {
    let Some(text) = row.event.props.as_deref() else { return Props::None };
    serde_json::from_str(text).map_or(Props::Text(text), Props::Object)
}

#[derive(Serialize)]
#[serde(untagged)]
enum Props<'a> {
    None,
    Object(&'a RawValue),
    Text(&'a str),
}
