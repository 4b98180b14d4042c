//! One server of a kind for a whole test program.

use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::Result;

/// Starts what it holds once. The value lives as long as the program, and what it started ends with the program.
pub(crate) struct Shared<T> {
    value: OnceLock<T>,
    starting: Mutex<()>,
}

impl<T> Shared<T> {
    pub(crate) const fn new() -> Shared<T> {
        Shared { value: OnceLock::new(), starting: Mutex::new(()) }
    }

    /// The value. A failed start is tried again by the next who asks, and fails that test too.
    pub(crate) fn get(&'static self, start: impl FnOnce() -> Result<T>) -> Result<&'static T> {
        let _one = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        match self.value.get() {
            Some(value) => Ok(value),
            None => start().map(|value| self.value.get_or_init(|| value)),
        }
    }
}
