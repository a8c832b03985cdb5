//! Durations and moments as people write and read them.

use std::time::Duration;

/// The longest time that may be written, about ten years: further on, sums of times would have to be watched.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The units that may be written, in milliseconds, the larger first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads `40s`, `5m`, `1h30m`, `250ms`, `1.5s` or `2d`; units are written from the larger to the smaller.
///
/// # Errors
/// If it is no such time, or longer than ten years: says so, with examples.
pub fn parse(text: &str) -> Result<Duration, String> {
    let fault = || format!("\"{text}\" is no time; write it as 40s, 5m, 1h30m, 250ms, 1.5s or 2d");
    let (mut rest, mut total, mut units) = (text, 0u64, UNITS.as_slice());
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (number, tail) = rest.split_at(end.ok_or_else(fault)?);
        let (unit, tail) = tail.split_at(
            tail.find(|letter: char| !letter.is_ascii_lowercase())
                .unwrap_or(tail.len()),
        );
        let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(fault)?;
        let part = milliseconds(number, units[at].1).ok_or_else(fault)?;
        total = total.checked_add(part).ok_or_else(fault)?;
        (rest, units) = (tail, &units[at + 1..]);
    }
    let duration = Duration::from_millis(total);
    if text.is_empty() {
        Err(fault())
    } else if duration > LONGEST {
        Err(format!("\"{text}\" is longer than ten years"))
    } else {
        Ok(duration)
    }
}

/// So many units of so many milliseconds; of a second there may be thousandths.
fn milliseconds(number: &str, unit: u64) -> Option<u64> {
    let (whole, thousandths) = match number.split_once('.') {
        None => (number, 0),
        Some((whole, part)) if unit == 1000 && (1..=3).contains(&part.len()) => {
            (whole, format!("{part:0<3}").parse::<u64>().ok()?)
        }
        Some(_) => return None,
    };
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(thousandths)
}

/// `5m10s`, as [`parse`] reads it; `1.5s` and `250ms` where there are milliseconds.
pub fn text(duration: Duration) -> String {
    let (seconds, thousandths) = (duration.as_secs(), duration.subsec_millis());
    if seconds == 0 && thousandths > 0 {
        return format!("{thousandths}ms");
    }
    let mut text = String::new();
    // A day is not a unit that people count running times in: it is 24h.
    for (unit, count) in [("h", seconds / 3600), ("m", seconds / 60 % 60)] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    match (seconds % 60, thousandths) {
        (0, 0) if !text.is_empty() => {}
        (seconds, 0) => text.push_str(&format!("{seconds}s")),
        (seconds, thousandths) => {
            let part = format!("{seconds}.{thousandths:03}");
            text.push_str(part.trim_end_matches('0'));
            text.push('s');
        }
    }
    text
}

/// A moment since the beginning as `0:05:10`, with milliseconds where there are some.
pub(crate) fn clock(moment: Duration) -> String {
    let (seconds, milliseconds) = (moment.as_secs(), moment.subsec_millis());
    let whole = format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if milliseconds == 0 {
        whole
    } else {
        format!("{whole}.{milliseconds:03}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_alike() {
        for (written, milliseconds) in [
            ("40s", 40_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1m0s", 60_000),
            ("1.5s", 1500),
            ("1h0.25s", 3_600_250),
            ("2d", 172_800_000),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse(written), Ok(duration), "{written}");
            assert_eq!(parse(&text(duration)), Ok(duration), "{written}");
        }
        assert_eq!(
            (text(Duration::ZERO), text(Duration::from_secs(86_400))),
            ("0s".into(), "24h".into())
        );
        assert_eq!(clock(Duration::from_millis(310_250)), "0:05:10.250");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "",
            "5",
            "5 m",
            "m",
            "-1s",
            "1.5m",
            "1.s",
            "1.2345s",
            "5x",
            "1s1m",
            "99999999999999999999s",
            "11000d",
            "5S",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
