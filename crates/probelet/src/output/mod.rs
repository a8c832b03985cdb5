//! What is printed: tables, documents, texts.

pub(crate) mod amounts;
pub(crate) mod columns;
pub(crate) mod describe;
pub(crate) mod documents;
pub(crate) mod progress;
pub(crate) mod style;
pub(crate) mod tabs;

use std::io::{self, Write};

/// Prints a text at once, so that it is seen, or read by a script, when it is true.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Makes what a pod or an image says harmless for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if is_harmful(character) { '\u{fffd}' } else { character })
        .collect()
}

fn is_harmful(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}
