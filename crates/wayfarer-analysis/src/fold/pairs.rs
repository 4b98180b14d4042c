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
    #[serde(
        with = "listed",
        bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>")
    )]
    cells: HashMap<(u32, u32), T>,
}

impl<T> Default for Pairs<T> {
    fn default() -> Pairs<T> {
        Pairs { ones: Cells::default(), others: Cells::default(), cells: HashMap::new() }
    }
}

impl<T: Default> Pairs<T> {
    /// The cell of two codes. `names` tell the texts of codes that were not met before.
    pub fn of(
        &mut self,
        codes: (u32, u32),
        names: (impl Fn(u32) -> Option<Text>, impl Fn(u32) -> Option<Text>),
    ) -> &mut T {
        match self.cells.entry(codes) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                self.ones.of(codes.0, names.0);
                self.others.of(codes.1, names.1);
                new.insert(T::default())
            }
        }
    }

    /// What is known of each pair.
    pub fn cells(&self) -> impl Iterator<Item = &T> {
        self.cells.values()
    }

    /// Lets go of all pairs but so many of the greatest, and of those that equal the least of these.
    pub fn keep_greatest<S: Ord>(&mut self, most: usize, size: impl Fn(&T) -> S) {
        let mut sizes: Vec<S> = self.cells.values().map(&size).collect();
        let Some(last) = most.checked_sub(1).filter(|last| *last < sizes.len()) else { return };
        let (_, least, _) = sizes.select_nth_unstable_by(last, |a, b| b.cmp(a));
        self.cells.retain(|_, cell| size(cell) >= *least);
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
        let ones = self.ones.places(&names(other.ones));
        let others = self.others.places(&names(other.others));
        for ((one, another), cell) in other.cells {
            let codes = (ones[one as usize], others[another as usize]);
            both(self.of(codes, (|_| None, |_| None)), cell);
        }
    }
}

impl<T> Pairs<T> {
    /// The same pairs, with something else known of each.
    pub fn map<U>(self, of: impl Fn(T) -> U) -> Pairs<U> {
        let Pairs { ones, others, cells } = self;
        let cells = cells.into_iter().map(|(codes, cell)| (codes, of(cell))).collect();
        Pairs { ones, others, cells }
    }

    /// The pairs by their texts, in an order that is the same in every run.
    pub fn into_named(self) -> Vec<(NamedPair, T)> {
        let (ones, others) = (names(self.ones), names(self.others));
        let name = |names: &[Option<Text>], code: u32| names.get(code as usize).cloned().flatten();
        let mut cells: Vec<_> = self.cells.into_iter().collect();
        cells.sort_unstable_by_key(|(codes, _)| *codes);
        let named = cells
            .into_iter()
            .map(|((one, other), cell)| ((name(&ones, one), name(&others, other)), cell));
        named.collect()
    }
}

fn names(cells: Cells<()>) -> Vec<Option<Text>> {
    cells.into_iter().map(|(name, ())| name).collect()
}

/// Cells as a list, which serialises everywhere.
mod listed {
    use hashbrown::HashMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Cells<T> = HashMap<(u32, u32), T>;

    pub(super) fn serialize<S: Serializer, T: Serialize>(
        cells: &Cells<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(cells)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Cells<T>, D::Error> {
        Ok(Vec::<((u32, u32), T)>::deserialize(deserializer)?.into_iter().collect())
    }
}
