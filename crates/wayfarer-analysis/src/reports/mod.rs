//! The reports: one file each, one row each in the table [`reports`].
//!
//! The table feeds the HTTP API, the help of the command line and the documentation. [`answer`] is the door: it checks the
//! request against the row of its report, resolves what all reports share (the `Job`: the period, the filter), and runs it.

mod attribution;
mod breakdown;
mod engagement;
mod errors;
mod funnel;
mod funnel_attempts;
mod funnel_times;
mod funnel_visitors;
mod goals;
mod lifecycle;
mod overview;
mod parameter;
mod paths;
mod pattern;
mod retention;
mod segments;
mod step_matrix;
mod stickiness;
mod timeline;
mod transitions;
mod trend;
mod visits;

use serde_json::Value;

pub use parameter::Parameter;

use crate::{Answer, Context, Error, Request, error::nearest};

/// One report: its name, what it tells, what it reads, what it gives.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    doc: &'static str,
    /// Whether it looks at the present for more than its period. With `true`, an answer that is kept holds for one instant
    /// only, which is always right; `false` would be wrong for a report that does.
    looks_at_now: bool,
    parameters: &'static [Parameter],
    fields: &'static [(&'static str, &'static str)],
    run: fn(&Context, &Request) -> Result<Answer, Error>,
}

impl Report {
    /// The name by which it is asked for.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it tells, in a sentence without its full stop.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// What it reads of a [`Request`], besides `report` and `site`.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        Parameter::COMMON.iter().chain(self.parameters).copied()
    }

    /// The fields of its rows, each with what it means.
    #[must_use]
    pub fn fields(&self) -> &'static [(&'static str, &'static str)] {
        self.fields
    }

    /// Refuses a request with a field that this report does not read.
    fn check(&self, request: &Request) -> Result<(), Error> {
        let Ok(Value::Object(fields)) = serde_json::to_value(request) else { return Ok(()) };
        let unread = Parameter::ALL.iter().find(|parameter| {
            is_given(fields.get(parameter.name()))
                && !self.parameters().any(|read| read == **parameter)
        });
        match unread {
            Some(parameter) => Err(Error::parameter(
                parameter.name(),
                format!("is not a parameter of the report `{}`", self.name),
            )),
            None => Ok(()),
        }
    }
}

fn is_given(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

static REPORTS: &[Report] = &[
    overview::REPORT,
    trend::REPORT,
    breakdown::REPORT,
    visits::REPORT,
    timeline::REPORT,
    goals::REPORT,
    funnel::REPORT,
    funnel_times::REPORT,
    funnel_visitors::REPORT,
    retention::REPORT,
    paths::REPORT,
    step_matrix::REPORT,
    transitions::REPORT,
    pattern::REPORT,
    lifecycle::REPORT,
    stickiness::REPORT,
    engagement::REPORT,
    attribution::REPORT,
    segments::REPORT,
    errors::REPORT,
];

/// Every report, in the order in which people meet them.
#[must_use]
pub fn reports() -> &'static [Report] {
    REPORTS
}

/// Whether a report looks at the present for more than its period.
pub(crate) fn looks_at_now(name: &str) -> bool {
    REPORTS.iter().find(|report| report.name == name).is_none_or(|report| report.looks_at_now)
}

/// Answers a request. Blocks, and keeps as many threads busy as the context allows: call it where blocking is allowed.
///
/// # Errors
/// When the request cannot be understood ([`Error::is_request`]), the lake cannot be read, or the caller cancelled.
pub fn answer(context: &Context, request: &Request) -> Result<Answer, Error> {
    let Some(report) = REPORTS.iter().find(|report| report.name == request.report) else {
        return Err(Error::UnknownReport {
            name: request.report.clone(),
            nearest: nearest(&request.report, REPORTS.iter().map(Report::name)).map(Into::into),
        });
    };
    report.check(request)?;
    (report.run)(context, request)
}
