//! States by two keys.

use hashbrown::{HashMap, hash_map::Entry};
use serde::{Deserialize, Serialize};
use wayfarer_event::Text;

use super::Cells;

/// Two keys by their texts; `None` where one is not known.
pub type NamedPair = (Option<Text>, Option<Text>);

/// One cell for each pair of keys that was met. Like [`Cells`], it is found by codes while visitors are folded, and by
/// texts when states merge.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pairs<T> {
    ones: Cells<()>,
    others: Cells<()>,
    cells: Vec<((u32, u32), T)>,
    #[serde(skip)]
    places: HashMap<(u32, u32), usize>,
}

impl<T> Default for Pairs<T> {
    fn default() -> Pairs<T> {
        Pairs {
            ones: Cells::default(),
            others: Cells::default(),
            cells: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T: Default> Pairs<T> {
    /// The cell of two codes. `names` tell the texts of codes that were not met before.
    pub fn of(
        &mut self,
        codes: (u32, u32),
        names: (impl Fn(u32) -> Option<Text>, impl Fn(u32) -> Option<Text>),
    ) -> &mut T {
        let place = match self.places.entry(codes) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.ones.of(codes.0, names.0);
                self.others.of(codes.1, names.1);
                self.cells.push((codes, T::default()));
                *new.insert(self.cells.len() - 1)
            }
        };
        &mut self.cells[place].1
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Takes the cells of another state: those of equal texts become one.
    pub fn merge(&mut self, other: Pairs<T>, mut both: impl FnMut(&mut T, T)) {
        // A state that came as bytes has no places.
        if self.places.len() < self.cells.len() {
            let codes = self.cells.iter().map(|(codes, _)| *codes);
            self.places = codes.zip(0..).collect();
        }
        let ones = self.ones.places(&names(other.ones));
        let others = self.others.places(&names(other.others));
        for ((one, another), cell) in other.cells {
            let codes = (ones[one as usize], others[another as usize]);
            both(self.of(codes, (|_| None, |_| None)), cell);
        }
    }
}

impl<T> Pairs<T> {
    /// The pairs by their texts.
    pub fn into_named(self) -> Vec<(NamedPair, T)> {
        let (ones, others) = (names(self.ones), names(self.others));
        let name = |names: &[Option<Text>], code: u32| names.get(code as usize).cloned().flatten();
        let named = self
            .cells
            .into_iter()
            .map(|((one, other), cell)| ((name(&ones, one), name(&others, other)), cell));
        named.collect()
    }
}

fn names(cells: Cells<()>) -> Vec<Option<Text>> {
    cells.into_iter().map(|(name, ())| name).collect()
}
