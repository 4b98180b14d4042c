//! Turns a block of the lake into `Rows`: filters decided, texts as codes of the task, numbers as plain vectors.

use std::sync::Arc;

use arrow_array::{Array, StringArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use hashbrown::HashMap;
use wayfarer_event::Column;
use wayfarer_lake::{Arrival, Block, Values, Visitors};

use super::{
    compile::{Mask, Program},
    plan::{Key, Plan},
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
    pub(super) keys: Vec<Vec<u32>>,
    pub(super) numbers: Vec<Vec<f64>>,
    pub(super) tests: Vec<Vec<bool>>,
    pub(super) masks: Vec<Vec<u64>>,
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

    /// Loads a block.
    pub(super) fn load(&mut self, block: Block, words: &mut [Words]) -> Result<Loaded, Error> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for (key, words) in self.keys.iter_mut().zip(words) {
            keys.push(key.codes(&block, words)?);
        }
        let hidden = self.bots.as_mut().map(|bots| bots.select(&block));
        Ok(Loaded {
            hidden: hidden.filter(|hidden| hidden.contains(&true)),
            keys,
            numbers: self.numbers.iter().map(|&column| numbers(&block, column)).collect(),
            tests: self.tests.iter_mut().map(|test| test.select(&block)).collect(),
            masks: self.masks.iter_mut().map(|mask| mask.select(&block)).collect(),
            is_in_order: block.out_of_order().is_none(),
            visitors: block.visitors,
            times: block.ts,
            arrival: block.arrival,
        })
    }
}

fn numbers(block: &Block, column: usize) -> Vec<f64> {
    match block.columns.get(column) {
        Some(Values::Int { values, nulls }) => {
            with_nulls(values.iter().map(|&value| value as f64).collect(), nulls.as_ref())
        }
        Some(Values::Float { values, nulls }) => with_nulls(values.to_vec(), nulls.as_ref()),
        Some(Values::Unsigned { values }) => values.iter().map(|&value| value as f64).collect(),
        Some(Values::Text { .. } | Values::Null { .. }) | None => vec![f64::NAN; block.len()],
    }
}

fn with_nulls(mut values: Vec<f64>, nulls: Option<&NullBuffer>) -> Vec<f64> {
    if let Some(nulls) = nulls {
        for (value, is_valid) in values.iter_mut().zip(nulls.iter()) {
            *value = if is_valid { *value } else { f64::NAN };
        }
    }
    values
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

    fn codes(&mut self, block: &Block, words: &mut Words) -> Result<Vec<u32>, Error> {
        match block.columns.get(self.column) {
            Some(Values::Text { codes, dictionary }) => self.texts(codes, dictionary, words),
            Some(Values::Int { values, nulls }) => self.integers(values, nulls.as_ref(), words),
            _ => Ok(vec![NULL; block.len()]),
        }
    }

    fn texts(
        &mut self,
        codes: &[u32],
        dictionary: &Arc<StringArray>,
        words: &mut Words,
    ) -> Result<Vec<u32>, Error> {
        let known = self.dictionary.take().filter(|(known, _)| Arc::ptr_eq(known, dictionary));
        let (_, map) = self.dictionary.insert(known.unwrap_or_else(|| {
            let mut map = vec![UNSEEN; dictionary.len()];
            map.push(NULL);
            (Arc::clone(dictionary), map)
        }));
        // The place after the last text stands for null, whose code is greater than all.
        let null = map.len() - 1;
        let mapped = |map: &[u32]| -> Vec<u32> {
            codes.iter().map(|&code| map[(code as usize).min(null)]).collect()
        };
        let result = mapped(map);
        if !result.contains(&UNSEEN) {
            return Ok(result);
        }
        for &code in codes {
            let code = code as usize;
            if code < null && map[code] == UNSEEN {
                map[code] = self.key.code_in(dictionary.value(code), words)?;
            }
        }
        Ok(mapped(map))
    }

    fn integers(
        &mut self,
        values: &[i64],
        nulls: Option<&NullBuffer>,
        words: &mut Words,
    ) -> Result<Vec<u32>, Error> {
        let mut result = Vec::with_capacity(values.len());
        for (row, value) in values.iter().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                result.push(NULL);
            } else if let Some(&code) = self.integers.get(value) {
                result.push(code);
            } else {
                let code = self.key.code(&value.to_string(), words)?;
                self.integers.insert(*value, code);
                result.push(code);
            }
        }
        Ok(result)
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
