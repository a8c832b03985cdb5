//! Tables as kubectl prints them: columns three spaces apart, as wide as what has been printed in them so far.

use probelet_api::render::{Row, Table};
use serde_json::Value;

use super::printable;

/// Spaces between columns.
const GAP: usize = 3;

/// No column is narrower, its gap included.
const NARROWEST: usize = 6;

/// Prints rows, now some and later more.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    widths: Vec<usize>,
}

impl Columns {
    /// Some rows as lines. The last cell of a row is not padded.
    pub(crate) fn lines(&mut self, rows: &[Vec<String>]) -> String {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| in_one_line(cell)).collect())
            .collect();
        for row in &rows {
            let padded = row.len().saturating_sub(1);
            if self.widths.len() < padded {
                self.widths.resize(padded, NARROWEST);
            }
            for (width, cell) in self.widths.iter_mut().zip(&row[..padded]) {
                *width = (*width).max(cell.chars().count() + GAP);
            }
        }
        let mut text = String::new();
        for row in &rows {
            for (index, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if index + 1 < row.len() {
                    text.extend(std::iter::repeat_n(' ', self.widths[index] - cell.chars().count()));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Prints the Tables of a list, or of a watch, one after the other.
#[derive(Debug)]
pub(crate) struct TablePrinter {
    columns: Columns,
    /// Which columns are shown, once they are known.
    shown: Option<Vec<bool>>,
    wide: bool,
    namespaces: bool,
}

impl TablePrinter {
    /// `wide` shows the columns that need room, `namespaces` where each object is.
    pub(crate) fn new(wide: bool, namespaces: bool) -> Self {
        Self {
            columns: Columns::default(),
            shown: None,
            wide,
            namespaces,
        }
    }

    /// The lines of a Table, under a heading if it is the first one with rows.
    pub(crate) fn lines(&mut self, table: &Table) -> String {
        let mut rows = Vec::with_capacity(table.rows.len() + 1);
        if self.shown.is_none() && !table.rows.is_empty() {
            let shown = table
                .column_definitions
                .iter()
                .map(|column| self.wide || column.priority == 0);
            self.shown = Some(shown.collect());
            let names = table.column_definitions.iter().map(|column| column.name.to_uppercase());
            let names = self.select(names.collect());
            rows.push(self.with_namespace("NAMESPACE", names));
        }
        rows.extend(table.rows.iter().map(|row| {
            let cells = self.select(row.cells.iter().map(text).collect());
            self.with_namespace(namespace(row), cells)
        }));
        self.columns.lines(&rows)
    }

    fn select(&self, cells: Vec<String>) -> Vec<String> {
        let shown = self.shown.iter().flatten();
        cells
            .into_iter()
            .zip(shown)
            .filter_map(|(cell, shown)| shown.then_some(cell))
            .collect()
    }

    fn with_namespace(&self, namespace: &str, mut cells: Vec<String>) -> Vec<String> {
        if self.namespaces {
            cells.insert(0, namespace.to_owned());
        }
        cells
    }
}

fn namespace(row: &Row) -> &str {
    row.object
        .as_ref()
        .and_then(|object| object["metadata"]["namespace"].as_str())
        .unwrap_or_default()
}

fn text(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => "<none>".to_owned(),
        other => other.to_string(),
    }
}

/// A cell ends where its first line does.
fn in_one_line(cell: &str) -> String {
    match cell.split_once(['\n', '\r', '\u{c}']) {
        Some((first, _)) => format!("{}...", printable(first)),
        None => printable(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_line_up_and_never_get_narrower() {
        let mut columns = Columns::default();
        assert_eq!(
            columns.lines(&[row(&["NAME", "READY", "AGE"]), row(&["long-name", "1/1", "2m"])]),
            "\
NAME        READY   AGE
long-name   1/1     2m
"
        );
        assert_eq!(columns.lines(&[row(&["a", "0/1", "3m"])]), "a           0/1     3m\n");
        assert_eq!(
            columns.lines(&[row(&["an-even-longer-name", "0/1", "3m"])]),
            "an-even-longer-name   0/1     3m\n"
        );
    }

    #[test]
    fn what_a_container_writes_cannot_break_the_table_or_the_terminal() {
        let text = Columns::default().lines(&[row(&["a\x1b[2Jb", "one\ntwo"])]);
        assert_eq!(text, "a\u{fffd}[2Jb   one...\n");
    }
}
