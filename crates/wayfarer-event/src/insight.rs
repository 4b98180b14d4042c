//! What flows back: the answer to "what do the models say of this visitor, now?"

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Answers what is known of a visitor of one site, in milliseconds, inside a request.
#[async_trait]
pub trait InsightSource: Send + Sync + 'static {
    /// What the models say of `who`. A visitor never seen is no error: the answer then rests on everybody.
    ///
    /// # Errors
    /// When the source cannot be reached or refuses the caller.
    async fn insights(&self, who: &Who) -> Result<Insights, InsightError>;
}

/// Of whom insights are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The subject of a session.
    Session(String),
    /// An id that the site gave to the browser.
    Visitor(String),
}

/// What the models say of one visitor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Insights {
    /// Paths of this visit's page views, oldest first; the last 20 at the most.
    pub pages: Vec<String>,
    /// Pages likely to come next, likeliest first. Empty when [`rests_on`](Insights::rests_on) is [`Rests::TooFew`].
    pub next_pages: Vec<NextPage>,
    /// What [`next_pages`](Insights::next_pages) rests on.
    pub rests_on: Rests,
    /// How many visits that is.
    pub visits: u64,
}

/// A page that may come next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextPage {
    /// Its path.
    pub path: String,
    /// The share of the visits rested on that went there, 0-1.
    pub share: f64,
    /// How many visits that is.
    pub visits: u64,
}

/// What an answer rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rests {
    /// Visits that were on the page where this visitor is.
    Transitions,
    /// All visits: too few were on that page.
    Popularity,
    /// Too few visits altogether to say anything.
    #[default]
    TooFew,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InsightError {
    /// No source is set up for this application.
    #[error("no source of insights is set up: add a TrackingLayer that has one")]
    NotConfigured,
    /// The source cannot be reached.
    #[error("the source of insights is not available: {0}")]
    Unavailable(String),
    /// The source refuses the caller.
    #[error("the source of insights refuses the caller: {0}")]
    Refused(String),
}
