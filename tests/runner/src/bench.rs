//! The table of benchmark results beside a baseline and another system's figures.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

/// Instructions by operation.
pub type Results = BTreeMap<String, u64>;

/// Another system's figures for the operations that both have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What was measured, and how.
    pub system: String,
    /// The columns' headings.
    pub columns: Vec<String>,
    /// Operation -> one figure per column.
    pub operations: BTreeMap<String, Vec<u64>>,
}

/// The table, with a line per operation of `results` or `baseline`.
pub fn table(results: &Results, baseline: Option<&Results>, reference: &Reference) -> String {
    let mut headings = vec!["operation".to_owned(), "instructions".to_owned()];
    headings.extend(["baseline", "change"].map(str::to_owned));
    headings.extend(reference.columns.iter().cloned());
    let mut rows = vec![headings];
    let missing = Results::new();
    let old_results = baseline.unwrap_or(&missing);
    let mut operations: Vec<_> = results.keys().chain(old_results.keys()).collect();
    operations.sort();
    operations.dedup();
    for operation in operations {
        let (new, old) = (results.get(operation), old_results.get(operation));
        let mut row = vec![
            operation.clone(),
            number(new),
            number(old),
            change(new, old),
        ];
        let figures = reference.operations.get(operation);
        for column in 0..reference.columns.len() {
            row.push(number(figures.and_then(|figures| figures.get(column))));
        }
        rows.push(row);
    }
    align(&rows)
}

fn number(value: Option<&u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| grouped(*value))
}

/// A number with its digits in groups of three.
#[must_use]
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn change(new: Option<&u64>, old: Option<&u64>) -> String {
    match (new, old) {
        (Some(new), Some(old)) if new == old => "=".to_owned(),
        (Some(&new), Some(&old)) if old > 0 => {
            format!("{:+.1} %", (new as f64 - old as f64) / old as f64 * 100.0)
        }
        (Some(_), None) => "new".to_owned(),
        (None, Some(_)) => "gone".to_owned(),
        _ => "-".to_owned(),
    }
}

/// Columns two blanks apart, the first flush left, the others flush right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row: &Vec<String>| row.get(column));
        cells
            .map(|cell: &String| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = if column == 0 {
                write!(text, "{cell:width$}")
            } else {
                write!(text, "  {cell:>width$}")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
