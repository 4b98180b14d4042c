//! Rows as the folds see them: keys, numbers and tests, each a plain vector.

use super::plan::Plan;

/// Some rows, as a walk hands them on: all columns are equally long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) times: &'a [i64],
    pub(super) columns: &'a Columns,
}

/// What a plan asks for of some rows, besides their times. Its vectors are filled again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub(super) keys: Vec<Vec<u32>>,
    /// NaN where the number is null: the lake holds no NaN.
    pub(super) numbers: Vec<Vec<f64>>,
    pub(super) tests: Vec<Vec<bool>>,
    pub(super) masks: Vec<Vec<u64>>,
}

impl Columns {
    /// No rows, with the columns of the plan.
    pub(super) fn new(plan: &Plan) -> Columns {
        Columns {
            keys: vec![Vec::new(); plan.keys.len()],
            numbers: vec![Vec::new(); plan.numbers.len()],
            tests: vec![Vec::new(); plan.tests.len()],
            masks: vec![Vec::new(); plan.masks.len()],
        }
    }

    /// Puts rows in another order: from `start` on comes what is now this far from there.
    pub(super) fn reorder(&mut self, start: usize, order: &(impl Iterator<Item = usize> + Clone)) {
        self.keys.iter_mut().for_each(|column| reorder(column, start, order.clone()));
        self.numbers.iter_mut().for_each(|column| reorder(column, start, order.clone()));
        self.tests.iter_mut().for_each(|column| reorder(column, start, order.clone()));
        self.masks.iter_mut().for_each(|column| reorder(column, start, order.clone()));
    }
}

/// Puts some values of a column in another order.
pub(super) fn reorder<T: Copy>(column: &mut [T], start: usize, order: impl Iterator<Item = usize>) {
    let rows: Vec<T> = order.map(|row| column[start + row]).collect();
    column[start..start + rows.len()].copy_from_slice(&rows);
}
