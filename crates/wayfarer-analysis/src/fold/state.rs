//! Partial states as bytes, so that a walk can be shared among machines: one byte of format, the version of the fold, then
//! the state in postcard.

use super::Fold;
use crate::Error;

/// The form of what [`pack`] writes.
const FORMAT: u8 = 1;

/// A state as bytes.
///
/// # Errors
/// When the state cannot be written.
pub fn pack<F: Fold>(state: &F::State) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(&(FORMAT, F::VERSION, state)).map_err(Error::State)
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// When it is damaged, or was written by another version.
pub fn unpack<F: Fold>(bytes: &[u8]) -> Result<F::State, Error> {
    let (header, rest) = postcard::take_from_bytes::<(u8, u32)>(bytes).map_err(Error::State)?;
    if header != (FORMAT, F::VERSION) {
        return Err(Error::StateVersion { found: header.1, expected: F::VERSION });
    }
    postcard::from_bytes(rest).map_err(Error::State)
}
