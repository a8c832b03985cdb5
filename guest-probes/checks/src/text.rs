//! Texts of others in messages, and patterns to find in them.

use probelet_plugin::Failure;
use regex_lite::{Regex, RegexBuilder};

/// A message quotes no more of what somebody else has said.
const MAX_QUOTE: usize = 200;
/// A compiled pattern is no larger: patterns are the manifest's and short.
const MAX_PATTERN: usize = 1 << 20;

/// The beginning of a text, on one line and without control characters.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String = text.trim().chars().take(MAX_QUOTE).collect();
    if quoted.len() < text.trim().len() {
        quoted.push('…');
    }
    quoted
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one })
        .collect()
}

/// Compiles a pattern of the configuration. One that is none is an error of the check, by the field's name.
pub(crate) fn pattern(field: &str, pattern: &str) -> Result<Regex, Failure> {
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
    compiled.map_err(|error| Failure::Errored(format!("`{field}` is no pattern: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_cannot_mislead() {
        assert_eq!(quote(" a\r\nb\x1b[31m "), "a  b [31m");
        let long = quote(&"é".repeat(1000));
        assert_eq!(long.chars().count(), MAX_QUOTE + 1);
    }

    #[test]
    fn a_pattern_that_is_none_is_told_by_its_field() {
        let failure = pattern("matches", "(").expect_err("no pattern");
        assert!(failure.message().starts_with("`matches` is no pattern"), "{failure}");
        assert!(pattern("matches", "(a{1000}){1000}").is_err());
    }
}
