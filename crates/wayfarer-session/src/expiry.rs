//! When a session runs out.

use jiff::Timestamp;

/// When a session runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// As the application is set up.
    #[default]
    Default,
    /// So many seconds after it was last saved.
    Seconds(i64),
    /// At this instant.
    At(Timestamp),
    /// When the browser is closed. The server forgets it as by default.
    BrowserClose,
}
