//! `wayfarer report`: asks the lake. Which reports there are and what they read is the table of `wayfarer-analysis`; this
//! file only makes arguments of it, and shows the answer as a table, CSV or JSON.

use std::io::Write;

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::PossibleValuesParser,
};
use serde_json::{Map, Value};
use wayfarer_analysis::{Answer, Parameter, Request, reports};

use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
    show::{output, table},
};

/// Answer a question from the lake
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// Which report; see the list below
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(reports().iter().map(|report| report.name())), hide_possible_values = true)]
    name: String,
    /// Whose events
    #[arg(long, value_name = "S")]
    site: String,
    /// Print CSV with the names and values of the JSON
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// What the report reads.
    #[command(flatten)]
    question: Question,
}

/// The parameters of all reports, by name, as the table of reports has them.
#[derive(Debug)]
struct Question(Map<String, Value>);

/// What at least one report reads, in the order of the table.
fn parameters() -> impl Iterator<Item = Parameter> {
    let read = |wanted: &Parameter| {
        reports().iter().any(|report| report.parameters().any(|parameter| parameter == *wanted))
    };
    Parameter::ALL.iter().copied().filter(read)
}

fn argument(parameter: Parameter) -> Arg {
    let name = parameter.name();
    let argument = Arg::new(name).long(name.replace('_', "-")).help(parameter.doc());
    match parameter.value() {
        "" => argument.action(ArgAction::SetTrue),
        "N" => argument.value_name("N").value_parser(clap::value_parser!(u32).range(1..)),
        value if parameter.is_list() => argument.value_name(value).action(ArgAction::Append),
        // `-FIELD` is smallest first, and no flag.
        value => argument.value_name(value).allow_hyphen_values(parameter == Parameter::Order),
    }
}

/// What was said of a parameter; `None` where nothing was.
fn said(parameter: Parameter, matches: &ArgMatches) -> Option<Value> {
    let name = parameter.name();
    match parameter.value() {
        "" => matches.get_flag(name).then_some(Value::Bool(true)),
        "N" => matches.get_one::<u32>(name).map(|number| Value::from(*number)),
        _ if parameter.is_list() => {
            let texts = matches.get_many::<String>(name)?;
            Some(list(parameter, texts.map(String::as_str)))
        }
        _ => matches.get_one::<String>(name).map(|text| Value::from(text.as_str())),
    }
}

/// Metrics are given once with commas between; a step is given once for each, and keeps its commas.
fn list<'a>(parameter: Parameter, texts: impl Iterator<Item = &'a str>) -> Value {
    match parameter {
        Parameter::Metrics => texts.flat_map(|text| text.split(',')).map(str::trim).collect(),
        _ => texts.collect(),
    }
}

impl Args for Question {
    fn augment_args(command: Command) -> Command {
        command.args(parameters().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Question::augment_args(command)
    }
}

impl FromArgMatches for Question {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Question, clap::Error> {
        let said = parameters().filter_map(|parameter| {
            said(parameter, matches).map(|value| (parameter.name().to_owned(), value))
        });
        Ok(Question(said.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Question::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Report {
    /// Prints the answer.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let csv = self.csv;
        let request = self.request()?;
        let folder = desk.existing().await?;
        let answer = with_folder(folder, async |folder| Ok(folder.report(&request).await?)).await?;
        if desk.json {
            return Ok(output::json(&answer)?);
        }
        Ok(output::stdout(
            |out| if csv { as_csv(out, &answer) } else { as_table(out, &desk, &answer) },
        )?)
    }

    fn request(self) -> Result<Request, Failure> {
        let mut fields = self.question.0;
        fields.insert("report".to_owned(), self.name.into());
        fields.insert("site".to_owned(), self.site.into());
        serde_json::from_value(Value::Object(fields))
            .map_err(|error| Failure::new("cli-failed").because(&error).usage())
    }
}

fn as_table(out: &mut dyn Write, desk: &Desk, answer: &Answer) -> std::io::Result<()> {
    let heading = |name: &str| table::heading(&desk.words, name);
    match answer.rows.as_slice() {
        [] => writeln!(out, "{}", desk.words.text("cli-report-empty")),
        [row] if row.len() > 4 => table::write_list(out, row, &heading),
        rows => table::write(out, rows, &heading),
    }
}

/// Names and values as in JSON: numbers not rounded, null empty.
fn as_csv(out: &mut dyn Write, answer: &Answer) -> std::io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let columns = table::columns(&answer.rows);
    if !columns.is_empty() {
        csv.write_record(&columns)?;
    }
    for row in &answer.rows {
        csv.write_record(columns.iter().map(|name| plain(row.get(*name))))?;
    }
    csv.flush()
}

fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
