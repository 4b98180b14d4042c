//! Paths as small numbers.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use wayfarer_event::Text;

/// How many paths one model knows. Further ones teach nothing until the model is trained anew.
const LIMIT: usize = 100_000;

/// The paths of a model, each with its code.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Text>", into = "Vec<Text>")]
pub(crate) struct Paths {
    texts: Vec<Text>,
    codes: HashMap<Text, u32>,
}

impl Paths {
    /// The code of a path; `None` where there are too many.
    pub(crate) fn code(&mut self, path: &str) -> Option<u32> {
        if let Some(&code) = self.codes.get(path) {
            return Some(code);
        }
        if self.texts.len() == LIMIT {
            return None;
        }
        let code = self.texts.len() as u32;
        self.texts.push(path.into());
        self.codes.insert(path.into(), code);
        Some(code)
    }

    /// The path of a code.
    pub(crate) fn text(&self, code: u32) -> &str {
        self.texts.get(code as usize).map_or("", Text::as_str)
    }

    /// What each code of another model is called here.
    pub(crate) fn translate(&mut self, other: &Paths) -> Vec<Option<u32>> {
        other.texts.iter().map(|path| self.code(path)).collect()
    }
}

impl From<Vec<Text>> for Paths {
    fn from(texts: Vec<Text>) -> Paths {
        let codes = texts.iter().cloned().zip(0..).collect();
        Paths { texts, codes }
    }
}

impl From<Paths> for Vec<Text> {
    fn from(paths: Paths) -> Vec<Text> {
        paths.texts
    }
}
