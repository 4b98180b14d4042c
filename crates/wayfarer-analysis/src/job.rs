//! A request made ready: what every report needs before it begins, and how it ends.

use std::{ops::RangeInclusive, sync::Arc};

use serde_json::json;
use wayfarer_event::{Column, Kind, Micros, name};

use crate::{
    Answer, Context, Error, Goal, Request, Row, Segment,
    among::Conditions,
    error::{nearest, suggestion},
    filter::{self, Expr, Field, named},
    fold::{Fold, Plan, Source, Walk, run},
    period::Period,
    person::{self, Persons},
    segment::narrow,
};

/// A request, read and resolved.
pub(crate) struct Job<'a> {
    pub(crate) context: &'a Context,
    /// The events, as they are or by person.
    source: Arc<dyn Source>,
    /// Who the persons are, where events count by person.
    pub(crate) persons: Persons,
    pub(crate) request: &'a Request,
    /// What the report covers. Of a site without events: nothing.
    pub(crate) period: Period,
    is_empty: bool,
    /// Which events count; `None` for all.
    pub(crate) filter: Option<Expr>,
    /// Which events reach a goal; `None` where there are no goals.
    pub(crate) goal: Option<Expr>,
    /// Which visitors, by what they did; `None` for all.
    among: Option<Conditions>,
    /// Whether bots count like others.
    pub(crate) bots: bool,
    /// Which visitors; all but for reports on one.
    pub(crate) visitors: RangeInclusive<u64>,
}

impl<'a> Job<'a> {
    pub(crate) fn new(context: &'a Context, request: &'a Request) -> Result<Job<'a>, Error> {
        let period = Period::of(context, request)?;
        let is_empty = period.is_none();
        let period = period.unwrap_or_else(|| Period::empty(context.timezone.clone()));
        let segments = narrow(&context.segments, &request.segment)?;
        let (source, persons) = person::source(context, request)?;
        Ok(Job {
            context,
            source,
            persons,
            request,
            is_empty,
            among: Conditions::of(request, &segments, &period)?,
            period,
            filter: filter_of(request, &segments)?,
            goal: any_goal(context)?,
            bots: request.bots,
            visitors: 0..=u64::MAX,
        })
    }

    /// The same job over the period before, if the request wants to compare.
    pub(crate) fn previous(&self) -> Result<Option<Job<'a>>, Error> {
        match self.request.compare.as_deref() {
            None => Ok(None),
            Some("previous") if self.is_empty => Ok(None),
            Some("previous") => {
                let mut previous = self.during(self.period.previous()?);
                let among = previous.among.take();
                previous.among = among.map(|among| among.during(&previous.period));
                Ok(Some(previous))
            }
            Some(other) => {
                Err(Error::parameter("compare", format!("is `{other}`: it can be previous")))
            }
        }
    }

    /// The same job, about the same visitors, between two instants.
    pub(crate) fn over(&self, from: Micros, until: Micros) -> Job<'a> {
        self.during(self.period.over(from, until))
    }

    fn during(&self, period: Period) -> Job<'a> {
        Job {
            context: self.context,
            source: Arc::clone(&self.source),
            persons: self.persons.clone(),
            request: self.request,
            period,
            is_empty: self.is_empty,
            filter: self.filter.clone(),
            goal: self.goal.clone(),
            among: self.among.clone(),
            bots: self.bots,
            visitors: self.visitors.clone(),
        }
    }

    /// Walks over the site's visitors in the period.
    pub(crate) fn walk<F: Fold>(&self, mut plan: Plan, fold: &F) -> Result<F::Output, Error> {
        let Some(among) = &self.among else { return self.walk_all(plan, fold) };
        let walked = (self.period.from, self.period.until);
        let among = among.around(&mut plan, fold, walked);
        self.walk_all(plan, &among)
    }

    fn walk_all<F: Fold>(&self, plan: Plan, fold: &F) -> Result<F::Output, Error> {
        let walk = Walk {
            source: self.source.as_ref(),
            site: &self.request.site,
            period: (self.period.from, self.period.until),
            visitors: self.visitors.clone(),
            plan,
            bots: self.bots,
            threads: self.context.threads,
            hooks: &self.context.hooks,
        };
        run(&walk, fold)
    }

    /// The answer with these rows.
    pub(crate) fn answer(&self, rows: Vec<Row>, mut meta: Row) -> Answer {
        let position = self.context.source.position();
        meta.insert("timezone".into(), json!(self.context.timezone.iana_name()));
        meta.insert("snapshot".into(), json!(position.snapshot));
        if !self.request.segment.is_empty() {
            meta.insert("segment".into(), json!(self.request.segment));
        }
        if let Some(unit) = &self.request.unit {
            meta.insert("unit".into(), json!(unit));
        }
        Answer {
            report: self.request.report.clone(),
            site: self.request.site.clone(),
            from: (!self.is_empty).then(|| self.period.first_day()),
            to: (!self.is_empty).then(|| self.period.last_day()),
            exact: true,
            rows,
            meta,
        }
    }
}

/// What must hold of an event, by the request and by its segments.
fn filter_of(request: &Request, segments: &[&Segment]) -> Result<Option<Expr>, Error> {
    let mut filters = Vec::from_iter(read("filter", request.filter.as_deref())?);
    for segment in segments {
        filters.extend(read("segment", segment.filter.as_deref())?);
    }
    Ok(match filters.len() {
        0 | 1 => filters.pop(),
        _ => Some(Expr::All(filters)),
    })
}

/// Reads the filter in a parameter, if there is one.
pub(crate) fn read(parameter: &'static str, text: Option<&str>) -> Result<Option<Expr>, Error> {
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(filter::parse).transpose().map_err(|source| Error::Filter { parameter, source })
}

/// The field of an event that `by` names, if it is given: a text, a whole number or a time.
pub(crate) fn event_field(request: &Request) -> Result<Option<Field>, Error> {
    let has_groups = |column: Column| !matches!(column.kind(), Kind::F64 | Kind::U64);
    let field = |name: &str| match filter::field(name) {
        Some(Field::Column(column)) if !has_groups(column) => {
            let problem =
                format!("is `{name}`, a number that tells no groups apart: name another field");
            Err(Error::parameter("by", problem))
        }
        Some(field) => Ok(field),
        None => {
            let columns = Column::ALL.iter().copied().filter(|column| has_groups(*column));
            let meant = suggestion(nearest(name, columns.map(Column::name)));
            Err(Error::parameter("by", format!("names no field `{name}` of an event{meant}")))
        }
    };
    request.by.as_deref().map(field).transpose()
}

/// The filter that selects page views.
pub(crate) fn page_view() -> Expr {
    named(name::PAGE_VIEW)
}

/// The most goals that are told apart: one bit each.
const GOALS: usize = 64;

/// What reaches each goal, in their order.
pub(crate) fn goal_filters(context: &Context) -> Result<Vec<Expr>, Error> {
    if context.goals.len() > GOALS {
        return Err(Error::TooMany { what: "goals", limit: GOALS });
    }
    let filter = |goal: &Goal| {
        let read = read("goals", Some(&goal.filter))?;
        read.ok_or_else(|| {
            Error::parameter("goals", format!("has `{}` without a filter", goal.name))
        })
    };
    context.goals.iter().map(filter).collect()
}

fn any_goal(context: &Context) -> Result<Option<Expr>, Error> {
    let goals = goal_filters(context)?;
    Ok((!goals.is_empty()).then_some(Expr::Any(goals)))
}
