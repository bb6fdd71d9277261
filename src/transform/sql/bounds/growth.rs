//! How large the result of a function is, from its arguments.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
        TimestampMicrosecondType, UInt64Type,
    },
};
use datafusion_common::{Result, exec_err};
use datafusion_expr::ColumnarValue;
use datafusion_functions::regex::compile_regex;

use super::sizes;

/// The bytes of an element of `range`.
const NUMBER: u64 = 8;

/// Maximum number of characters that `levenshtein` compares with each other.
const COMPARED_MAX: u64 = 1_000_000_000;

const DAY_NANOS: i128 = 24 * 60 * 60 * 1_000_000_000;

/// How a function's result grows with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// `repeat(text, n)`
    Repeat,
    /// `array_repeat(element, n)`
    RepeatElement,
    /// `lpad(text, n, fill)`
    Pad,
    /// `range(start, stop, step)`
    Range,
    /// `array_resize(list, n, fill)`
    Resize,
    /// All arguments one after another: `concat`, `make_array`
    Sum,
    /// `concat_ws(separator, …)`
    Separated,
    /// `replace(text, from, to)`
    Replace,
    /// `translate(text, from, to)`
    Translate,
    /// `regexp_replace(text, pattern, replacement, flags)`
    RegexpReplace,
    /// `regexp_match(text, pattern)`: one text for each group
    RegexpMatch,
    /// `encode(bytes, 'hex')`
    Encode,
    /// `array_to_string(list, separator, null)`
    ListToText,
    /// `array_replace_all(list, from, to)`
    ReplaceElements,
    /// `levenshtein(a, b)`, which takes time
    Compare,
}

impl Growth {
    /// `None`: the result is at most a few times as large as the arguments.
    pub(super) fn of(function: &str) -> Option<Self> {
        Some(match function {
            "repeat" => Self::Repeat,
            "array_repeat" => Self::RepeatElement,
            "lpad" | "rpad" => Self::Pad,
            "range" | "generate_series" => Self::Range,
            "array_resize" => Self::Resize,
            "concat" | "array_concat" | "array_append" | "array_prepend" | "array_union"
            | "array_replace" | "arrays_zip" | "make_array" | "map" | "overlay" => Self::Sum,
            "concat_ws" => Self::Separated,
            "replace" => Self::Replace,
            "translate" => Self::Translate,
            "regexp_replace" => Self::RegexpReplace,
            "regexp_match" => Self::RegexpMatch,
            "encode" => Self::Encode,
            "array_to_string" => Self::ListToText,
            "array_replace_n" | "array_replace_all" => Self::ReplaceElements,
            "levenshtein" => Self::Compare,
            _ => return None,
        })
    }

    /// The size of the result for all rows, where that is the size of the arguments.
    pub(super) fn sum(self, args: &Arguments, rows: usize) -> Option<u64> {
        let sum = || (0..args.0.len()).map(|index| args.total(index, rows)).sum();
        (self == Self::Sum).then(sum)
    }

    /// The size of the result for a row, or a little more.
    pub(super) fn bytes(self, args: &Arguments, row: usize) -> Result<u64> {
        let all = || (0..args.0.len()).map(|index| args.bytes(index, row)).sum::<u64>();
        let count = |index: usize| args.count(index, row).unwrap_or(0);
        Ok(match self {
            Self::Repeat => {
                let text = args.text(0, row).unwrap_or_default();
                (text.len() as u64).saturating_mul(count(1))
            }
            Self::RepeatElement => args.bytes(0, row).saturating_mul(count(1)),
            Self::Pad => {
                let fill = args.text(2, row).unwrap_or(" ");
                let width = if fill.is_ascii() { 1 } else { 4 };
                args.bytes(0, row).saturating_add(count(1).saturating_mul(width))
            }
            Self::Range => return range(args, row),
            Self::Resize => {
                let fill = if args.0.len() > 2 { args.bytes(2, row) } else { 0 };
                let fill = fill.max(args.element_width(0));
                args.bytes(0, row).saturating_add(count(1).saturating_mul(fill))
            }
            Self::Sum => all(),
            Self::Separated => {
                all().saturating_add(args.bytes(0, row).saturating_mul(args.0.len() as u64))
            }
            Self::Replace => replace(args, row),
            Self::Translate => {
                let to = args.text(2, row).unwrap_or_default();
                // From U+0300 on a character may consist of several code points.
                let width = if to.chars().all(|char| char < '\u{300}') { 2 } else { to.len() };
                args.bytes(0, row).saturating_mul(width as u64)
            }
            Self::RegexpReplace => return regexp_replace(args, row),
            Self::RegexpMatch => {
                let pattern = args.text(1, row).unwrap_or_default();
                let groups = pattern.bytes().filter(|byte| *byte == b'(').count() as u64;
                args.bytes(0, row).saturating_mul(groups.max(1))
            }
            Self::Encode => args.bytes(0, row).saturating_mul(2),
            Self::ListToText => {
                let list = &args.0[0];
                let leaves = sizes::leaves(list.0.as_ref(), list.row(row), 1);
                let between: u64 = (1..args.0.len()).map(|index| args.bytes(index, row)).sum();
                args.bytes(0, row).saturating_mul(3).saturating_add(leaves.saturating_mul(between))
            }
            Self::ReplaceElements => {
                let list = &args.0[0];
                let elements = sizes::list_length(list.0.as_ref(), list.row(row));
                let times = args.count(3, row).map_or(elements, |times| times.min(elements));
                all().saturating_add(times.saturating_mul(args.bytes(2, row)))
            }
            Self::Compare => {
                let work = args.bytes(0, row).saturating_mul(args.bytes(1, row));
                if work > COMPARED_MAX {
                    return exec_err!("the texts are too long for levenshtein to compare them");
                }
                0
            }
        })
    }
}

fn replace(args: &Arguments, row: usize) -> u64 {
    let (Some(text), Some(from)) = (args.text(0, row), args.text(1, row)) else {
        return 0;
    };
    let to = args.text(2, row).unwrap_or_default();
    // Nothing is found where nothing is looked for.
    if to.len() <= from.len() || from.is_empty() {
        return text.len() as u64;
    }
    // Counted only if it matters.
    let most = text.len() / from.len() + 1;
    let most = (most as u64).saturating_mul(to.len() as u64);
    if most <= super::VALUE_MAX / 2 {
        return text.len() as u64 + most;
    }
    let times = text.matches(from).count() as u64;
    (text.len() as u64).saturating_add(times.saturating_mul(to.len() as u64))
}

fn regexp_replace(args: &Arguments, row: usize) -> Result<u64> {
    let (Some(text), Some(pattern)) = (args.text(0, row), args.text(1, row)) else {
        return Ok(0);
    };
    let to = args.text(2, row).unwrap_or_default();
    let flags = args.text(3, row);
    let length = text.len() as u64;
    // Each reference to a group adds at most the whole text, over all matches.
    let groups = to.bytes().filter(|byte| matches!(byte, b'\\' | b'$')).count() as u64;
    let kept = length.saturating_mul(groups + 1);
    let most = if flags.is_some_and(|flags| flags.contains('g')) { length + 1 } else { 1 };
    let added = most.saturating_mul(to.len() as u64);
    if added <= super::VALUE_MAX / 2 {
        return Ok(kept.saturating_add(added));
    }
    let flags: Option<String> =
        flags.map(|flags| flags.replace('g', "")).filter(|flags| !flags.is_empty());
    let times = compile_regex(pattern, flags.as_deref())?.find_iter(text).count() as u64;
    Ok(kept.saturating_add(times.saturating_mul(to.len() as u64)))
}

/// The bytes of `range(stop)`, `range(start, stop)` or `range(start, stop, step)`.
fn range(args: &Arguments, row: usize) -> Result<u64> {
    let (start, end) = if args.0.len() == 1 {
        (Some(0), args.number(0, row))
    } else {
        (args.number(0, row), args.number(1, row))
    };
    let each = if args.0.len() > 2 { args.step(2, row)? } else { Some(1) };
    let (Some(start), Some(end), Some(each)) = (start, end, each) else {
        return Ok(0);
    };
    if each == 0 {
        return exec_err!("the step of a range must not be 0");
    }
    let steps = (end - start) / each;
    if steps < 0 {
        return Ok(0);
    }
    Ok(u64::try_from(steps).unwrap_or(u64::MAX).saturating_add(1).saturating_mul(NUMBER))
}

/// The arguments of a call; a constant is one row that stands for all.
pub(super) struct Arguments(Vec<Argument>);

struct Argument(ArrayRef, bool);

impl Argument {
    fn row(&self, row: usize) -> usize {
        if self.1 { 0 } else { row }
    }
}

impl Arguments {
    pub(super) fn new(args: &[ColumnarValue]) -> Result<Self> {
        let args = args.iter().map(|arg| match arg {
            ColumnarValue::Array(array) => Ok(Argument(ArrayRef::clone(array), false)),
            ColumnarValue::Scalar(value) => Ok(Argument(value.to_array()?, true)),
        });
        args.collect::<Result<_>>().map(Self)
    }

    pub(super) fn all_constant(&self) -> bool {
        self.0.iter().all(|arg| arg.1)
    }

    fn total(&self, index: usize, rows: usize) -> u64 {
        let Argument(array, constant) = &self.0[index];
        let total = sizes::bytes(array.as_ref(), 0, array.len());
        if *constant { total.saturating_mul(rows as u64) } else { total }
    }

    fn bytes(&self, index: usize, row: usize) -> u64 {
        self.0.get(index).map_or(0, |arg| sizes::bytes(arg.0.as_ref(), arg.row(row), 1))
    }

    fn text(&self, index: usize, row: usize) -> Option<&str> {
        let arg = self.0.get(index)?;
        let row = arg.row(row);
        if arg.0.is_null(row) {
            return None;
        }
        match arg.0.data_type() {
            DataType::Utf8 => Some(arg.0.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Some(arg.0.as_string::<i64>().value(row)),
            DataType::Utf8View => Some(arg.0.as_string_view().value(row)),
            _ => None,
        }
    }

    /// A number of times; `None` for null and for what is no such number.
    fn count(&self, index: usize, row: usize) -> Option<u64> {
        let arg = self.0.get(index)?;
        if let Some(numbers) = arg.0.as_primitive_opt::<UInt64Type>() {
            let row = arg.row(row);
            return numbers.is_valid(row).then(|| numbers.value(row));
        }
        self.number(index, row).map(|number| u64::try_from(number).unwrap_or(0))
    }

    /// An integer, or a date or an instant in nanoseconds.
    fn number(&self, index: usize, row: usize) -> Option<i128> {
        let arg = self.0.get(index)?;
        let row = arg.row(row);
        if arg.0.is_null(row) {
            return None;
        }
        let (wide, factor) = match arg.0.data_type() {
            DataType::Date32 => {
                let days = arg.0.as_primitive::<Date32Type>().value(row);
                return Some(i128::from(days) * DAY_NANOS);
            }
            DataType::Timestamp(_, zone) => {
                let micros =
                    DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, zone.clone());
                let micros = arrow::compute::cast(&arg.0.slice(row, 1), &micros).ok()?;
                return Some(
                    i128::from(micros.as_primitive::<TimestampMicrosecondType>().value(0)) * 1000,
                );
            }
            DataType::Int64 => (arg.0.as_primitive::<Int64Type>().value(row), 1),
            kind if kind.is_integer() => {
                let wide = arrow::compute::cast(&arg.0.slice(row, 1), &DataType::Int64).ok()?;
                let wide = wide.as_primitive::<Int64Type>();
                (if wide.is_null(0) { i64::MAX } else { wide.value(0) }, 1)
            }
            _ => return None,
        };
        Some(i128::from(wide) * factor)
    }

    /// The shortest way that a step goes, as [`Arguments::number`] counts.
    fn step(&self, index: usize, row: usize) -> Result<Option<i128>> {
        let Some(arg) = self.0.get(index) else {
            return Ok(None);
        };
        if *arg.0.data_type() != DataType::Interval(IntervalUnit::MonthDayNano) {
            return Ok(self.number(index, row));
        }
        let row = arg.row(row);
        if arg.0.is_null(row) {
            return Ok(None);
        }
        let step = arg.0.as_primitive::<IntervalMonthDayNanoType>().value(row);
        let parts = [i128::from(step.months), i128::from(step.days), i128::from(step.nanoseconds)];
        if parts.iter().any(|part| *part < 0) && parts.iter().any(|part| *part > 0) {
            return exec_err!("the parts of a range's step must be of one sign");
        }
        // The shortest month; a day of 23 hours, where a clock is set forward.
        let days = parts[0] * 28 + parts[1];
        Ok(Some(days * (DAY_NANOS - DAY_NANOS / 24) + parts[2]))
    }

    /// The bytes of an element of a list that is null.
    fn element_width(&self, index: usize) -> u64 {
        match self.0[index].0.data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                item.data_type().primitive_width().map_or(NUMBER, |width| width as u64)
            }
            _ => NUMBER,
        }
    }
}
