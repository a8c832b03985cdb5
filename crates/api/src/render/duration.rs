//! Kubernetes' way of writing how long ago something was (C4.9).

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// What is shown where a time is missing.
const UNKNOWN: &str = "<unknown>";

/// How long ago `time` was, as kubectl writes it.
pub fn since(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map_or_else(
        || UNKNOWN.to_owned(),
        |time| human_duration(now.as_millisecond() - time.as_millisecond()),
    )
}

/// A duration with about two significant digits.
pub fn human_duration(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        // A little less than nothing is only two clocks that differ.
        ..-1 => "<invalid>".to_owned(),
        _ if milliseconds < 0 => "0s".to_owned(),
        -1..120 => format!("{seconds}s"),
        120..600 => two_units(seconds, MINUTE, "m", 1, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two_units(seconds, HOUR, "h", MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two_units(seconds, DAY, "d", HOUR, "h"),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two_units(seconds, YEAR, "y", DAY, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// The second unit is left out where it is zero.
fn two_units(seconds: i64, large: i64, large_name: &str, small: i64, small_name: &str) -> String {
    match seconds % large / small {
        0 => format!("{}{large_name}", seconds / large),
        rest => format!("{}{large_name}{rest}{small_name}", seconds / large),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_has_its_own_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (8 * HOUR - 1, "7h59m"),
            (8 * HOUR, "8h"),
            (48 * HOUR - 1, "47h"),
            (48 * HOUR, "2d"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + DAY, "2y1d"),
            (8 * YEAR, "8y"),
        ] {
            assert_eq!(human_duration(seconds * 1000), expected, "{seconds} s");
        }
    }

    #[test]
    fn clocks_that_differ_a_little_are_forgiven() {
        assert_eq!(human_duration(-1), "0s");
        assert_eq!(human_duration(-1999), "0s");
        assert_eq!(human_duration(-2000), "<invalid>");
        assert_eq!(since(None, Timestamp::UNIX_EPOCH), "<unknown>");
    }
}
