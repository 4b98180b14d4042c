//! Why a query has no answer.

use std::time::Duration;

use datafusion::error::DataFusionError;

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query is no SQL, asks for what is not there, or would change something.
    #[error("the query cannot be answered: {}", told(.0))]
    Query(DataFusionError),
    /// The query needs more memory than it may have, and cannot do with the disk instead.
    #[error(
        "the query needs more memory than {limit} bytes: ask for fewer columns, a shorter time, or allow more"
    )]
    Memory {
        /// How much it may have.
        limit: usize,
        /// What did not fit.
        #[source]
        source: DataFusionError,
    },
    /// The query took too long.
    #[error("the query takes longer than {} s: ask for a shorter time, or allow more", .limit.as_secs_f64())]
    Time {
        /// How long it may take.
        limit: Duration,
    },
    /// The answer has too many rows.
    #[error("the answer has more than {limit} rows: add LIMIT, or allow more")]
    Rows {
        /// How many it may have.
        limit: usize,
    },
    /// The events could not be read.
    #[error("the events cannot be read: {}", told(.0))]
    Read(DataFusionError),
}

/// What DataFusion says, on one line.
fn told(error: &DataFusionError) -> String {
    error.strip_backtrace().replace('\n', " ")
}

impl Error {
    /// Whether the query itself is at fault.
    #[must_use]
    pub fn is_query(&self) -> bool {
        !matches!(self, Error::Read(_))
    }
}
