//! Rows as the folds see them: times, keys, numbers and tests, each a plain vector.

use super::plan::Plan;

/// Some rows as columns; all columns are equally long.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) times: Vec<i64>,
    pub(super) keys: Vec<Vec<u32>>,
    /// NaN where the number is null: the lake holds no NaN.
    pub(super) numbers: Vec<Vec<f64>>,
    pub(super) tests: Vec<Vec<bool>>,
    pub(super) masks: Vec<Vec<u64>>,
}

impl Rows {
    /// No rows, with the columns of the plan.
    pub(super) fn new(plan: &Plan) -> Rows {
        Rows {
            times: Vec::new(),
            keys: vec![Vec::new(); plan.keys.len()],
            numbers: vec![Vec::new(); plan.numbers.len()],
            tests: vec![Vec::new(); plan.tests.len()],
            masks: vec![Vec::new(); plan.masks.len()],
        }
    }

    /// Puts rows in another order: from `start` on comes what is now this far from there.
    pub(super) fn reorder(&mut self, start: usize, order: &(impl Iterator<Item = usize> + Clone)) {
        reorder(&mut self.times, start, order.clone());
        self.keys.iter_mut().for_each(|column| reorder(column, start, order.clone()));
        self.numbers.iter_mut().for_each(|column| reorder(column, start, order.clone()));
        self.tests.iter_mut().for_each(|column| reorder(column, start, order.clone()));
        self.masks.iter_mut().for_each(|column| reorder(column, start, order.clone()));
    }
}

fn reorder<T: Copy>(column: &mut [T], start: usize, order: impl Iterator<Item = usize>) {
    let rows: Vec<T> = order.map(|row| column[start + row]).collect();
    column[start..start + rows.len()].copy_from_slice(&rows);
}
