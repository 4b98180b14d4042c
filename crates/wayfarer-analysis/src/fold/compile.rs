//! Turns a filter into one that works on columns: each text of a dictionary is asked once, each row only looks up.
//!
//! A part of the filter that looks at one column becomes a table over that column's dictionary. What joins columns is done
//! with whole vectors of truths. Only *true* counts in the end, so negations are first pushed down to the parts that look at
//! one column (which De Morgan's laws allow in the logic of three values, too), and what is unknown there is false.

use std::sync::Arc;

use arrow_array::{Array, StringArray};
use wayfarer_lake::{Block, Values};

use super::plan::{Plan, column_of};
use crate::filter::{Expr, Field, Literal, Op, Test, Value};

/// A filter over the columns of one run.
#[derive(Clone, Debug)]
pub(super) enum Program {
    All(Vec<Program>),
    Any(Vec<Program>),
    Column(ColumnTest),
}

impl Program {
    /// Compiles a filter whose columns the plan already has.
    pub(super) fn new(expr: &Expr, plan: &mut Plan) -> Program {
        build(expr, false, plan)
    }

    /// Whether it is known to select no row at all.
    pub(super) fn selects_nothing(&self) -> bool {
        matches!(self, Program::Any(parts) if parts.is_empty())
    }

    /// The tests that must all hold, where the filter is no more than that.
    fn into_tests(self) -> Result<Vec<ColumnTest>, Program> {
        let is_test = |part: &Program| matches!(part, Program::Column(_));
        match self {
            Program::Column(test) => Ok(vec![test]),
            Program::All(parts) if parts.iter().all(is_test) => {
                Ok(parts.into_iter().flat_map(Program::into_tests).flatten().collect())
            }
            other => Err(other),
        }
    }

    /// Fills `truths`: which rows of the block the filter selects.
    pub(super) fn select(&mut self, block: &Block, truths: &mut Vec<bool>) {
        match self {
            Program::All(parts) => join(parts, block, truths, (true, |one, other| one & other)),
            Program::Any(parts) => join(parts, block, truths, (false, |one, other| one | other)),
            Program::Column(test) => test.select(block, truths),
        }
    }
}

fn join(
    parts: &mut [Program],
    block: &Block,
    truths: &mut Vec<bool>,
    (of_none, both): (bool, fn(bool, bool) -> bool),
) {
    let Some((first, rest)) = parts.split_first_mut() else {
        truths.clear();
        return truths.resize(block.len(), of_none);
    };
    first.select(block, truths);
    let mut others = Vec::new();
    for part in rest {
        part.select(block, &mut others);
        for (truth, other) in truths.iter_mut().zip(&others) {
            *truth = both(*truth, *other);
        }
    }
}

fn build(expr: &Expr, negated: bool, plan: &mut Plan) -> Program {
    if let Some(column) = only_column(expr, plan) {
        let expr = if negated { Expr::Not(Box::new(expr.clone())) } else { expr.clone() };
        return Program::Column(ColumnTest { column, expr, table: None });
    }
    match expr {
        Expr::Not(inner) => build(inner, !negated, plan),
        Expr::All(parts) if !negated => Program::All(build_each(parts, negated, plan, Expr::All)),
        Expr::Any(parts) if negated => Program::All(build_each(parts, negated, plan, Expr::All)),
        Expr::All(parts) | Expr::Any(parts) => {
            Program::Any(build_each(parts, negated, plan, Expr::Any))
        }
        Expr::Test(..) => Program::All(Vec::new()),
    }
}

/// Builds the parts, and puts those that look at the same column together into one table.
fn build_each(
    parts: &[Expr],
    negated: bool,
    plan: &mut Plan,
    join: fn(Vec<Expr>) -> Expr,
) -> Vec<Program> {
    let mut programs: Vec<Program> = Vec::new();
    for part in parts {
        let program = build(part, negated, plan);
        if let Program::Column(test) = &program
            && let Some(same) = programs.iter_mut().find_map(|other| other.on_column(test.column))
        {
            let before = std::mem::replace(&mut same.expr, Expr::All(Vec::new()));
            same.expr = join(vec![before, test.expr.clone()]);
        } else {
            programs.push(program);
        }
    }
    programs
}

impl Program {
    fn on_column(&mut self, column: usize) -> Option<&mut ColumnTest> {
        match self {
            Program::Column(test) if test.column == column => Some(test),
            _ => None,
        }
    }
}

/// The column of the plan that the filter looks at, if it looks at just one.
fn only_column(expr: &Expr, plan: &mut Plan) -> Option<usize> {
    let fields = expr.fields();
    let (first, rest) = fields.split_first()?;
    let column = column_of(first);
    rest.iter().all(|field| column_of(field) == column).then(|| plan.column(first))
}

/// A filter that looks at one column.
#[derive(Clone, Debug)]
pub(super) struct ColumnTest {
    column: usize,
    expr: Expr,
    /// What each text of a dictionary gives; kept while blocks share the dictionary.
    table: Option<Table<bool>>,
}

/// What each code of a dictionary gives.
#[derive(Clone, Debug)]
struct Table<T> {
    dictionary: Arc<StringArray>,
    /// One a code; the last is that of null.
    values: Vec<T>,
    /// The value, where all have the same.
    same: Option<T>,
}

impl ColumnTest {
    fn select(&mut self, block: &Block, truths: &mut Vec<bool>) {
        truths.clear();
        match block.columns.get(self.column) {
            Some(Values::Text { codes, dictionary }) => {
                let table = self.table(dictionary);
                match table.same.or_else(|| Some(table.of(only(codes)?))) {
                    Some(truth) => truths.resize(codes.len(), truth),
                    None => truths.extend(codes.iter().map(|&code| table.of(code))),
                }
            }
            Some(Values::Int { values, nulls }) => {
                self.numbers(values, nulls.as_ref(), truths, (Value::Int, |value| value as f64));
            }
            Some(Values::Float { values, nulls }) => {
                self.numbers(values, nulls.as_ref(), truths, (Value::Number, |value| value));
            }
            Some(Values::Unsigned { values }) => {
                self.numbers(values, None, truths, (Value::Id, |value| value as f64));
            }
            Some(Values::Null { .. }) | None => {
                truths.resize(block.len(), holds(&self.expr, |_| Value::Null));
            }
        }
    }

    fn table(&mut self, dictionary: &Arc<StringArray>) -> &Table<bool> {
        let known = self.table.take().filter(|table| table.is_of(dictionary));
        let expr = &self.expr;
        let table = known.unwrap_or_else(|| {
            Table::new(dictionary, |text| holds(expr, |f| field_value(f, text)))
        });
        self.table.insert(table)
    }

    fn numbers<T: Copy>(
        &self,
        values: &[T],
        nulls: Option<&arrow_buffer::NullBuffer>,
        truths: &mut Vec<bool>,
        (value, number): (impl Fn(T) -> Value<'static>, impl Fn(T) -> f64),
    ) {
        match &self.expr {
            Expr::Test(_, Test::Compare(op, Literal::Number(literal))) => {
                compare(values, (*op, *literal), number, truths);
            }
            expr => truths.extend(values.iter().map(|&v| holds(expr, |_| value(v)))),
        }
        if let Some(nulls) = nulls {
            let of_null = holds(&self.expr, |_| Value::Null);
            for (truth, is_valid) in truths.iter_mut().zip(nulls.iter()) {
                *truth = if is_valid { *truth } else { of_null };
            }
        }
    }
}

impl<T: Copy + PartialEq> Table<T> {
    fn new(dictionary: &Arc<StringArray>, value: impl Fn(Option<&str>) -> T) -> Table<T> {
        let codes = 0..dictionary.len();
        let mut values: Vec<T> = codes.map(|code| value(Some(dictionary.value(code)))).collect();
        let of_null = value(None);
        let same = values.iter().all(|value| *value == of_null).then_some(of_null);
        values.push(of_null);
        Table { dictionary: Arc::clone(dictionary), values, same }
    }

    fn is_of(&self, dictionary: &Arc<StringArray>) -> bool {
        Arc::ptr_eq(&self.dictionary, dictionary)
    }

    /// The value of a code; [`Values::NULL`] is greater than every code.
    fn of(&self, code: u32) -> T {
        self.values[(code as usize).min(self.values.len() - 1)]
    }
}

/// The code that all rows have, if they do.
fn only(codes: &[u32]) -> Option<u32> {
    let ((first, rest), (_, before)) = (codes.split_first()?, codes.split_last()?);
    (rest == before).then_some(*first)
}

/// The value of a field where `text` is that of its column.
fn field_value<'a>(field: &Field, text: Option<&'a str>) -> Value<'a> {
    match field {
        Field::Column(_) => text.map_or(Value::Null, Value::Text),
        Field::Prop(name) => Value::of_prop(text, name),
    }
}

fn holds<'a>(expr: &Expr, value: impl Fn(&Field) -> Value<'a>) -> bool {
    expr.eval(&value) == Some(true)
}

/// One loop for each operator, so that each becomes vector instructions.
fn compare<T: Copy>(
    values: &[T],
    (op, literal): (Op, f64),
    number: impl Fn(T) -> f64,
    truths: &mut Vec<bool>,
) {
    let mut each = |holds: fn(f64, f64) -> bool| {
        truths.extend(values.iter().map(|&value| holds(number(value), literal)));
    };
    match op {
        Op::Eq => each(|a, b| a == b),
        Op::Ne => each(|a, b| a != b),
        Op::Lt => each(|a, b| a < b),
        Op::Le => each(|a, b| a <= b),
        Op::Gt => each(|a, b| a > b),
        Op::Ge => each(|a, b| a >= b),
    }
}

/// Several filters at once, each a bit of one number a row.
///
/// What the filters ask of one column becomes one table: for each text, the bits of those that it does not rule out. So
/// forty steps of a funnel cost a row no more than four.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    /// The bits of the filters that only the columns decide.
    base: u64,
    columns: Vec<MaskColumn>,
    /// Filters that join columns by *or*.
    others: Vec<(u64, Program)>,
}

#[derive(Clone, Debug)]
struct MaskColumn {
    column: usize,
    tests: Vec<(u64, ColumnTest)>,
    table: Option<Table<u64>>,
}

impl Mask {
    /// Compiles filters, the first as the lowest bit, whose columns the plan already has.
    pub(super) fn new(exprs: &[Expr], plan: &mut Plan) -> Mask {
        let mut mask = Mask { base: 0, columns: Vec::new(), others: Vec::new() };
        for (nth, expr) in exprs.iter().enumerate() {
            mask.add(1 << nth, Program::new(expr, plan));
        }
        mask
    }

    fn add(&mut self, bit: u64, program: Program) {
        match program.into_tests() {
            Ok(tests) => {
                self.base |= bit;
                tests.into_iter().for_each(|test| self.column(test.column).tests.push((bit, test)));
            }
            Err(program) if program.selects_nothing() => {}
            Err(program) => self.others.push((bit, program)),
        }
    }

    fn column(&mut self, column: usize) -> &mut MaskColumn {
        let place = self.columns.iter().position(|known| known.column == column);
        let place = place.unwrap_or_else(|| {
            self.columns.push(MaskColumn { column, tests: Vec::new(), table: None });
            self.columns.len() - 1
        });
        &mut self.columns[place]
    }

    /// Fills `masks`: which filters select each row of the block.
    pub(super) fn select(&mut self, block: &Block, masks: &mut Vec<u64>) {
        masks.clear();
        masks.resize(block.len(), self.base);
        let mut truths = Vec::new();
        for column in &mut self.columns {
            column.restrict(masks, block, &mut truths);
        }
        for (bit, program) in &mut self.others {
            program.select(block, &mut truths);
            for (mask, truth) in masks.iter_mut().zip(&truths) {
                *mask |= if *truth { *bit } else { 0 };
            }
        }
    }
}

impl MaskColumn {
    /// Takes the bits of the filters away that the column rules out.
    fn restrict(&mut self, masks: &mut [u64], block: &Block, truths: &mut Vec<bool>) {
        if let Some(Values::Text { codes, dictionary }) = block.columns.get(self.column) {
            let known = self.table.take().filter(|table| table.is_of(dictionary));
            let table = known.unwrap_or_else(|| {
                Table::new(dictionary, |text| bits(&self.tests, |field| field_value(field, text)))
            });
            for (mask, &code) in masks.iter_mut().zip(codes) {
                *mask &= table.of(code);
            }
            self.table = Some(table);
            return;
        }
        for (bit, test) in &mut self.tests {
            test.select(block, truths);
            for (mask, truth) in masks.iter_mut().zip(truths.iter()) {
                *mask &= if *truth { u64::MAX } else { !*bit };
            }
        }
    }
}

/// All bits but those of tests that do not hold.
fn bits<'a>(tests: &[(u64, ColumnTest)], value: impl Fn(&Field) -> Value<'a>) -> u64 {
    let ruled_out = tests.iter().filter(|(_, test)| !holds(&test.expr, &value));
    ruled_out.fold(u64::MAX, |bits, (bit, _)| bits & !bit)
}
