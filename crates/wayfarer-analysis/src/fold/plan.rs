//! What a walk must read: the columns, keys, numbers and tests that its folds ask for.

use wayfarer_event::Column;

use super::Groups;
use crate::{
    VisitRule,
    filter::{Expr, Field},
};

/// A field that a fold groups by: [`History::key`](super::History::key) gives its codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySlot(pub(super) usize);

/// A number that a fold reads: [`History::number`](super::History::number) gives its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberSlot(pub(super) usize);

/// A condition that a fold asks of each row: [`History::test`](super::History::test) tells whether it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestSlot(pub(super) usize);

/// Up to 64 conditions as the bits of one number a row: [`History::mask`](super::History::mask) gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskSlot(pub(super) usize);

/// What a key is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) field: Field,
    pub(super) groups: Option<Groups>,
}

/// What the folds of one walk need to see. Nothing else is decoded.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) columns: Vec<Column>,
    pub(super) keys: Vec<Key>,
    pub(super) numbers: Vec<Column>,
    pub(super) tests: Vec<Expr>,
    pub(super) masks: Vec<Vec<Expr>>,
    pub(super) visits: Option<VisitRule>,
    pub(super) ever: bool,
    pub(super) after: i64,
}

impl Plan {
    /// Asks for a field as a key: each text gets a small number.
    pub fn key(&mut self, field: &Field) -> KeySlot {
        self.grouped(field, None)
    }

    /// Asks for a field as a key in which texts that fall under one rule are one.
    pub fn grouped(&mut self, field: &Field, groups: Option<&Groups>) -> KeySlot {
        self.column(field);
        let key = Key { field: field.clone(), groups: groups.cloned() };
        KeySlot(place(&mut self.keys, &key))
    }

    /// Asks for a column of numbers.
    pub fn number(&mut self, column: Column) -> NumberSlot {
        self.column(&Field::Column(column));
        NumberSlot(place(&mut self.numbers, &column))
    }

    /// Asks whether a filter selects a row.
    pub fn test(&mut self, expr: &Expr) -> TestSlot {
        for field in expr.fields() {
            self.column(field);
        }
        TestSlot(place(&mut self.tests, expr))
    }

    /// Asks which of these filters select a row: the first as the lowest bit. Filters after the 64th are not asked.
    pub fn mask(&mut self, exprs: &[Expr]) -> MaskSlot {
        let exprs = &exprs[..exprs.len().min(u64::BITS as usize)];
        for field in exprs.iter().flat_map(Expr::fields) {
            self.column(field);
        }
        self.masks.push(exprs.to_vec());
        MaskSlot(self.masks.len() - 1)
    }

    /// Asks for what a visitor does up to so many microseconds after the period, too.
    pub fn after(&mut self, micros: i64) {
        self.after = self.after.max(micros);
    }

    /// Asks for whole visits: those that start in the period are seen to their end, and those that run into it from
    /// their start.
    pub fn visits(&mut self, rule: VisitRule) {
        self.visits = Some(rule);
    }

    /// Asks for all that a visitor did before the period, too.
    pub fn ever(&mut self) {
        self.ever = true;
    }

    pub(super) fn column(&mut self, field: &Field) -> usize {
        place(&mut self.columns, &column_of(field))
    }
}

/// The column in which a field is kept.
pub(super) fn column_of(field: &Field) -> Column {
    match field {
        Field::Column(column) => *column,
        Field::Prop(_) => Column::Props,
    }
}

/// The place of `wanted`, which is put at the end if it is not there.
fn place<T: PartialEq + Clone>(items: &mut Vec<T>, wanted: &T) -> usize {
    items.iter().position(|item| item == wanted).unwrap_or_else(|| {
        items.push(wanted.clone());
        items.len() - 1
    })
}
