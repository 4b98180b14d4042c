//! DuckLake's statistics of columns: counts, and the least and greatest value as text.
//!
//! DuckDB prunes by them, so they must never be narrower than the rows are.

use std::fmt;

use arrow_array::Array;
use wayfarer_event::{Column, Kind, Micros};

use crate::block::Values;

/// How a time stands in the catalog.
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f+00";

/// A least or greatest value.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) enum Bound {
    Text(String),
    Time(i64),
    Int(i64),
    Unsigned(u64),
    Float(f64),
}

impl Bound {
    /// Reads what `Display` or DuckDB wrote; `None` when it is no value of this column.
    pub(crate) fn parse(column: Column, text: &str) -> Option<Bound> {
        Some(match column.kind() {
            Kind::Text => Bound::Text(text.to_owned()),
            Kind::Time => Bound::Time(parse_time(text)?),
            Kind::I64 => Bound::Int(text.parse().ok()?),
            Kind::U64 => Bound::Unsigned(text.parse().ok()?),
            Kind::F64 => Bound::Float(text.parse().ok()?),
        })
    }
}

fn parse_time(text: &str) -> Option<i64> {
    let civil = jiff::civil::DateTime::strptime(TIME_FORMAT, text).ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_microsecond())
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Text(text) => f.write_str(text),
            Bound::Time(micros) => Micros(*micros).timestamp().strftime(TIME_FORMAT).fmt(f),
            Bound::Int(number) => number.fmt(f),
            Bound::Unsigned(number) => number.fmt(f),
            Bound::Float(number) => write!(f, "{number:?}"),
        }
    }
}

/// What the catalog holds of one column of a file or table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ColumnStats {
    pub(crate) bytes: u64,
    pub(crate) values: u64,
    pub(crate) nulls: u64,
    pub(crate) nan: bool,
    /// `None` when there is no value, or for columns that have no bounds.
    pub(crate) bounds: Option<(Bound, Bound)>,
}

/// Bounds of these columns would put long texts into the catalog and never prune anything.
pub(crate) fn has_bounds(column: Column) -> bool {
    column != Column::Props
}

impl ColumnStats {
    /// Takes more values in.
    pub(crate) fn add(&mut self, column: Column, values: &Values) {
        let rows = values.len();
        let nulls = values.null_count();
        self.nulls += nulls as u64;
        self.values += (rows - nulls) as u64;
        if !has_bounds(column) {
            return;
        }
        match values {
            Values::Null { .. } => {}
            Values::Text { codes, dictionary } => {
                let mut used = vec![false; dictionary.len()];
                for &code in codes {
                    if let Some(used) = used.get_mut(code as usize) {
                        *used = true;
                    }
                }
                let texts = used.iter().enumerate().filter(|(_, used)| **used);
                let texts = texts.map(|(code, _)| dictionary.value(code));
                self.widen_texts(texts);
            }
            Values::Int { values, nulls } => {
                let bound = if column.kind() == Kind::Time { Bound::Time } else { Bound::Int };
                self.widen_by(valid(values, nulls.as_ref()).copied(), bound);
            }
            Values::Unsigned { values } => self.widen_by(values.iter().copied(), Bound::Unsigned),
            Values::Float { values, nulls } => {
                self.nan |= valid(values, nulls.as_ref()).any(|value| value.is_nan());
                let numbers = valid(values, nulls.as_ref()).copied().filter(|v| !v.is_nan());
                self.widen_by(numbers, Bound::Float);
            }
        }
    }

    fn widen_texts<'a>(&mut self, texts: impl Iterator<Item = &'a str> + Clone) {
        if let (Some(least), Some(greatest)) = (texts.clone().min(), texts.max()) {
            self.widen(&(Bound::Text(least.to_owned()), Bound::Text(greatest.to_owned())));
        }
    }

    fn widen_by<T: PartialOrd + Copy>(
        &mut self,
        values: impl Iterator<Item = T>,
        bound: impl Fn(T) -> Bound,
    ) {
        let both = values.fold(None, |both: Option<(T, T)>, value| match both {
            None => Some((value, value)),
            Some((least, greatest)) => Some((
                if value < least { value } else { least },
                if value > greatest { value } else { greatest },
            )),
        });
        if let Some((least, greatest)) = both {
            self.widen(&(bound(least), bound(greatest)));
        }
    }

    /// Makes the bounds hold these as well.
    pub(crate) fn widen(&mut self, (least, greatest): &(Bound, Bound)) {
        match &mut self.bounds {
            None => self.bounds = Some((least.clone(), greatest.clone())),
            Some((low, high)) => {
                if *least < *low {
                    *low = least.clone();
                }
                if *greatest > *high {
                    *high = greatest.clone();
                }
            }
        }
    }
}

fn valid<'a, T>(
    values: &'a [T],
    nulls: Option<&'a arrow_buffer::NullBuffer>,
) -> impl Iterator<Item = &'a T> {
    let is_valid = move |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
    values.iter().enumerate().filter(move |(row, _)| is_valid(*row)).map(|(_, value)| value)
}
