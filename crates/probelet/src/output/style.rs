//! Colours, for terminals only.

use std::io::{IsTerminal, stderr};

const RED: &str = "31";
const YELLOW: &str = "33";

/// What an error's line begins with.
pub(crate) fn error_label() -> String {
    label("error:", RED)
}

/// Prints a warning on stderr.
pub(crate) fn warn(text: &str) {
    eprintln!("{} {text}", label("Warning:", YELLOW));
}

/// Whether stderr shows colours: on a terminal, unless `NO_COLOR` is set.
pub(crate) fn is_coloured() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn label(text: &str, colour: &str) -> String {
    if is_coloured() {
        format!("\x1b[1;{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
