//! Kubernetes' quantities, such as `100m`, `1.5` or `64Mi`.

use serde_json::Value;

use crate::check::describe;

/// A quantity in thousandths, or what is wrong with it.
pub(crate) fn from_json(value: &Value) -> Result<u64, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => {
            return Err(format!(
                "expected a quantity such as 100m or 64Mi, found {}",
                describe(other)
            ));
        }
    };
    thousandths(&text).ok_or_else(|| {
        let negative = text
            .strip_prefix('-')
            .is_some_and(|amount| thousandths(amount).is_some());
        let reason = if negative {
            "must be greater than or equal to 0"
        } else {
            "no quantity; write 100m, 0.5, 64Mi or 1Gi"
        };
        format!("Invalid value: \"{text}\": {reason}")
    })
}

/// A quantity in thousandths, rounded up as Kubernetes does; `None` if it is none or too large.
fn thousandths(text: &str) -> Option<u64> {
    let at = text
        .find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(at);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || fraction.len() > 9 || whole.len() > 18 {
        return None;
    }
    // In billionths of a thousandth's unit, so that nothing is lost before the last step.
    let scale: u128 = 10_u128.pow(9);
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u128>().ok()
        }
    };
    let places = u32::try_from(fraction.len()).ok()?;
    let value = digits(whole)? * scale + digits(fraction)? * 10_u128.pow(9 - places);
    let (numerator, denominator): (u128, u128) = match suffix {
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "" => (1_000, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000_000, 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000_u128 << 40, 1),
        "Pi" => (1_000_u128 << 50, 1),
        "Ei" => (1_000_u128 << 60, 1),
        exponent => {
            let power: u32 = exponent
                .strip_prefix(['e', 'E'])?
                .parse()
                .ok()
                .filter(|power| *power <= 18)?;
            (1_000 * 10_u128.pow(power), 1)
        }
    };
    let total = value.checked_mul(numerator)?.div_ceil(scale * denominator);
    u64::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (text, expected) in [
            ("100m", Some(100)),
            ("0.5", Some(500)),
            ("2", Some(2000)),
            (".5", Some(500)),
            ("1n", Some(1)),
            ("64Mi", Some(64 * 1024 * 1024 * 1000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("1P", Some(1_000_000_000_000_000_000)),
            ("1Pi", Some(1_125_899_906_842_624_000)),
            ("1e3", Some(1_000_000)),
            ("128k", Some(128_000_000)),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("64MB", None),
            ("-1", None),
            ("1e99", None),
            ("99999999999999Ti", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }
}
