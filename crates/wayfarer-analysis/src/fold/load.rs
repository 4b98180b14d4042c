//! Turns a block of the lake into `Rows`: filters decided, texts as codes of the task, numbers as plain vectors.

use std::sync::Arc;

use arrow_array::{Array, StringArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use hashbrown::HashMap;
use wayfarer_event::Column;
use wayfarer_lake::{Arrival, Block, Values, Visitors};

use super::{
    Rows,
    compile::{Mask, Program},
    plan::{Key, Plan},
    rows::Columns,
    words::{NULL, Words},
};
use crate::{
    Error,
    filter::{Expr, Field, Test, find_prop, prop_text},
};

/// A block, ready to be folded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) visitors: Visitors,
    pub(super) times: ScalarBuffer<i64>,
    pub(super) arrival: Arrival,
    pub(super) is_in_order: bool,
    /// Which rows are left out of the report as those of bots; `None` when none is.
    pub(super) hidden: Option<Vec<bool>>,
    pub(super) columns: Columns,
}

impl Loaded {
    /// Its rows.
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { times: &self.times, columns: &self.columns }
    }
}

/// Loads the blocks of one run. What it works out for a dictionary it keeps while blocks share the dictionary.
#[derive(Clone, Debug)]
pub(super) struct Loader {
    keys: Vec<KeyLoader>,
    numbers: Vec<usize>,
    tests: Vec<Program>,
    masks: Vec<Mask>,
    bots: Option<Program>,
}

impl Loader {
    /// A loader for the plan. Gives the plan the columns that only the loader needs.
    pub(super) fn new(plan: &mut Plan, with_bots: bool) -> Loader {
        let keys = plan.keys.clone().into_iter().map(|key| KeyLoader::new(key, plan)).collect();
        let numbers = plan.numbers.clone();
        let numbers = numbers.iter().map(|&column| plan.column(&Field::Column(column))).collect();
        let tests = plan.tests.clone();
        let tests = tests.iter().map(|expr| Program::new(expr, plan)).collect();
        let masks = plan.masks.clone();
        let masks = masks.iter().map(|exprs| Mask::new(exprs, plan)).collect();
        let bots = (!with_bots).then(|| {
            let is_null = Expr::Test(Field::Column(Column::BotReason), Test::IsNull);
            plan.column(&Field::Column(Column::BotReason));
            Program::new(&Expr::Not(Box::new(is_null)), plan)
        });
        Loader { keys, numbers, tests, masks, bots }
    }

    /// Loads a block into columns that are no longer needed; what they hold goes.
    pub(super) fn load(
        &mut self,
        block: Block,
        mut columns: Columns,
        words: &mut [Words],
    ) -> Result<Loaded, Error> {
        for ((key, into), words) in self.keys.iter_mut().zip(&mut columns.keys).zip(words) {
            key.codes(&block, words, into)?;
        }
        for (&column, into) in self.numbers.iter().zip(&mut columns.numbers) {
            numbers(&block, column, into);
        }
        for (test, into) in self.tests.iter_mut().zip(&mut columns.tests) {
            test.select(&block, into);
        }
        for (mask, into) in self.masks.iter_mut().zip(&mut columns.masks) {
            mask.select(&block, into);
        }
        Ok(Loaded {
            hidden: self.bots.as_mut().and_then(|bots| hidden(bots, &block)),
            columns,
            is_in_order: block.was_in_order() || block.out_of_order().is_none(),
            visitors: block.visitors,
            times: block.ts,
            arrival: block.arrival,
        })
    }
}

/// The rows that are left out of the report as those of bots; `None` where none is.
fn hidden(bots: &mut Program, block: &Block) -> Option<Vec<bool>> {
    let mut hidden = Vec::new();
    bots.select(block, &mut hidden);
    hidden.contains(&true).then_some(hidden)
}

fn numbers(block: &Block, column: usize, into: &mut Vec<f64>) {
    into.clear();
    let nulls = match block.columns.get(column) {
        Some(Values::Int { values, nulls }) => {
            into.extend(values.iter().map(|&value| value as f64));
            nulls.as_ref()
        }
        Some(Values::Float { values, nulls }) => {
            into.extend_from_slice(values);
            nulls.as_ref()
        }
        Some(Values::Unsigned { values }) => {
            into.extend(values.iter().map(|&value| value as f64));
            None
        }
        Some(Values::Text { .. } | Values::Null { .. }) | None => {
            into.resize(block.len(), f64::NAN);
            None
        }
    };
    for (value, is_valid) in into.iter_mut().zip(nulls.into_iter().flat_map(NullBuffer::iter)) {
        *value = if is_valid { *value } else { f64::NAN };
    }
}

/// Turns one field into codes of the task.
#[derive(Clone, Debug)]
struct KeyLoader {
    column: usize,
    key: Key,
    /// The code of the task for each code of the dictionary, [`UNSEEN`] before the first row that has it; and that of null.
    dictionary: Option<(Arc<StringArray>, Vec<u32>)>,
    integers: HashMap<i64, u32>,
}

/// Not a code: nothing is known yet of this text.
const UNSEEN: u32 = u32::MAX;

impl KeyLoader {
    fn new(key: Key, plan: &mut Plan) -> KeyLoader {
        let column = plan.column(&key.field);
        KeyLoader { column, key, dictionary: None, integers: HashMap::new() }
    }

    /// Fills `into` with the code of each row.
    fn codes(
        &mut self,
        block: &Block,
        words: &mut Words,
        into: &mut Vec<u32>,
    ) -> Result<(), Error> {
        into.clear();
        match block.columns.get(self.column) {
            Some(Values::Text { codes, dictionary }) => self.texts(codes, dictionary, words, into),
            Some(Values::Int { values, nulls }) => {
                self.integers(values, nulls.as_ref(), words, into)
            }
            _ => {
                into.resize(block.len(), NULL);
                Ok(())
            }
        }
    }

    fn texts(
        &mut self,
        codes: &[u32],
        dictionary: &Arc<StringArray>,
        words: &mut Words,
        into: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let known = self.dictionary.take().filter(|(known, _)| Arc::ptr_eq(known, dictionary));
        let (_, map) = self.dictionary.insert(known.unwrap_or_else(|| {
            let mut map = vec![UNSEEN; dictionary.len()];
            map.push(NULL);
            (Arc::clone(dictionary), map)
        }));
        // The place after the last text stands for null, whose code is greater than all.
        let null = map.len() - 1;
        let fill = |map: &[u32], into: &mut Vec<u32>| {
            into.clear();
            into.extend(codes.iter().map(|&code| map[(code as usize).min(null)]));
        };
        fill(map, into);
        if !into.contains(&UNSEEN) {
            return Ok(());
        }
        for &code in codes {
            let code = code as usize;
            if code < null && map[code] == UNSEEN {
                map[code] = self.key.code_in(dictionary.value(code), words)?;
            }
        }
        fill(map, into);
        Ok(())
    }

    fn integers(
        &mut self,
        values: &[i64],
        nulls: Option<&NullBuffer>,
        words: &mut Words,
        into: &mut Vec<u32>,
    ) -> Result<(), Error> {
        for (row, value) in values.iter().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                into.push(NULL);
            } else if let Some(&code) = self.integers.get(value) {
                into.push(code);
            } else {
                let code = self.key.code(&value.to_string(), words)?;
                self.integers.insert(*value, code);
                into.push(code);
            }
        }
        Ok(())
    }
}

impl Key {
    /// The code of a value.
    fn code(&self, text: &str, words: &mut Words) -> Result<u32, Error> {
        words.code(self.groups.as_ref().map_or(text, |groups| groups.name(text)))
    }

    /// The code where `text` is that of its column.
    fn code_in(&self, text: &str, words: &mut Words) -> Result<u32, Error> {
        match &self.field {
            Field::Column(_) => self.code(text, words),
            Field::Prop(name) => match find_prop(text, name) {
                None | Some("null") => Ok(NULL),
                Some(json) => self.code(&prop_text(json), words),
            },
        }
    }
}
