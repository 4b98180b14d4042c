//! States by key: one cell for each text of a dimension.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use wayfarer_event::Text;

/// One cell for each key that was met. While visitors are folded, a cell is found by the code of its key; when states
/// merge, by its text, since each task gives its own codes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cells<T> {
    cells: Vec<(Option<Text>, T)>,
}

impl<T> Default for Cells<T> {
    fn default() -> Cells<T> {
        Cells { cells: Vec::new() }
    }
}

impl<T: Default> Cells<T> {
    /// The cell of a code. `name` tells the text of a code that was not met before.
    pub fn of(&mut self, code: u32, name: impl Fn(u32) -> Option<Text>) -> &mut T {
        let place = code as usize;
        if place >= self.cells.len() {
            self.grow(place, name);
        }
        &mut self.cells[place].1
    }

    #[cold]
    fn grow(&mut self, place: usize, name: impl Fn(u32) -> Option<Text>) {
        let new = self.cells.len()..=place;
        self.cells.extend(new.map(|code| (name(code as u32), T::default())));
    }

    /// Every cell.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.cells.iter().map(|(_, cell)| cell)
    }

    /// Takes the cells of another state: those of equal text become one.
    pub fn merge(&mut self, other: Cells<T>, mut both: impl FnMut(&mut T, T)) {
        let keys = self.cells.iter().enumerate();
        let places: HashMap<Option<Text>, usize> =
            keys.map(|(place, (key, _))| (key.clone(), place)).collect();
        for (key, cell) in other.cells {
            match places.get(&key) {
                Some(&place) => both(&mut self.cells[place].1, cell),
                None => self.cells.push((key, cell)),
            }
        }
    }
}

impl Cells<()> {
    /// The places of these texts, which are put at the end if they are not there.
    pub fn places(&mut self, texts: &[Option<Text>]) -> Vec<u32> {
        let keys = self.cells.iter().zip(0..);
        let mut places: HashMap<Option<Text>, u32> =
            keys.map(|((key, ()), place)| (key.clone(), place)).collect();
        let place = |text: &Option<Text>| {
            *places.entry(text.clone()).or_insert_with(|| {
                self.cells.push((text.clone(), ()));
                self.cells.len() as u32 - 1
            })
        };
        texts.iter().map(place).collect()
    }
}

impl<T> IntoIterator for Cells<T> {
    type Item = (Option<Text>, T);
    type IntoIter = std::vec::IntoIter<(Option<Text>, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.cells.into_iter()
    }
}

/// Remembers the last thing that a cell was counted for, so that one visitor or visit is counted once: what a hash set
/// would do, in four bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp(u32);

impl Stamp {
    /// Whether this is the first time that the cell sees `turn`. Turns start at 1; all sights of one turn come before
    /// those of the next.
    pub fn first(&mut self, turn: u32) -> bool {
        std::mem::replace(&mut self.0, turn) != turn
    }
}
