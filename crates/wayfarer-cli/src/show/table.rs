//! A table of rows for people: columns in the order of the first row, numbers to the right, texts to the left.

use std::io;

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;
use wayfarer_server::messages::Catalogue;

use super::number;

/// Rows as reports give them: objects with the same fields.
pub(crate) type Row = Map<String, Value>;

/// Widest text of a cell, in columns of the terminal; a longer one ends in `…`.
const WIDEST: usize = 80;

/// What people call a field: the catalogue's word, or else the name itself.
pub(crate) fn heading(words: &Catalogue, name: &str) -> String {
    let key = format!("field-{}", name.replace('_', "-"));
    if words.has(&key) { words.text(&key) } else { name.to_owned() }
}

/// Writes the rows as a table with a heading. `heading` names a field for people.
///
/// # Errors
/// When `out` does not take the text.
pub(crate) fn write(
    out: &mut dyn io::Write,
    rows: &[Row],
    heading: &dyn Fn(&str) -> String,
) -> io::Result<()> {
    let columns = columns(rows);
    let mut lines = vec![columns.iter().map(|name| heading(name)).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| cells(&columns, row)));
    let right: Vec<bool> = columns.iter().map(|name| is_number(rows, name)).collect();
    write_lines(out, &lines, &right)
}

/// Writes lines of cells, the heading among them, as columns; `right` tells which of them stand right.
///
/// # Errors
/// When `out` does not take the text.
pub(crate) fn write_lines(
    out: &mut dyn io::Write,
    lines: &[Vec<String>],
    right: &[bool],
) -> io::Result<()> {
    let widths = widths(lines);
    for line in lines {
        writeln!(out, "{}", join(line, &widths, right))?;
    }
    Ok(())
}

/// Writes one row as a list of names and values: what a report with a single row is read as. Values stand right where all
/// are numbers.
///
/// # Errors
/// When `out` does not take the text.
pub(crate) fn write_list(
    out: &mut dyn io::Write,
    row: &Row,
    heading: &dyn Fn(&str) -> String,
) -> io::Result<()> {
    let lines: Vec<Vec<String>> =
        row.iter().map(|(name, value)| vec![heading(name), number::cell(name, value)]).collect();
    let numbers = row.values().all(|value| value.is_number() || value.is_null());
    write_lines(out, &lines, &[false, numbers])
}

/// Every field of any row, in the order in which they first come.
pub(crate) fn columns(rows: &[Row]) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    columns
}

fn cells(columns: &[&str], row: &Row) -> Vec<String> {
    let cell = |name: &&str| number::cell(name, row.get(*name).unwrap_or(&Value::Null));
    columns.iter().map(cell).map(shortened).collect()
}

/// A text as a cell: on one line, and no longer than is read at a glance.
#[cfg(feature = "sql")]
pub(crate) fn cell(text: String) -> String {
    shortened(number::one_line(&text))
}

fn shortened(text: String) -> String {
    if text.width() <= WIDEST {
        return text;
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + c.to_string().width() >= WIDEST {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.width().max(*width);
        }
    }
    widths
}

/// A column of numbers: it has some, and nothing but numbers and nulls.
fn is_number(rows: &[Row], name: &str) -> bool {
    let mut values = rows.iter().filter_map(|row| row.get(name)).filter(|value| !value.is_null());
    let mut any = false;
    let all = values.all(|value| {
        any = true;
        value.is_number()
    });
    any && all
}

fn join(line: &[String], widths: &[usize], right: &[bool]) -> String {
    let mut text = String::new();
    for ((cell, width), right) in line.iter().zip(widths).zip(right) {
        let room = " ".repeat(width.saturating_sub(cell.width()));
        let (before, after) = if *right { (room.as_str(), "") } else { ("", room.as_str()) };
        text.push_str(before);
        text.push_str(cell);
        text.push_str(after);
        text.push_str("  ");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(value: Value) -> Vec<Row> {
        serde_json::from_value(value).unwrap()
    }

    fn table(value: Value) -> String {
        let mut out = Vec::new();
        write(&mut out, &rows(value), &str::to_owned).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_stand_right_and_texts_left() {
        let text = table(json!([
            {"key": "/", "visitors": 1200, "bounce_rate": 0.5},
            {"key": "/product/7", "visitors": 3, "bounce_rate": null},
        ]));
        assert_eq!(
            text,
            "key         visitors  bounce_rate\n\
             /              1,200        50.0%\n\
             /product/7         3            —\n"
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let text = table(json!([{"key": "首页", "n": 1}, {"key": "abcd", "n": 22}]));
        assert_eq!(text, "key    n\n首页   1\nabcd  22\n");
    }

    #[test]
    fn no_rows_are_an_empty_line() {
        assert_eq!(table(json!([])), "\n");
    }

    #[test]
    fn a_column_of_mixed_values_or_of_nulls_is_text() {
        let text = table(json!([{"a": 1, "b": null}, {"a": "xyz", "b": null}]));
        assert_eq!(text, "a    b\n1    —\nxyz  —\n");
    }

    #[test]
    fn a_long_cell_is_cut() {
        let text = table(json!([{"key": "网".repeat(100)}]));
        let cell = text.lines().nth(1).unwrap();
        assert!(cell.ends_with("网…") && cell.width() <= WIDEST, "{cell}");
    }

    #[test]
    fn one_row_reads_as_a_list() {
        let mut out = Vec::new();
        let row = &rows(json!([{"visitors": 12345, "bounce_rate": 0.25}]))[0];
        write_list(&mut out, row, &str::to_owned).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "visitors     12,345\nbounce_rate   25.0%\n");
    }

    #[test]
    fn a_list_with_texts_stands_left() {
        let mut out = Vec::new();
        let row = &rows(json!([{"rows": 5, "folder": "/var/lib/wayfarer"}]))[0];
        write_list(&mut out, row, &str::to_owned).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "rows    5\nfolder  /var/lib/wayfarer\n");
    }
}
