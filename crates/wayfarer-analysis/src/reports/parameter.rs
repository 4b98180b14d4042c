//! The table of what a report may read of a request.

use crate::Error;

macro_rules! parameters {
    ($($variant:ident $name:literal $value:literal $doc:literal;)*) => {
        /// A field of a [`Request`](crate::Request) that a report may read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "`doc` says it, and feeds help and documentation")]
        pub enum Parameter {
            $($variant,)*
        }

        impl Parameter {
            /// Every parameter.
            pub const ALL: &[Parameter] = &[$(Parameter::$variant),*];

            /// Its name in the request and, after `--` and with hyphens, on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Parameter::$variant => $name),* }
            }

            /// What stands for its value in help: `EXPR`, `DIM`; empty for a switch.
            #[must_use]
            pub fn value(self) -> &'static str {
                match self { $(Parameter::$variant => $value),* }
            }

            /// What it does, in a sentence without its full stop.
            #[must_use]
            pub fn doc(self) -> &'static str {
                match self { $(Parameter::$variant => $doc),* }
            }
        }
    };
}

parameters! {
    From "from" "D" "First day, month or year, or the last so many days (7d); everything there is by default";
    To "to" "D" "Last day, month or year, included; up to now by default";
    Filter "filter" "EXPR" "Which events count, such as name = 'purchase' and value > 10";
    Bots "bots" "" "Count bots too";
    Did "did" "EXPR" "Only visitors with such an event; given once for each event that they must have";
    DidNot "did_not" "EXPR" "Only visitors without such an event; given once for each event that they must not have";
    Within "within" "TIME" "How long before the end of the period `did` and `did-not` look back, such as 30d; the period itself by default";
    Segment "segment" "NAME" "Only what a saved segment chooses; given once for each segment";
    By "by" "DIM" "The dimension to break down by";
    Group "group" "RULE" "Count under one key what fits a rule such as /product/* (** also crosses slashes), or under a name: Products=/product/*; given once for each rule";
    Metrics "metrics" "LIST" "The metrics to give, with commas between";
    Interval "interval" "UNIT" "minute, hour, day, week, month, quarter or year";
    Unit "unit" "UNIT" "visitor or user";
    Limit "limit" "N" "The most rows to give";
    Order "order" "FIELD" "The field to order by, largest first; -FIELD for smallest first. Of a funnel: sequential, strict, any";
    Compare "compare" "previous" "Beside each number that of the period of equal length before";
    Visitor "visitor" "V" "One visitor, by sixteen hexadecimal digits";
    User "user" "U" "One account";
    Steps "steps" "EXPR" "A step of the funnel; given once for each step";
    Window "window" "TIME" "How long it may take, such as 1d; 2h/step for each step on its own";
    Exclude "exclude" "EXPR" "Who does this on the way is left out";
    Entry "entry" "WHERE" "Where people may enter: closed, at the first step; open, at any";
    Key "key" "KEY" "Which bar of a funnel that is broken down: its key, as `funnel` tells it in `key` or `t`; those of all keys by default";
    NoKey "no_key" "" "The bar whose key is null";
    Step "step" "N" "Which step, from 1; the last by default";
    Entered "entered" "" "Only those that entered at this step, where people enter at any";
    Dropped "dropped" "" "Only those that got no further";
    Start "start" "EXPR" "The event that it begins with";
    Return "return" "EXPR" "The event that counts as coming back";
    End "end" "EXPR" "The event that it leads to";
    FirstEver "first_ever" "" "Cohorts by the first start event ever, not the first in the period";
    Recurring "recurring" "" "Cohorts by every interval with a start event, not by the first alone";
    Unbounded "unbounded" "" "Who comes back later counts as back in every period before";
    Depth "depth" "N" "How many steps are told";
    Top "top" "N" "How many of the most frequent are told apart";
    Pattern "pattern" "PATTERN" "A sequence of events, such as a->[^b]*->c";
    Against "against" "EXPR" "The other segment of a comparison";
    Attribution "attribution" "WHICH" "Whose value of the dimension counts: first, last, all or a step's number. Of the report attribution: first, last, last-non-direct";
}

impl Parameter {
    /// What every report reads.
    pub const COMMON: &[Parameter] = &[
        Parameter::From,
        Parameter::To,
        Parameter::Filter,
        Parameter::Did,
        Parameter::DidNot,
        Parameter::Within,
        Parameter::Segment,
        Parameter::Bots,
    ];

    /// Whether it may be given several times, each time with one more value.
    #[must_use]
    pub fn is_list(self) -> bool {
        use Parameter::{Did, DidNot, Group, Metrics, Segment, Steps};
        matches!(self, Metrics | Steps | Did | DidNot | Segment | Group)
    }
}

/// The number that a request gives, or the default: from 1 to so many.
pub(super) fn bounded(
    parameter: &'static str,
    given: Option<usize>,
    (default, most): (usize, usize),
) -> Result<usize, Error> {
    let number = given.unwrap_or(default);
    if (1..=most).contains(&number) {
        Ok(number)
    } else {
        Err(Error::parameter(parameter, format!("is {number}: it can be 1 to {most}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_attribution() {
        for which in ["first", "last", "last-non-direct", "all", "a step's number"] {
            assert!(Parameter::Attribution.doc().contains(which), "{which}");
        }
    }
}
