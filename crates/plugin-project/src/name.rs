//! Names of plugins. They become names of folders, files, packages and modules, so they are what all of these allow.

use crate::Error;

/// As long as a name may be: enough to say what a check is for, and short in a table.
pub(crate) const MAX_LENGTH: usize = 40;

/// Refuses what cannot be the name of a plugin.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let is_allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let is_name = name.len() <= MAX_LENGTH
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(is_allowed);
    match is_name {
        true => Ok(()),
        false => Err(Error::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["a", "redis-ping", "http2"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_LENGTH + 1);
        for bad in [
            "", "-a", "a-", "../a", "a/b", ".", "A", "a_b", "a b", "a.wasm", "2a", "ä", &long,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
