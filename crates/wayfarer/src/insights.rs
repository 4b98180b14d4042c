//! `session.insights()`: what the models say of the visitor, asked in a handler.

use std::sync::Arc;

use async_trait::async_trait;
use wayfarer_event::{InsightError, InsightSource, Insights, Who};
use wayfarer_session::Session;

/// Asks what is known of the visitor whose session this is.
#[async_trait]
pub trait SessionInsights {
    /// What the models say of this session's visitor, from the source that the tracking layer was given.
    ///
    /// A visitor without a subject, who has no session yet, gets an answer that rests on nothing. Never calls the
    /// session store.
    ///
    /// # Errors
    /// When no source is set up, or it cannot answer.
    async fn insights(&self) -> Result<Insights, InsightError>;
}

#[async_trait]
impl SessionInsights for Session {
    async fn insights(&self) -> Result<Insights, InsightError> {
        let source =
            self.extension::<Arc<dyn InsightSource>>().ok_or(InsightError::NotConfigured)?;
        match self.subject() {
            Some(subject) => source.insights(&Who::Session(subject.to_string())).await,
            None => Ok(Insights::default()),
        }
    }
}
