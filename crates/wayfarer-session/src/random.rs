//! Randomness as a parameter: session keys and subjects are drawn from a [`Random`].

use std::fmt::Debug;

use crate::error::{Error, ErrorKind};

/// A source of random bytes, fit for secrets.
pub trait Random: Debug + Send + Sync + 'static {
    /// Fills `bytes` with random ones.
    ///
    /// # Errors
    /// When the source has none to give. Nothing may then be made from `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error>;
}

/// The random source of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(bytes).map_err(|error| {
            Error::new(ErrorKind::Random, "draw random bytes from the operating system")
                .because(std::io::Error::other(error.to_string()))
        })
    }
}

/// Draws `N` random bytes.
pub(crate) fn draw<const N: usize>(random: &dyn Random) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}
