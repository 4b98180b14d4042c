//! Rows as the folds see them: times, keys, numbers and tests, each a plain vector.

use std::ops::Range;

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

    pub(super) fn clear(&mut self) {
        self.times.clear();
        self.keys.iter_mut().for_each(Vec::clear);
        self.numbers.iter_mut().for_each(Vec::clear);
        self.tests.iter_mut().for_each(Vec::clear);
        self.masks.iter_mut().for_each(Vec::clear);
    }

    /// Adds some rows of another.
    pub(super) fn extend(&mut self, other: &Rows, range: &Range<usize>) {
        self.times.extend_from_slice(&other.times[range.clone()]);
        extend_each(&mut self.keys, &other.keys, range);
        extend_each(&mut self.numbers, &other.numbers, range);
        extend_each(&mut self.tests, &other.tests, range);
        extend_each(&mut self.masks, &other.masks, range);
    }

    /// Becomes the rows of another, in another order.
    pub(super) fn reorder(&mut self, other: &Rows, order: &[usize]) {
        self.clear();
        self.times.extend(order.iter().map(|&row| other.times[row]));
        reorder_each(&mut self.keys, &other.keys, order);
        reorder_each(&mut self.numbers, &other.numbers, order);
        reorder_each(&mut self.tests, &other.tests, order);
        reorder_each(&mut self.masks, &other.masks, order);
    }
}

fn extend_each<T: Copy>(columns: &mut [Vec<T>], others: &[Vec<T>], range: &Range<usize>) {
    for (column, other) in columns.iter_mut().zip(others) {
        column.extend_from_slice(&other[range.clone()]);
    }
}

fn reorder_each<T: Copy>(columns: &mut [Vec<T>], others: &[Vec<T>], order: &[usize]) {
    for (column, other) in columns.iter_mut().zip(others) {
        column.extend(order.iter().map(|&row| other[row]));
    }
}
