//! A column of a bundle while it is decoded: each row goes to its place, and texts become codes into one dictionary.

use std::sync::Arc;

use arrow_array::{Array, StringArray, builder::StringBuilder};
use arrow_buffer::NullBuffer;
use hashbrown::HashMap;

use super::{
    order::Places,
    packed::{Codes, Numbers, Packed},
};
use crate::block::Values;

/// A column while its parts come, file after file, and each row goes to its place.
#[derive(Debug)]
pub(super) struct Builder {
    rows: usize,
    came: usize,
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
    /// Of all rows, also of those that are still to come.
    rows: usize,
    /// The same for all as long as it is the same for those that came; `None` before the first.
    codes: Option<Codes>,
    known: HashMap<Box<str>, u32>,
    texts: StringBuilder,
    /// How the dictionary of the last rows becomes the common one.
    last: Option<Common>,
}

/// The common code of each code of one dictionary.
#[derive(Debug)]
struct Common {
    dictionary: Arc<StringArray>,
    codes: Vec<u32>,
    /// How many texts did not come yet.
    unseen: usize,
}

/// Where there are so many rows to a text, it is cheaper to take all texts than to look which are there.
const ROWS_A_TEXT: usize = 4;

/// Not a code: nothing is known yet of this text.
const UNSEEN: u32 = Values::NULL - 1;

impl Common {
    fn new(dictionary: &Arc<StringArray>) -> Common {
        let (dictionary, unseen) = (Arc::clone(dictionary), dictionary.len());
        Common { dictionary, codes: vec![UNSEEN; unseen], unseen }
    }

    /// The common code of a code that came. Null has none of its own.
    fn of(&self, code: u32) -> u32 {
        self.codes.get(code as usize).copied().unwrap_or(Values::NULL)
    }
}

impl Texts {
    /// Of so many rows, of which none came yet, or only such as are null.
    fn new(rows: usize, came: usize) -> Texts {
        Texts {
            rows,
            codes: (came > 0).then_some(Codes::Same(Values::NULL)),
            known: HashMap::new(),
            texts: StringBuilder::new(),
            last: None,
        }
    }

    fn add(&mut self, codes: &[u32], dictionary: &Arc<StringArray>, places: &mut Places<'_>) {
        let Some((first, rest)) = codes.split_first() else { return };
        if rest.iter().all(|code| code == first) {
            let code = self.learn(&[*first], dictionary).of(*first);
            return self.fill(codes.len(), code, places);
        }
        self.learn(codes, dictionary);
        let own = self.codes.take().unwrap_or(Codes::Same(Values::NULL));
        // What the dictionary has comes sooner or later, and memory is dear that has to be given up for a wider one.
        let own = own.apart(self.rows, self.known.len().max(dictionary.len()));
        let own = self.codes.insert(own);
        if let Some(common) = &self.last {
            own.put(codes, |code| common.of(code), places);
        }
    }

    /// Takes so many rows that have the same code.
    fn fill(&mut self, rows: usize, code: u32, places: &mut Places<'_>) {
        let own = match self.codes.take() {
            None => Codes::Same(code),
            Some(Codes::Same(same)) if same == code => Codes::Same(same),
            Some(own) => own.apart(self.rows, self.known.len()),
        };
        self.codes.insert(own).fill(rows, code, places);
    }

    /// Gives the texts common codes that have none yet: new ones where no part had them.
    fn learn(&mut self, codes: &[u32], dictionary: &Arc<StringArray>) -> &Common {
        let last = self.last.take().filter(|last| Arc::ptr_eq(&last.dictionary, dictionary));
        let mut common = last.unwrap_or_else(|| Common::new(dictionary));
        // Few texts beside the rows are taken all at once, also those that are of other sites' rows.
        if common.unseen > 0 && dictionary.len() <= codes.len() / ROWS_A_TEXT {
            (0..dictionary.len() as u32).for_each(|code| self.meet(code, &mut common));
        } else if common.unseen > 0 {
            codes.iter().for_each(|code| self.meet(*code, &mut common));
        }
        self.last.insert(common)
    }

    /// Gives the text of a code its common code, if it has none yet.
    fn meet(&mut self, code: u32, common: &mut Common) {
        if common.of(code) == UNSEEN
            && let Some(own) = common.codes.get_mut(code as usize)
        {
            *own = self.code(common.dictionary.value(code as usize));
            common.unseen -= 1;
        }
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
        Builder { rows, came: 0, raw: Raw::Null }
    }

    /// How many different texts came so far.
    pub(super) fn texts(&self) -> usize {
        if let Raw::Text(texts) = &self.raw { texts.known.len() } else { 0 }
    }

    /// Takes the next rows of a part. False when they are of another kind than those before.
    pub(super) fn add(&mut self, part: &Values, places: &mut Places<'_>) -> bool {
        if let Raw::Null = self.raw {
            self.raw = Raw::of(part, self.rows, self.came);
        }
        self.came += part.len();
        match (&mut self.raw, part) {
            (Raw::Text(texts), Values::Null { rows }) => texts.fill(*rows, Values::NULL, places),
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
            Raw::Text(Texts { codes, mut texts, .. }) => Packed::Text {
                codes: codes.unwrap_or(Codes::Same(Values::NULL)),
                dictionary: Arc::new(texts.finish()),
            },
            Raw::Int(values, valid) => Packed::Int(Numbers::new(values, valid)),
            Raw::Float(values, valid) => Packed::Float(Numbers::new(values, valid)),
            Raw::Unsigned(values) => Packed::Unsigned(values),
        }
    }
}

impl Raw {
    /// Nothing yet, but so many nulls, of so many rows, of the kind that values are.
    fn of(values: &Values, rows: usize, came: usize) -> Raw {
        match values {
            Values::Null { .. } => Raw::Null,
            Values::Text { .. } => Raw::Text(Texts::new(rows, came)),
            Values::Int { .. } => Raw::Int(vec![0; rows], vec![false; rows]),
            Values::Float { .. } => Raw::Float(vec![0.0; rows], vec![false; rows]),
            Values::Unsigned { .. } => Raw::Unsigned(vec![0; rows]),
        }
    }
}

impl Codes {
    /// The same, one for each of so many rows, with room for the codes of so many texts.
    fn apart(self, rows: usize, texts: usize) -> Codes {
        match self {
            // A column begins with its first text, or with null, all ones.
            Codes::Same(code) if texts > usize::from(u16::MAX) => Codes::Whole(vec![code; rows]),
            Codes::Same(code) if texts > usize::from(u8::MAX) => {
                Codes::Pairs(vec![code as u16; rows])
            }
            Codes::Same(code) => Codes::Bytes(vec![code as u8; rows]),
            Codes::Bytes(codes) if texts > usize::from(u8::MAX) => {
                let wide = |code: u8| if code == u8::MAX { u16::MAX } else { code.into() };
                Codes::Pairs(codes.into_iter().map(wide).collect()).apart(rows, texts)
            }
            Codes::Pairs(codes) if texts > usize::from(u16::MAX) => {
                let wide = |code: u16| if code == u16::MAX { Values::NULL } else { code.into() };
                Codes::Whole(codes.into_iter().map(wide).collect())
            }
            codes => codes,
        }
    }

    /// Puts codes, each made into another, in their places. There must be room for them.
    fn put(&mut self, codes: &[u32], each: impl Fn(u32) -> u32, places: &mut Places<'_>) {
        // What does not fit is null alone, all ones, and stays so.
        match self {
            Codes::Same(_) => places.skip(codes.len()),
            Codes::Bytes(own) => places.put(codes, own, |code| each(code) as u8),
            Codes::Pairs(own) => places.put(codes, own, |code| each(code) as u16),
            Codes::Whole(own) => places.put(codes, own, each),
        }
    }

    /// Puts one code in so many places. There must be room for it.
    fn fill(&mut self, rows: usize, code: u32, places: &mut Places<'_>) {
        match self {
            Codes::Same(_) => places.skip(rows),
            Codes::Bytes(own) => places.fill(rows, own, code as u8),
            Codes::Pairs(own) => places.fill(rows, own, code as u16),
            Codes::Whole(own) => places.fill(rows, own, code),
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
    use crate::file::visitors::VisitorRows;

    /// Texts of two parts, whose rows lie side by side in the end: each part with a dictionary of its own.
    fn read_back(different: usize, with_null: bool) -> (Vec<Option<String>>, Packed) {
        let mut segments = Segments::for_rows(0);
        let visitors: Vec<_> =
            (0..different as u64).map(|visitor| VisitorRows { visitor, rows: 1 }).collect();
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

    /// What rows become that come in these blocks: of one text each, or null.
    fn of_blocks(blocks: &[Option<&str>]) -> Packed {
        let mut segments = Segments::for_rows(0);
        assert!(segments.add(0, &[VisitorRows { visitor: 1, rows: 2 * blocks.len() as u32 }]));
        let (_, layout) = segments.lay_out(1, &Mixed::default());
        let (mut builder, mut places) = (Builder::new(2 * blocks.len()), layout.places(0));
        for (nth, block) in blocks.iter().enumerate() {
            let values = match block {
                None if nth % 2 == 0 => Values::Null { rows: 2 },
                None => {
                    let dictionary = Arc::new(StringArray::from(vec!["unused"]));
                    Values::Text { codes: vec![Values::NULL; 2].into(), dictionary }
                }
                Some(text) => {
                    let dictionary = Arc::new(StringArray::from(vec![*text]));
                    Values::Text { codes: vec![0; 2].into(), dictionary }
                }
            };
            assert!(builder.add(&values, &mut places));
        }
        builder.finish()
    }

    #[test]
    fn what_is_the_same_throughout_takes_nothing() {
        let (a, b) = (Some("a"), Some("b"));
        for blocks in [
            &[a, a, a][..],
            &[None, None],
            &[a, b],
            &[b, b, None, a],
            &[None, a, a],
            &[None, None, a, None],
            &[a, a, None, None],
        ] {
            let packed = of_blocks(blocks);
            let is_same = blocks.iter().all(|block| *block == blocks[0]);
            let takes_nothing =
                matches!(packed, Packed::Null | Packed::Text { codes: Codes::Same(_), .. });
            assert_eq!(takes_nothing, is_same, "{blocks:?}: {packed:?}");
            let rows = 2 * blocks.len();
            let all = std::iter::once(0..rows).collect::<Vec<_>>();
            let texts: Vec<Option<String>> = match packed.values(&all, rows) {
                Values::Text { codes, dictionary } => {
                    let text = |code: &u32| {
                        let code = (*code != Values::NULL).then_some(*code as usize)?;
                        Some(dictionary.value(code).to_owned())
                    };
                    codes.iter().map(text).collect()
                }
                _ => vec![None; rows],
            };
            let expected =
                blocks.iter().flat_map(|block| std::iter::repeat_n(block.map(str::to_owned), 2));
            assert_eq!(texts, expected.collect::<Vec<_>>(), "{blocks:?}");
        }
    }
}
