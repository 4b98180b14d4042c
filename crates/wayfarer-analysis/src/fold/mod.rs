//! The fold engine: a report is a fold over visitors' histories.
//!
//! A [`Fold`] says how an empty state looks (`start`), what one visitor's whole history does to it (`visitor`), how two
//! states become one (`merge`), and what is told in the end (`finish`). [`run`] does the rest: it reads only the columns
//! that the [`Plan`] asks for, decides filters once a text instead of once a row, puts together what lies in several files
//! and in memory, and hands every visitor to the fold exactly once, with its rows in the order (ts, arrival).
//!
//! Since whole visitors are handed over, distinct visitors need no hash set, funnels no grouping, visits no window
//! function. Since states merge, a walk is as parallel as one likes; since they serialise ([`pack`]), it need not stay on
//! one machine.
//!
//! The way of a row: `walk` splits the visitors among threads · `merge` puts the runs of the lake in one order, visitor by
//! visitor · `cursor` holds one run and its current block · `load` turns a block into [`Rows`], by `compile`d filters and
//! interned `words` · [`History`] is what the fold sees · [`Cells`] are states by key.
//!
//! To write a report, start with [`Fold`] and [`History`]; to understand the engine, with `walk`.

mod cells;
mod compile;
mod cursor;
mod groups;
mod history;
mod hooks;
mod load;
mod merge;
mod pairs;
mod plan;
mod rows;
mod source;
mod state;
mod walk;
mod words;

pub use cells::{Cells, Stamp};
pub use groups::Groups;
pub use history::{History, Visit};
pub use hooks::Hooks;
pub use pairs::{NamedPair, Pairs};
pub use plan::{KeySlot, MaskSlot, NumberSlot, Plan, TestSlot};
pub use source::{Blocks, InPassing, Source};
pub use state::{pack, unpack};
pub use walk::{Walk, run};
pub use words::{NULL, Words};

use rows::Rows;
use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// A computation over visitors' histories, one visitor at a time.
///
/// # Contract
/// The order in which visitors come is not fixed, nor how they are spread over states: for every way of splitting the
/// visitors into two states and merging them, `finish` must tell the same.
pub trait Fold: Sync {
    /// What is known after some visitors. Small where it can be: it grows with the answer, not with the events.
    type State: Send + Serialize + DeserializeOwned;
    /// What is told in the end.
    type Output;
    /// Changes whenever the meaning or the form of `State` does, so that no state is merged with one of another kind.
    const VERSION: u32;

    /// The state before the first visitor.
    fn start(&self) -> Self::State;

    /// Takes one visitor's whole history. Comes once for each visitor.
    ///
    /// # Errors
    /// When the state would grow beyond its bounds.
    fn visitor(&self, state: &mut Self::State, history: &History<'_>) -> Result<(), Error>;

    /// Takes what another state knows of other visitors.
    fn merge(&self, state: &mut Self::State, other: Self::State);

    /// Whether a state keeps within its bounds. Asked after each visitor, and after each merge: two states that do
    /// may not do so together.
    ///
    /// # Errors
    /// When the state has grown beyond its bounds.
    fn check(&self, _state: &Self::State) -> Result<(), Error> {
        Ok(())
    }

    /// Tells the answer.
    fn finish(&self, state: Self::State) -> Self::Output;
}

/// Two folds in one walk. Both must have been planned in the walk's one [`Plan`].
impl<A: Fold, B: Fold> Fold for (A, B) {
    type State = (A::State, B::State);
    type Output = (A::Output, B::Output);
    const VERSION: u32 = A::VERSION.wrapping_mul(0x0001_0001).wrapping_add(B::VERSION);

    fn start(&self) -> Self::State {
        (self.0.start(), self.1.start())
    }

    fn visitor(&self, state: &mut Self::State, history: &History<'_>) -> Result<(), Error> {
        self.0.visitor(&mut state.0, history)?;
        self.1.visitor(&mut state.1, history)
    }

    fn merge(&self, state: &mut Self::State, other: Self::State) {
        self.0.merge(&mut state.0, other.0);
        self.1.merge(&mut state.1, other.1);
    }

    fn check(&self, state: &Self::State) -> Result<(), Error> {
        self.0.check(&state.0)?;
        self.1.check(&state.1)
    }

    fn finish(&self, state: Self::State) -> Self::Output {
        (self.0.finish(state.0), self.1.finish(state.1))
    }
}
