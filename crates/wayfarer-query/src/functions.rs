//! Functions of behaviour, beside those that SQL has.
//!
//! | function | tells |
//! | --- | --- |
//! | `window_funnel(seconds, ts, seq, step, step, …)` | how many of the steps the rows of a group reach in order, each on a row of its own, all within so many seconds from the first. Of equal times, the lesser `seq` comes first |
//! | `retention(first, other, …)` | an array: whether a row of the group meets the first condition; for every other, whether that and this are met |
//! | `sessionize(ts, seconds) OVER (PARTITION BY … ORDER BY ts, seq)` | the number of the visit that the row belongs to, from 1: one ends with a pause of more than so many seconds, and after a day |
//!
//! `window_funnel` and `retention` are called as in ClickHouse. Unlike there, a later first step can lead further, and equal
//! times connect.

use std::{fmt, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BinaryArray, Int64Array, TimestampMicrosecondArray, UInt64Array,
    cast::AsArray as _,
};
use arrow_schema::{DataType, Field, FieldRef, SortOptions};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, PartitionEvaluator, Signature, Volatility,
        WindowUDF, WindowUDFImpl,
        function::{AccumulatorArgs, PartitionEvaluatorArgs, StateFieldsArgs, WindowUDFFieldArgs},
    },
    scalar::ScalarValue,
};

use crate::table::instant;

/// The most conditions of one function: a bit each.
const CONDITIONS: usize = 64;
/// The longest visit, in microseconds.
const CAP: i64 = 86_400_000_000;

/// `window_funnel`.
#[must_use]
pub fn window_funnel() -> AggregateUDF {
    AggregateUDF::from(WindowFunnel { signature: Signature::user_defined(Volatility::Immutable) })
}

/// `retention`.
#[must_use]
pub fn retention() -> AggregateUDF {
    AggregateUDF::from(Retention { signature: Signature::user_defined(Volatility::Immutable) })
}

/// `sessionize`.
#[must_use]
pub fn sessionize() -> WindowUDF {
    let types = vec![instant(), DataType::Int64];
    WindowUDF::from(Sessionize { signature: Signature::exact(types, Volatility::Immutable) })
}

/// The conditions that each row meets, as bits; what is not known is not met.
fn masks(conditions: &[ArrayRef]) -> Vec<u64> {
    let mut masks = vec![0; conditions.first().map_or(0, Array::len)];
    for (bit, condition) in conditions.iter().enumerate() {
        let met = condition.as_boolean();
        for (row, mask) in masks.iter_mut().enumerate() {
            *mask |= u64::from(met.is_valid(row) && met.value(row)) << bit;
        }
    }
    masks
}

fn conditions(function: &str, given: usize, least: usize) -> Result<Vec<DataType>> {
    if (least..=CONDITIONS).contains(&given) {
        return Ok(vec![DataType::Boolean; given]);
    }
    plan_err!("{function} takes {least} to {CONDITIONS} conditions, not {given}")
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowFunnel {
    signature: Signature,
}

impl AggregateUDFImpl for WindowFunnel {
    fn name(&self) -> &str {
        "window_funnel"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let steps = conditions(self.name(), given.len().saturating_sub(3), 1)?;
        Ok([vec![DataType::Int64, instant(), DataType::UInt64], steps].concat())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let steps = args.exprs.len().saturating_sub(3);
        Ok(Box::new(Funnel { steps, window: None, rows: Vec::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field =
            |name: &str, kind| Arc::new(Field::new(format!("{}[{name}]", args.name), kind, true));
        Ok(vec![field("window", DataType::Int64), field("rows", DataType::Binary)])
    }
}

/// A row that meets a step: when, its place among those of the same time, and which.
type Met = (i64, u64, u64);

/// Collects the rows that meet a step.
#[derive(Debug)]
struct Funnel {
    steps: usize,
    /// Microseconds; not known before the first row.
    window: Option<i64>,
    rows: Vec<Met>,
}

impl Funnel {
    /// Of all attempts that have reached a step, the one that began last can go furthest: it stands for all.
    fn depth(&mut self) -> usize {
        self.rows.sort_unstable();
        let window = self.window.unwrap_or(0);
        let mut began: Vec<Option<i64>> = vec![None; self.steps];
        for (ts, _, mask) in &self.rows {
            for step in (0..self.steps).rev().filter(|step| mask >> step & 1 == 1) {
                let start = if step == 0 { Some(*ts) } else { began[step - 1] };
                if start.is_some_and(|start| ts.saturating_sub(start) <= window) {
                    began[step] = start;
                }
            }
        }
        began.iter().take_while(|start| start.is_some()).count()
    }
}

impl Accumulator for Funnel {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [window, ts, seq, steps @ ..] = values else { return exec_err!("too few arguments") };
        let window = window.as_primitive::<arrow_array::types::Int64Type>();
        let ts = ts.as_primitive::<arrow_array::types::TimestampMicrosecondType>();
        let seq = seq.as_primitive::<arrow_array::types::UInt64Type>();
        if !window.is_empty() {
            self.window = Some(window.value(0).saturating_mul(1_000_000));
        }
        let met = masks(steps).into_iter().enumerate();
        let met = met.filter(|(row, mask)| *mask != 0 && ts.is_valid(*row));
        self.rows.extend(met.map(|(row, mask)| (ts.value(row), seq.value(row), mask)));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.depth() as i64)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.rows.capacity() * size_of::<Met>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let bytes = self.rows.iter().flat_map(|(ts, seq, mask)| {
            [ts.to_le_bytes(), seq.to_le_bytes(), mask.to_le_bytes()].concat()
        });
        let bytes = ScalarValue::Binary(Some(bytes.collect()));
        Ok(vec![ScalarValue::Int64(self.window), bytes])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [windows, rows] = states else { return exec_err!("a state of another form") };
        let windows = windows.as_primitive::<arrow_array::types::Int64Type>();
        self.window = windows.iter().flatten().next().or(self.window);
        let rows: &BinaryArray = rows.as_binary::<i32>();
        for bytes in rows.iter().flatten() {
            let (words, _) = bytes.as_chunks::<8>();
            let (met, _) = words.as_chunks::<3>();
            self.rows.extend(met.iter().map(|[ts, seq, mask]| {
                (i64::from_le_bytes(*ts), u64::from_le_bytes(*seq), u64::from_le_bytes(*mask))
            }));
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Retention {
    signature: Signature,
}

impl AggregateUDFImpl for Retention {
    fn name(&self) -> &str {
        "retention"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        conditions(self.name(), given.len(), 1)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::new_list(DataType::Boolean, true))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Retained { conditions: args.exprs.len(), met: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[met]", args.name), DataType::UInt64, true))])
    }
}

/// Which conditions the rows have met.
#[derive(Debug)]
struct Retained {
    conditions: usize,
    met: u64,
}

impl Accumulator for Retained {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.met |= masks(values).into_iter().fold(0, |met, mask| met | mask);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let has_begun = self.met & 1 == 1;
        let met = (0..self.conditions).map(|bit| has_begun && self.met >> bit & 1 == 1);
        let met: Vec<ScalarValue> = met.map(|met| ScalarValue::Boolean(Some(met))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&met, &DataType::Boolean)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::UInt64(Some(self.met))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [met] = states else { return exec_err!("a state of another form") };
        let met: &UInt64Array = met.as_primitive();
        self.met = met.iter().flatten().fold(self.met, |met, other| met | other);
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sessionize {
    signature: Signature,
}

impl WindowUDFImpl for Sessionize {
    fn name(&self) -> &str {
        "sessionize"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Cut))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Int64, true)))
    }

    fn sort_options(&self) -> Option<SortOptions> {
        None
    }
}

/// Cuts the rows of one partition, which come in order, into visits.
struct Cut;

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cut")
    }
}

impl PartitionEvaluator for Cut {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let [ts, gap] = values else { return exec_err!("sessionize takes a time and seconds") };
        let ts: &TimestampMicrosecondArray = ts.as_primitive();
        let gap: &Int64Array = gap.as_primitive();
        let gap = if rows > 0 { gap.value(0).saturating_mul(1_000_000) } else { 0 };
        let (mut number, mut start, mut last) = (0, 0, None);
        let numbers = ts.values().iter().map(|&ts| {
            let since = |then: i64| ts.saturating_sub(then);
            let goes_on = last.is_some_and(|last| since(last) <= gap && since(start) <= CAP);
            if !goes_on {
                (number, start) = (number + 1, ts);
            }
            last = Some(ts);
            number
        });
        Ok(Arc::new(numbers.collect::<Int64Array>()))
    }
}
