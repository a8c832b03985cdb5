//! Texts for people: bytes made visible, and differences between two of them.

use similar::{ChangeTag, TextDiff};

/// What is shown of a text.
const MAX_SHOWN: usize = 2 << 10;
/// Lines of a difference.
const MAX_LINES: usize = 40;
/// A longer line, such as JSON from a program, is taken for several.
const MAX_LINE: usize = 120;
/// Lines before the first difference.
const CONTEXT: usize = 3;

/// Bytes as one line in quotes: what is no printable ASCII is escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(MAX_SHOWN)];
    let rest = if kept.len() < bytes.len() { "…" } else { "" };
    format!("\"{}\"{rest}", escaped(kept))
}

fn escaped(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|character| match character {
            '"' | '\\' => format!("\\{character}"),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            character if character.is_control() => format!("\\u{:04x}", u32::from(character)),
            character => character.to_string(),
        })
        .collect()
}

/// Two texts as lines: `-` before what was expected, `+` before what was found. Of what is the same before the first
/// difference, the last lines are shown.
pub(crate) fn diff(expected: &[u8], found: &[u8]) -> Vec<String> {
    let (expected, found) = (lines(expected), lines(found));
    let same = expected.iter().zip(&found).take_while(|(one, other)| one == other);
    let skipped = same.count().saturating_sub(CONTEXT);
    let rest = |lines: &[&[u8]]| {
        let lines = lines[skipped..].iter().take(2 * MAX_LINES);
        lines.map(|line| escaped(line)).collect::<Vec<_>>()
    };
    let (expected, found) = (rest(&expected), rest(&found));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let changes = TextDiff::from_slices(&expected, &found);
    let changes = changes.iter_all_changes().map(|change| {
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        format!("{sign} {}", change.value())
    });
    let cut = || "…".to_owned();
    let mut shown: Vec<String> = (skipped > 0)
        .then(cut)
        .into_iter()
        .chain(changes)
        .take(MAX_LINES + 1)
        .collect();
    if shown.len() > MAX_LINES {
        shown[MAX_LINES] = cut();
    }
    shown
}

/// Lines with their ends, so that a missing one shows; a long one in pieces.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| line.chunks(MAX_LINE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(quoted(b"PING\r\n\x1b\""), r#""PING\r\n\u001b\"""#);
        assert!(quoted(&[b'a'; MAX_SHOWN + 1]).ends_with("\"…"));
    }

    #[test]
    fn a_difference_has_the_lines_of_both() {
        assert_eq!(diff(b"a\r\nb\n", b"a\r\nc\n"), ["  a\\r\\n", "- b\\n", "+ c\\n"]);
        assert_eq!(diff(b"a\n", b"a"), ["- a\\n", "+ a"]);
        assert!(diff(&b"a\n".repeat(100), &b"b\n".repeat(100)).len() <= MAX_LINES + 1);
    }

    #[test]
    fn a_difference_is_shown_wherever_it_is() {
        let text = |last: &str| [b"a\n".repeat(100), last.as_bytes().to_vec()].concat();
        let expected = ["…", "  a\\n", "  a\\n", "  a\\n", "- x", "+ y"];
        assert_eq!(diff(&text("x"), &text("y")), expected);
        let json = |last: &str| ["1, ".repeat(5000), last.to_owned()].concat().into_bytes();
        let shown = diff(&json("x"), &json("y"));
        assert_eq!(shown.len(), 6, "{shown:?}");
        assert!(shown[4].starts_with('-') && shown[4].ends_with('x'), "{shown:?}");
    }
}
