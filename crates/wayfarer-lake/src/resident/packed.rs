//! One column of a bundle in memory: narrow codes for text, nothing at all for what is null or the same throughout.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, StringArray, builder::StringBuilder};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use hashbrown::HashMap;

use super::order::Places;
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
    /// So many codes, all null.
    fn null(rows: usize) -> Codes {
        Codes::Bytes(vec![u8::MAX; rows])
    }

    /// The same with room for the codes of so many texts.
    fn with_room(self, texts: usize) -> Codes {
        match self {
            Codes::Bytes(codes) if texts > usize::from(u8::MAX) => {
                let wide = |code: u8| if code == u8::MAX { u16::MAX } else { code.into() };
                Codes::Pairs(codes.into_iter().map(wide).collect()).with_room(texts)
            }
            Codes::Pairs(codes) if texts > usize::from(u16::MAX) => {
                let wide = |code: u16| if code == u16::MAX { Values::NULL } else { code.into() };
                Codes::Whole(codes.into_iter().map(wide).collect())
            }
            codes => codes,
        }
    }

    /// Puts codes in their places. There must be room for them.
    fn put(&mut self, codes: &[u32], places: &mut Places<'_>) {
        // What does not fit is null alone, all ones, and stays so.
        match self {
            Codes::Same(_) => places.skip(codes.len()),
            Codes::Bytes(own) => places.put(codes, own, |code| code as u8),
            Codes::Pairs(own) => places.put(codes, own, |code| code as u16),
            Codes::Whole(own) => places.put(codes, own, |code| code),
        }
    }

    /// The same as one code, where they are all the same.
    fn finish(self) -> Codes {
        fn same<T: Copy + PartialEq>(codes: &[T]) -> Option<T> {
            let first = codes.first().copied()?;
            codes.iter().all(|code| *code == first).then_some(first)
        }
        let wide = |code: u32, null: u32| if code == null { Values::NULL } else { code };
        let code = match &self {
            Codes::Same(code) => Some(*code),
            Codes::Bytes(codes) => same(codes).map(|code| wide(code.into(), u8::MAX.into())),
            Codes::Pairs(codes) => same(codes).map(|code| wide(code.into(), u16::MAX.into())),
            Codes::Whole(codes) => same(codes),
        };
        code.map_or(self, Codes::Same)
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

/// A column while its parts come, file after file, and each row goes to its place.
#[derive(Debug)]
pub(super) struct Builder {
    rows: usize,
    raw: Raw,
}

/// Values of one kind, in their places; null where none came yet.
#[derive(Debug)]
enum Raw {
    Null,
    Text(Texts),
    Int(Vec<i64>, Vec<bool>),
    Float(Vec<f64>, Vec<bool>),
    Unsigned(Vec<u64>),
}

/// Texts with one dictionary for all parts.
#[derive(Debug)]
struct Texts {
    codes: Codes,
    known: HashMap<Box<str>, u32>,
    texts: StringBuilder,
    /// The dictionary of the last part, with the common code of each of its codes.
    last: Option<(Arc<StringArray>, Vec<u32>)>,
    /// The common codes of the rows that came last.
    common: Vec<u32>,
}

/// Not a code: nothing is known yet of this text.
const UNSEEN: u32 = Values::NULL - 1;

impl Texts {
    fn new(rows: usize) -> Texts {
        Texts {
            codes: Codes::null(rows),
            known: HashMap::new(),
            texts: StringBuilder::new(),
            last: None,
            common: Vec::new(),
        }
    }

    fn add(&mut self, codes: &[u32], dictionary: &Arc<StringArray>, places: &mut Places<'_>) {
        let last = self.last.take().filter(|(last, _)| Arc::ptr_eq(last, dictionary));
        let mut common = last.map_or_else(|| vec![UNSEEN; dictionary.len()], |(_, common)| common);
        self.translate(codes, &common);
        if self.common.contains(&UNSEEN) {
            for &code in codes {
                let own = common.get_mut(code as usize).filter(|own| **own == UNSEEN);
                if let Some(own) = own {
                    *own = self.code(dictionary.value(code as usize));
                }
            }
            self.translate(codes, &common);
            let codes = std::mem::replace(&mut self.codes, Codes::Same(Values::NULL));
            self.codes = codes.with_room(self.known.len());
        }
        self.codes.put(&self.common, places);
        self.last = Some((Arc::clone(dictionary), common));
    }

    /// Looks up the common code of each code. Null has none.
    fn translate(&mut self, codes: &[u32], common: &[u32]) {
        let each = codes.iter().map(|&code| common.get(code as usize));
        self.common.clear();
        self.common.extend(each.map(|code| code.copied().unwrap_or(Values::NULL)));
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
    pub(super) fn new(rows: usize) -> Builder {
        Builder { rows, raw: Raw::Null }
    }

    /// How many different texts came so far.
    pub(super) fn texts(&self) -> usize {
        if let Raw::Text(texts) = &self.raw { texts.known.len() } else { 0 }
    }

    /// Takes the next rows of a part. False when they are of another kind than those before.
    pub(super) fn add(&mut self, part: &Values, places: &mut Places<'_>) -> bool {
        if let Raw::Null = self.raw {
            self.raw = Raw::of(part, self.rows);
        }
        match (&mut self.raw, part) {
            (_, Values::Null { rows }) => places.skip(*rows),
            (Raw::Text(texts), Values::Text { codes, dictionary }) => {
                texts.add(codes, dictionary, places);
            }
            (Raw::Int(all, valid), Values::Int { values, nulls }) => {
                put(all, valid, values, nulls.as_ref(), places);
            }
            (Raw::Float(all, valid), Values::Float { values, nulls }) => {
                put(all, valid, values, nulls.as_ref(), places);
            }
            (Raw::Unsigned(all), Values::Unsigned { values }) => {
                places.put(values, all, |value| value);
            }
            _ => return false,
        }
        true
    }

    /// The column, when all parts came.
    pub(super) fn finish(self) -> Packed {
        match self.raw {
            Raw::Null => Packed::Null,
            Raw::Text(Texts { codes, mut texts, .. }) => {
                Packed::Text { codes: codes.finish(), dictionary: Arc::new(texts.finish()) }
            }
            Raw::Int(values, valid) => Packed::Int(Numbers::new(values, valid)),
            Raw::Float(values, valid) => Packed::Float(Numbers::new(values, valid)),
            Raw::Unsigned(values) => Packed::Unsigned(values),
        }
    }
}

impl Raw {
    /// So many nulls of the kind that values are.
    fn of(values: &Values, rows: usize) -> Raw {
        match values {
            Values::Null { .. } => Raw::Null,
            Values::Text { .. } => Raw::Text(Texts::new(rows)),
            Values::Int { .. } => Raw::Int(vec![0; rows], vec![false; rows]),
            Values::Float { .. } => Raw::Float(vec![0.0; rows], vec![false; rows]),
            Values::Unsigned { .. } => Raw::Unsigned(vec![0; rows]),
        }
    }
}

/// Puts values, and whether there are any, in their places.
fn put<T: Copy>(
    all: &mut [T],
    valid: &mut [bool],
    values: &[T],
    nulls: Option<&NullBuffer>,
    places: &mut Places<'_>,
) {
    let mut again = places.clone();
    places.put(values, all, |value| value);
    match nulls {
        Some(nulls) => again.put(&nulls.iter().collect::<Vec<bool>>(), valid, |known| known),
        None => again.fill(values.len(), valid, true),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::order::{Mixed, Segments},
        *,
    };

    /// Texts of two parts, whose rows lie side by side in the end: each part with a dictionary of its own.
    fn read_back(different: usize, with_null: bool) -> (Vec<Option<String>>, Packed) {
        let mut segments = Segments::for_rows(0);
        let visitors: Vec<u64> = (0..different as u64).collect();
        assert!(segments.add(0, &visitors) && segments.add(1, &visitors));
        segments.sort();
        let (_, layout) = segments.lay_out(2, &Mixed::default());
        let mut builder = Builder::new(2 * different);
        let dictionary = |part: usize| {
            let texts = (0..different).map(|n| format!("{}", (n + part * 7) % different));
            Arc::new(texts.map(Some).collect::<StringArray>())
        };
        let mut expected = vec![None; 2 * different];
        for part in 0..2 {
            let (dictionary, mut places) = (dictionary(part), layout.places(part));
            let codes: Vec<u32> = (0..different as u32).collect();
            for block in codes.chunks(1000) {
                let null = |code: &u32| with_null && code.is_multiple_of(3);
                for code in block.iter().filter(|code| !null(code)) {
                    let text = dictionary.value(*code as usize).to_owned();
                    expected[2 * *code as usize + part] = Some(text);
                }
                let code = |code: &u32| if null(code) { Values::NULL } else { *code };
                let codes = block.iter().map(code).collect::<Vec<u32>>().into();
                let values = Values::Text { codes, dictionary: Arc::clone(&dictionary) };
                assert!(builder.add(&values, &mut places));
            }
        }
        (expected, builder.finish())
    }

    #[test]
    fn codes_are_as_wide_as_they_must_be_and_read_back() {
        for (different, bytes) in
            [(2, 1), (254, 1), (255, 1), (256, 2), (300, 2), (65_535, 2), (65_536, 4), (70_000, 4)]
        {
            for with_null in [false, true] {
                let (expected, packed) = read_back(different, with_null);
                let Packed::Text { codes, .. } = &packed else { panic!("{packed:?}") };
                let width = match codes {
                    Codes::Same(_) => 0,
                    Codes::Bytes(_) => 1,
                    Codes::Pairs(_) => 2,
                    Codes::Whole(_) => 4,
                };
                // Without what is null there are fewer texts.
                assert!(width == bytes || with_null && width < bytes, "{different}: {width}");
                let rows = expected.len();
                let all = std::iter::once(0..rows).collect::<Vec<_>>();
                let Values::Text { codes, dictionary } = packed.values(&all, rows) else {
                    panic!("no texts");
                };
                for (code, expected) in codes.iter().zip(expected) {
                    let text = (*code != Values::NULL).then(|| dictionary.value(*code as usize));
                    assert_eq!(text, expected.as_deref());
                }
            }
        }
    }

    #[test]
    fn what_is_the_same_throughout_takes_nothing() {
        for code in [0, Values::NULL] {
            let mut segments = Segments::for_rows(0);
            assert!(segments.add(0, &[1, 2, 3]));
            let (_, layout) = segments.lay_out(1, &Mixed::default());
            let (mut builder, mut places) = (Builder::new(3), layout.places(0));
            let dictionary = Arc::new(StringArray::from(vec!["a"]));
            let values = Values::Text { codes: vec![code; 3].into(), dictionary };
            assert!(builder.add(&values, &mut places));
            let packed = builder.finish();
            assert!(
                matches!(&packed, Packed::Text { codes: Codes::Same(same), .. } if *same == code),
                "{packed:?}"
            );
        }
    }
}
