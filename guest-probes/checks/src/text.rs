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

/// A moment as RFC 3339, of seconds since the Unix epoch; what lies beyond four-digit years is their first or last.
pub(crate) fn moment(seconds: i64) -> String {
    const DAY: i64 = 86_400;
    let (year_0, year_9999) = (-719_528, 2_932_896);
    let days = seconds.div_euclid(DAY).clamp(year_0, year_9999);
    let second = seconds.rem_euclid(DAY);
    // The calendar repeats itself every 400 years, which begin with March here, so that a leap day comes last.
    let since_march_of_0 = days + 719_468;
    let era = since_march_of_0.div_euclid(146_097);
    let day_of_era = since_march_of_0.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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
    fn a_moment_is_one_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(moment(seconds), text);
        }
        assert!(moment(i64::MAX).starts_with("9999-12-31T"), "{}", moment(i64::MAX));
        assert!(moment(i64::MIN).starts_with("0000-01-01T"), "{}", moment(i64::MIN));
    }

    #[test]
    fn a_pattern_that_is_none_is_told_by_its_field() {
        let failure = pattern("matches", "(").expect_err("no pattern");
        assert!(failure.message().starts_with("`matches` is no pattern"), "{failure}");
        assert!(pattern("matches", "(a{1000}){1000}").is_err());
    }
}
