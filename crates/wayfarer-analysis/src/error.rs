//! Why there is no answer.

use crate::filter::FilterError;

/// Why a report was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no report of this name.
    #[error("there is no report `{name}`{}", suggestion(.nearest.as_deref()))]
    UnknownReport {
        /// What was asked for.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// A parameter of the request cannot be used.
    #[error("`{parameter}` {problem}")]
    Parameter {
        /// The parameter, as it is called in [`Request`](crate::Request).
        parameter: &'static str,
        /// What is wrong with it, so that `parameter` + `problem` reads as a sentence.
        problem: String,
    },
    /// A filter cannot be read.
    #[error("cannot read the filter in `{parameter}`")]
    Filter {
        /// The parameter that holds the filter.
        parameter: &'static str,
        /// What is wrong with it, and where.
        #[source]
        source: FilterError,
    },
    /// The lake could not be read.
    #[error("cannot read the events of site `{site}`")]
    Lake {
        /// The site that was asked for.
        site: String,
        /// What the lake says.
        #[source]
        source: wayfarer_lake::Error,
    },
    /// The lake gave rows out of the order (visitor, ts, seq, writer), so that no answer over them could be trusted.
    #[error("rows of the lake are out of order at visitor {visitor:016x}: run `wayfarer check`")]
    OutOfOrder {
        /// The visitor where it was seen.
        visitor: u64,
    },
    /// A partial state was made by another version of the report.
    #[error("a partial state of version {found} cannot be merged by version {expected}")]
    StateVersion {
        /// The version of the state.
        found: u32,
        /// The version that this build reads.
        expected: u32,
    },
    /// A partial state cannot be read.
    #[error("a partial state cannot be read")]
    State(#[source] postcard::Error),
    /// The answer would not fit into memory.
    #[error("more than {limit} {what}: choose a shorter period, a filter or another dimension")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// The caller gave up.
    #[error("the report was cancelled")]
    Cancelled,
}

impl Error {
    /// Whether the request is at fault, and the same request would fail again: HTTP 400, exit status 2.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self, Error::UnknownReport { .. } | Error::Parameter { .. } | Error::Filter { .. })
    }

    pub(crate) fn parameter(parameter: &'static str, problem: impl Into<String>) -> Error {
        Error::Parameter { parameter, problem: problem.into() }
    }
}

/// `, did you mean …?`, or nothing.
pub(crate) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(", did you mean `{nearest}`?"))
}

/// The candidate nearest to `name`, if it is near enough to have been meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, taken out, changed or swapped with their neighbour to make one text of the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last = vec![usize::MAX; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (i, a) in one.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in other.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if j > 0 && previous == Some(b) && a == other[j - 1] {
                least = least.min(before_last[j - 1].saturating_add(1));
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
        previous = Some(a);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_could_have_been_meant() {
        let names = ["path", "name", "status", "country"];
        assert_eq!(nearest("paht", names), Some("path"));
        assert_eq!(nearest("contry", names), Some("country"));
        assert_eq!(nearest("nme", names), Some("name"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
        assert_eq!(edits("abc", "acb"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
