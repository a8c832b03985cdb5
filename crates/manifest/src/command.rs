//! Commands that cannot be meant as they are written.

/// The words that were meant by a command that is one word with a space, since no program has such a name; `None` for
/// every other command.
pub fn intended_command(command: &[String]) -> Option<Vec<String>> {
    let [word] = command else { return None };
    if !word.trim().contains(char::is_whitespace) {
        return None;
    }
    Some(if word.contains(['|', '&', ';', '<', '>', '$', '`', '*']) {
        vec!["/bin/sh".to_owned(), "-c".to_owned(), word.clone()]
    } else {
        split(word)
    })
}

/// What to say about such a command.
pub(crate) fn one_word(command: &[String]) -> Option<(String, String)> {
    let words = intended_command(command)?;
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    Some((
        "the command is one word with a space, so no program of that name will be found".to_owned(),
        format!("did you mean [{}]?", quoted.join(", ")),
    ))
}

/// Splits at spaces, but not within quotes.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in text.chars() {
        match (quote, letter) {
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fix_is_spelled_out() {
        let help = |word: &str| one_word(&[word.to_owned()]).map(|(_, help)| help);
        assert_eq!(
            help("cat /tmp/health").as_deref(),
            Some(r#"did you mean ["cat", "/tmp/health"]?"#)
        );
        assert_eq!(
            help("sh -c 'exit 1'").as_deref(),
            Some(r#"did you mean ["sh", "-c", "exit 1"]?"#)
        );
        assert_eq!(
            help("a | b").as_deref(),
            Some(r#"did you mean ["/bin/sh", "-c", "a | b"]?"#)
        );
        assert_eq!(help("/bin/true"), None);
        assert_eq!(one_word(&["cat".into(), "a b".into()]), None);
    }
}
