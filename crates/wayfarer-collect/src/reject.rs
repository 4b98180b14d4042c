//! Why an event was refused: one sentence for its sender.

use wayfarer_event::Invalid;

/// Why one event was refused. Its `Display` is one sentence for the sender, without a full stop.
///
/// [`Reject::Malformed`] may quote what was sent: a reason is for the sender, not for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// The text is no event: not JSON, a wrong type, an unknown field.
    #[error("{0}")]
    Malformed(String),
    /// A field breaks a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// This kind of sender may not say this field.
    #[error("`{0}` may not be set with a browser token")]
    Forbidden(&'static str),
    /// The event names another site than the one that the sender speaks for.
    #[error("`site` is not the site that this sender speaks for")]
    OtherSite,
    /// Nothing says whose event it is.
    #[error("nothing says whose event it is: set `session`, `visitor`, `user` or `client.ip`")]
    Nobody,
    /// The salt that the visitor is hashed with could not be had; the event may be sent again.
    #[error("the visitor could not be hashed: {0}")]
    Salt(String),
}
