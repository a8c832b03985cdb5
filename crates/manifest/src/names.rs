//! What names may look like.

/// `a-z`, `0-9` and `-`, at most 63, a letter or digit at both ends (RFC 1123).
pub(crate) fn is_label(name: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    name.len() <= 63 && name.chars().all(inner) && !name.is_empty() && !name.starts_with('-') && !name.ends_with('-')
}

/// Labels with dots between them, at most 253.
pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The name of a port (A1.12).
pub(crate) fn is_port_name(name: &str) -> bool {
    is_label(name) && name.len() <= 15 && !name.contains("--") && name.chars().any(|letter| letter.is_ascii_lowercase())
}

/// The name of an environment variable: any printable characters but `=`.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter != '=' && (' '..='~').contains(&letter))
}

/// A name that may have a domain and `/` before it: letters of both sizes, digits, `-`, `_` and `.`, at most 63 of them, a
/// letter or digit at both ends.
pub(crate) fn is_qualified(name: &str) -> bool {
    let (domain, name) = match name.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, name),
    };
    let inner = |letter: char| letter.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&letter);
    let outer = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    domain.is_none_or(is_subdomain)
        && name.len() <= 63
        && name.chars().all(inner)
        && outer(name.chars().next())
        && outer(name.chars().next_back())
}

/// The known name that is nearest to one that is not, if any is near: within three letters, and of a short name one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names in manifests are short; a long one is no typing error.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let distances = known
        .into_iter()
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate));
    let most = if name.len() <= 4 { 1 } else { 3 };
    distances
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["periodSeconds", "timeoutSeconds", "exec"];
        assert_eq!(nearest("periodSecond", known), Some("periodSeconds"));
        assert_eq!(nearest("periodseconds", known), Some("periodSeconds"));
        assert_eq!(nearest("exce", known), None);
        assert_eq!(nearest("somethingElse", known), None);
    }

    #[test]
    fn names_follow_kubernetes() {
        assert!(is_label("a-1") && !is_label("-a") && !is_label("A") && !is_label("") && !is_label(&"a".repeat(64)));
        for (name, valid) in [
            ("Warm", true),
            ("example.com/Is_warm.now", true),
            ("a/b/c", false),
            ("/b", false),
            ("Example.com/b", false),
            ("-b", false),
            ("", false),
        ] {
            assert_eq!(is_qualified(name), valid, "{name}");
        }
        assert!(is_subdomain("a.b-c") && !is_subdomain("a..b"));
    }

    #[test]
    fn a1_12_a_ports_name_has_up_to_15_letters_digits_and_single_hyphens_and_a_letter() {
        for valid in ["http", "p80", "80p", "a-b-c", "fifteen-letters"] {
            assert!(is_port_name(valid), "{valid}");
        }
        for other in [
            "",
            "80",
            "8-0",
            "a--b",
            "-a",
            "a-",
            "Http",
            "a_b",
            "a.b",
            "sixteen-letters-",
        ] {
            assert!(!is_port_name(other), "{other}");
        }
        assert!(!is_port_name("sixteen-letters1"));
    }
}
