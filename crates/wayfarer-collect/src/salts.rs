//! The secrets under which visitors are hashed. Who keeps them decides how; this crate only asks.

use jiff::civil::Date;

/// Gives the secrets under which visitors are hashed.
///
/// # Contract
/// - [`identity`](Salts::identity) never changes for the life of a data folder: visitors known by a subject or a
///   first-party id, and the ids of imported lines, depend on it.
/// - [`daily`](Salts::daily) answers the same for the same day as long as that day is in use, and is thrown away for good
///   48 h after its last use. From then on nobody can tell which address a daily visitor had.
pub trait Salts: Send + Sync {
    /// The lasting salt.
    fn identity(&self) -> [u8; 32];

    /// The salt of one day of a site's calendar; a new one where there is none. May block for a moment.
    ///
    /// # Errors
    /// When the salt cannot be read or kept.
    fn daily(&self, day: Date) -> Result<[u8; 32], SaltError>;
}

/// A salt could not be read or kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the salt of {day} is not available: {problem}")]
pub struct SaltError {
    /// The day whose salt was asked for.
    pub day: Date,
    /// What went wrong, in words that hold no secret.
    pub problem: String,
}
