//! One column of a bundle in memory: narrow codes for text, nothing at all for what is null or the same throughout.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, StringArray, builder::StringBuilder};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use hashbrown::HashMap;

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
    /// Codes into a dictionary of so many texts, which are brought into this order.
    fn new(codes: Vec<u32>, texts: usize, order: &[Range<usize>]) -> Codes {
        let first = codes.first().copied().unwrap_or(Values::NULL);
        let rows = codes.len();
        if codes.iter().all(|&code| code == first) {
            Codes::Same(first)
        } else if texts < usize::from(u8::MAX) {
            // What does not fit is null alone, and becomes the greatest.
            let narrow = |code: u32| code.min(u8::MAX.into()) as u8;
            Codes::Bytes(gather(&codes, order, rows, narrow))
        } else if texts < usize::from(u16::MAX) {
            let narrow = |code: u32| code.min(u16::MAX.into()) as u16;
            Codes::Pairs(gather(&codes, order, rows, narrow))
        } else {
            Codes::Whole(ordered(codes, order, rows))
        }
    }

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
    fn new(values: Vec<T>, valid: Vec<bool>) -> Numbers<T> {
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
pub(super) fn gather<T: Copy, U>(
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

/// A column while its parts come, file after file.
#[derive(Debug)]
pub(super) struct Builder {
    capacity: usize,
    rows: usize,
    raw: Raw,
}

/// Values of one kind, as they came; null where none came yet.
#[derive(Debug, Default)]
enum Raw {
    #[default]
    Null,
    Text(Texts),
    Int(Vec<i64>, Vec<bool>),
    Float(Vec<f64>, Vec<bool>),
    Unsigned(Vec<u64>),
}

/// Texts with one dictionary for all parts.
#[derive(Debug, Default)]
struct Texts {
    codes: Vec<u32>,
    known: HashMap<Box<str>, u32>,
    texts: StringBuilder,
    /// The dictionary of the last part, with the common code of each of its codes, and that of null.
    last: Option<(Arc<StringArray>, Vec<u32>)>,
}

/// Not a code: nothing is known yet of this text.
const UNSEEN: u32 = Values::NULL - 1;

impl Texts {
    fn add(&mut self, codes: &[u32], dictionary: &Arc<StringArray>) {
        let last = self.last.take().filter(|(last, _)| Arc::ptr_eq(last, dictionary));
        let mut common = last.map(|(_, common)| common).unwrap_or_else(|| {
            let mut common = vec![UNSEEN; dictionary.len()];
            common.push(Values::NULL);
            common
        });
        let before = self.codes.len();
        self.extend(codes, &common);
        if self.codes.get(before..).is_some_and(|new| new.contains(&UNSEEN)) {
            for &code in codes {
                let own = common.get_mut(code as usize).filter(|own| **own == UNSEEN);
                if let Some(own) = own {
                    *own = self.code(dictionary.value(code as usize));
                }
            }
            self.codes.truncate(before);
            self.extend(codes, &common);
        }
        self.last = Some((Arc::clone(dictionary), common));
    }

    /// Adds the common code of each code. The last of them stands for null, whose code is greater than all.
    fn extend(&mut self, codes: &[u32], common: &[u32]) {
        let null = common.len().saturating_sub(1);
        let each = codes.iter().map(|&code| common.get((code as usize).min(null)));
        self.codes.extend(each.map(|code| code.copied().unwrap_or(Values::NULL)));
    }

    /// The common code of a text, a new one if it never came.
    fn code(&mut self, text: &str) -> u32 {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let next = self.known.len() as u32;
        self.texts.append_value(text);
        self.known.insert(text.into(), next);
        next
    }
}

impl Builder {
    /// For a column of so many rows.
    pub(super) fn new(capacity: usize) -> Builder {
        Builder { capacity, rows: 0, raw: Raw::Null }
    }

    /// How many different texts came so far.
    pub(super) fn texts(&self) -> usize {
        if let Raw::Text(texts) = &self.raw { texts.known.len() } else { 0 }
    }

    /// Takes the next rows. False when they are of another kind than those before.
    pub(super) fn add(&mut self, part: Values) -> bool {
        let before = self.rows;
        self.rows += part.len();
        match (&mut self.raw, part) {
            (raw @ Raw::Null, Values::Text { codes, dictionary }) => {
                let nulls = filled(Values::NULL, before, self.capacity);
                let mut texts = Texts { codes: nulls, ..Texts::default() };
                texts.add(&codes, &dictionary);
                *raw = Raw::Text(texts);
            }
            (raw @ Raw::Null, Values::Int { values, nulls }) => {
                let (mut all, mut valid) = nulls_of(0, before, self.capacity);
                extend(&mut all, &mut valid, &values, nulls.as_ref());
                *raw = Raw::Int(all, valid);
            }
            (raw @ Raw::Null, Values::Float { values, nulls }) => {
                let (mut all, mut valid) = nulls_of(0.0, before, self.capacity);
                extend(&mut all, &mut valid, &values, nulls.as_ref());
                *raw = Raw::Float(all, valid);
            }
            (raw @ Raw::Null, Values::Unsigned { values }) if before == 0 => {
                let mut all = Vec::with_capacity(self.capacity);
                all.extend_from_slice(&values);
                *raw = Raw::Unsigned(all);
            }
            (Raw::Text(texts), Values::Text { codes, dictionary }) => {
                texts.add(&codes, &dictionary);
            }
            (Raw::Int(all, valid), Values::Int { values, nulls }) => {
                extend(all, valid, &values, nulls.as_ref());
            }
            (Raw::Float(all, valid), Values::Float { values, nulls }) => {
                extend(all, valid, &values, nulls.as_ref());
            }
            (Raw::Unsigned(all), Values::Unsigned { values }) => all.extend_from_slice(&values),
            (Raw::Null, Values::Null { .. }) => {}
            (Raw::Text(texts), Values::Null { .. }) => {
                texts.codes.resize(self.rows, Values::NULL);
            }
            (Raw::Int(all, valid), Values::Null { .. }) => {
                all.resize(self.rows, 0);
                valid.resize(self.rows, false);
            }
            (Raw::Float(all, valid), Values::Null { .. }) => {
                all.resize(self.rows, 0.0);
                valid.resize(self.rows, false);
            }
            _ => return false,
        }
        true
    }

    /// The column with its rows in this order: ranges of the rows as they came, which together are all.
    pub(super) fn finish(self, order: &[Range<usize>]) -> Packed {
        let rows = self.rows;
        match self.raw {
            Raw::Null => Packed::Null,
            Raw::Text(Texts { codes, known, mut texts, .. }) => Packed::Text {
                codes: Codes::new(codes, known.len(), order),
                dictionary: Arc::new(texts.finish()),
            },
            Raw::Int(values, valid) => {
                Packed::Int(Numbers::new(ordered(values, order, rows), ordered(valid, order, rows)))
            }
            Raw::Float(values, valid) => Packed::Float(Numbers::new(
                ordered(values, order, rows),
                ordered(valid, order, rows),
            )),
            Raw::Unsigned(values) => Packed::Unsigned(ordered(values, order, rows)),
        }
    }
}

/// So many values that are the same, with room for more.
fn filled<T: Copy>(value: T, rows: usize, capacity: usize) -> Vec<T> {
    let mut values = Vec::with_capacity(capacity);
    values.resize(rows, value);
    values
}

/// So many values that are null, with room for more.
fn nulls_of<T: Copy>(value: T, rows: usize, capacity: usize) -> (Vec<T>, Vec<bool>) {
    (filled(value, rows, capacity), filled(false, rows, capacity))
}

/// Brings values into an order; what lies so already is not copied.
pub(super) fn ordered<T: Copy>(values: Vec<T>, order: &[Range<usize>], rows: usize) -> Vec<T> {
    match order {
        [_] => values,
        order => gather(&values, order, rows, |value| value),
    }
}

fn extend<T: Copy>(
    all: &mut Vec<T>,
    valid: &mut Vec<bool>,
    values: &[T],
    nulls: Option<&NullBuffer>,
) {
    all.extend_from_slice(values);
    match nulls {
        Some(nulls) => valid.extend(nulls.iter()),
        None => valid.resize(all.len(), true),
    }
}
