//! Texts for people: bytes made visible, and differences between two of them.

use similar::{ChangeTag, TextDiff};

/// What is shown of a text; a difference shows in less.
const MAX_SHOWN: usize = 2 << 10;
/// Lines of a difference.
const MAX_LINES: usize = 40;

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

/// Two texts as lines: `-` before what was expected, `+` before what was found.
pub(crate) fn diff(expected: &[u8], found: &[u8]) -> Vec<String> {
    let lines = |bytes: &[u8]| {
        let bytes = &bytes[..bytes.len().min(MAX_SHOWN)];
        // A line keeps its end, so that a missing one shows.
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(escaped);
        lines.collect::<Vec<_>>()
    };
    let (expected, found) = (lines(expected), lines(found));
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
    let mut shown: Vec<String> = changes.take(MAX_LINES + 1).collect();
    if shown.len() > MAX_LINES {
        shown[MAX_LINES] = "…".to_owned();
    }
    shown
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
}
