//! One column of a bundle in memory: narrow codes for text, nothing at all for what is null or the same throughout.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, StringArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};

use crate::block::Values;

/// A column that cannot change any more.
#[derive(Debug)]
pub(super) enum Packed {
    Null,
    Text { codes: Codes, dictionary: Arc<StringArray> },
    Int(Numbers<i64>),
    Float(Numbers<f64>),
    Unsigned(Vec<u64>),
}

/// Codes into a dictionary, as wide as they must be. The greatest of a width stands for null.
#[derive(Debug)]
pub(super) enum Codes {
    /// All rows have this one.
    Same(u32),
    Bytes(Vec<u8>),
    Pairs(Vec<u16>),
    Whole(Vec<u32>),
}

/// Numbers: one a row, or only those that are not null where these are the fewer.
#[derive(Debug)]
pub(super) enum Numbers<T> {
    Dense { values: Vec<T>, valid: Option<Vec<bool>> },
    Sparse { rows: Vec<u32>, values: Vec<T> },
}

impl Packed {
    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Packed::Null => 0,
            Packed::Text { codes, dictionary } => {
                dictionary.get_array_memory_size()
                    + match codes {
                        Codes::Same(_) => 0,
                        Codes::Bytes(codes) => codes.len(),
                        Codes::Pairs(codes) => 2 * codes.len(),
                        Codes::Whole(codes) => 4 * codes.len(),
                    }
            }
            Packed::Int(numbers) => numbers.bytes(),
            Packed::Float(numbers) => numbers.bytes(),
            Packed::Unsigned(values) => size_of_val(values.as_slice()),
        }
    }

    /// The values of these rows, which are so many.
    pub(super) fn values(&self, ranges: &[Range<usize>], rows: usize) -> Values {
        match self {
            Packed::Null => Values::Null { rows },
            Packed::Text { codes, dictionary } => Values::Text {
                codes: codes.of(ranges, rows).into(),
                dictionary: Arc::clone(dictionary),
            },
            Packed::Int(numbers) => {
                let (values, nulls) = numbers.of(ranges, rows);
                Values::Int { values, nulls }
            }
            Packed::Float(numbers) => {
                let (values, nulls) = numbers.of(ranges, rows);
                Values::Float { values, nulls }
            }
            Packed::Unsigned(values) => {
                Values::Unsigned { values: gather(values, ranges, rows, |value| value).into() }
            }
        }
    }
}

impl Codes {
    fn of(&self, ranges: &[Range<usize>], rows: usize) -> Vec<u32> {
        let wide = |code: u32, null: u32| if code == null { Values::NULL } else { code };
        match self {
            Codes::Same(code) => vec![*code; rows],
            Codes::Bytes(codes) => {
                gather(codes, ranges, rows, |code| wide(code.into(), u8::MAX.into()))
            }
            Codes::Pairs(codes) => {
                gather(codes, ranges, rows, |code| wide(code.into(), u16::MAX.into()))
            }
            Codes::Whole(codes) => gather(codes, ranges, rows, |code| code),
        }
    }
}

impl<T: ArrowNativeType> Numbers<T> {
    /// One value a row, and whether there is any.
    pub(super) fn new(values: Vec<T>, valid: Vec<bool>) -> Numbers<T> {
        let known = valid.iter().filter(|valid| **valid).count();
        if known * 2 > values.len() {
            return Numbers::Dense { values, valid: (known < valid.len()).then_some(valid) };
        }
        let both = values.into_iter().zip(valid).zip(0..).filter(|((_, valid), _)| *valid);
        let (rows, values) = both.map(|((value, _), row)| (row, value)).unzip();
        Numbers::Sparse { rows, values }
    }

    fn bytes(&self) -> usize {
        match self {
            Numbers::Dense { values, valid } => {
                size_of_val(values.as_slice()) + valid.as_ref().map_or(0, Vec::len)
            }
            Numbers::Sparse { rows, values } => {
                size_of_val(values.as_slice()) + size_of_val(rows.as_slice())
            }
        }
    }

    fn of(&self, ranges: &[Range<usize>], rows: usize) -> (ScalarBuffer<T>, Option<NullBuffer>) {
        match self {
            Numbers::Dense { values, valid } => {
                let valid = valid.as_ref().map(|valid| gather(valid, ranges, rows, |v| v).into());
                (gather(values, ranges, rows, |value| value).into(), valid)
            }
            Numbers::Sparse { rows: known, values } => {
                let (mut all, mut valid) = (vec![T::default(); rows], vec![false; rows]);
                let mut before = 0;
                for range in ranges {
                    let first = known.partition_point(|&row| (row as usize) < range.start);
                    let here = known.iter().zip(values).skip(first);
                    for (&row, &value) in here.take_while(|(row, _)| (**row as usize) < range.end) {
                        let place = before + row as usize - range.start;
                        if let (Some(own), Some(valid)) = (all.get_mut(place), valid.get_mut(place))
                        {
                            (*own, *valid) = (value, true);
                        }
                    }
                    before += range.len();
                }
                (all.into(), Some(valid.into()))
            }
        }
    }
}

/// The values in these ranges, one after the other, each made into another.
fn gather<T: Copy, U>(
    values: &[T],
    ranges: &[Range<usize>],
    rows: usize,
    each: impl Fn(T) -> U,
) -> Vec<U> {
    let mut gathered = Vec::with_capacity(rows);
    for range in ranges {
        let part = values.get(range.clone()).unwrap_or_default();
        gathered.extend(part.iter().map(|&value| each(value)));
    }
    gathered
}
