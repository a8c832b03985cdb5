//! Text in columns, as Go's tabwriter sets it, since `kubectl describe` is laid out by that: a cell ends with a tab, and
//! cells of the same place in neighbouring lines make a column.

/// Spaces between columns.
const GAP: usize = 2;

/// Replaces tabs by as many spaces as the columns need.
pub(crate) fn align(text: &str) -> String {
    let mut lines: Vec<Vec<String>> = text
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect();
    pad(&mut lines, 0);
    lines.into_iter().map(|cells| cells.concat() + "\n").collect()
}

/// Pads the column of this index in each run of lines that have it, then the columns to the right of it in that run.
fn pad(lines: &mut [Vec<String>], column: usize) {
    let mut start = 0;
    while start < lines.len() {
        // The last cell of a line is not ended by a tab, so it belongs to no column.
        let length = lines[start..]
            .iter()
            .take_while(|cells| cells.len() > column + 1)
            .count();
        if length == 0 {
            start += 1;
            continue;
        }
        let run = &mut lines[start..start + length];
        let widest = run
            .iter()
            .map(|cells| cells[column].chars().count())
            .max()
            .unwrap_or_default();
        for cells in run.iter_mut() {
            let missing = widest + GAP - cells[column].chars().count();
            cells[column].extend(std::iter::repeat_n(' ', missing));
        }
        pad(run, column + 1);
        start += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        assert_eq!(align("a\tb\tc\nlong\tb\tc\n"), "a     b  c\nlong  b  c\n");
    }

    #[test]
    fn a_line_without_the_column_ends_it() {
        assert_eq!(
            align("Name:\tx\nConditions:\n  Type\tStatus\n  Ready \tTrue \n"),
            "\
Name:  x
Conditions:
  Type    Status
  Ready   True \n"
        );
    }
}
