//! Amounts, as every command prints them.

/// A time in milliseconds and tenths of one: `1.8ms`.
pub(crate) fn milliseconds(microseconds: u64) -> String {
    format!("{}.{}ms", microseconds / 1000, microseconds % 1000 / 100)
}

/// Memory in whole kibibytes, rounded up, as a Kubernetes quantity: `65Ki`.
pub(crate) fn kibibytes(bytes: u64) -> String {
    format!("{}Ki", bytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_kibibyte_is_one_and_a_part_of_a_tenth_is_none() {
        assert_eq!(milliseconds(1_890), "1.8ms");
        assert_eq!(milliseconds(99), "0.0ms");
        assert_eq!((kibibytes(0), kibibytes(65_537)), ("0Ki".to_owned(), "65Ki".to_owned()));
    }
}
