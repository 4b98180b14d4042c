//! Texts as small numbers, the same for all blocks of a task.

use hashbrown::HashMap;
use wayfarer_event::Text;

use crate::Error;

/// The code of "not known", in every [`Words`].
pub const NULL: u32 = 0;

/// How many texts one key may have.
const LIMIT: usize = 4_000_000;

/// The texts of one key, each with its code, in the order in which they were first seen.
#[derive(Clone, Debug)]
pub struct Words {
    texts: Vec<Text>,
    codes: HashMap<Text, u32>,
}

/// No text, and the code of "not known".
impl Default for Words {
    fn default() -> Words {
        Words { texts: vec![Text::const_new("")], codes: HashMap::new() }
    }
}

impl Words {
    /// How many codes there are; at least one, that of "not known".
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the code of null is always there")]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The text of a code; `None` for [`NULL`] and for a code that was never given.
    #[must_use]
    pub fn get(&self, code: u32) -> Option<&Text> {
        if code == NULL { None } else { self.texts.get(code as usize) }
    }

    /// The code of a text, a new one if it was never seen.
    pub(super) fn code(&mut self, text: &str) -> Result<u32, Error> {
        if let Some(&code) = self.codes.get(text) {
            return Ok(code);
        }
        if self.texts.len() > LIMIT {
            return Err(Error::TooMany { what: "different values of a dimension", limit: LIMIT });
        }
        let code = self.texts.len() as u32;
        self.texts.push(text.into());
        self.codes.insert(text.into(), code);
        Ok(code)
    }
}
