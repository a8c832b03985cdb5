//! `$(NAME)` in commands, arguments and variables (A2.30).

use crate::EnvVar;

/// A container's own variables; each may refer to those before it.
pub fn expanded_environment(env: &[EnvVar]) -> Vec<(String, String)> {
    let mut known: Vec<(String, String)> = Vec::new();
    for variable in env {
        let value = expand(&variable.value, &known);
        known.push((variable.name.clone(), value));
    }
    known
}

/// Replaces `$(NAME)` in each word by the variable's value. An unknown name stays as it is, and `$$(NAME)` stands for the
/// text `$(NAME)`.
pub fn expand_all(words: &[String], env: &[EnvVar]) -> Vec<String> {
    let known = expanded_environment(env);
    words.iter().map(|word| expand(word, &known)).collect()
}

fn expand(text: &str, known: &[(String, String)]) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = tail.strip_prefix('(').and_then(|tail| tail.split_once(')')) {
            // The last of several with one name counts.
            match known.iter().rfind(|(variable, _)| variable == name) {
                Some((_, value)) => expanded.push_str(value),
                None => expanded.push_str(&rest[at..rest.len() - after.len()]),
            }
            rest = after;
        } else {
            expanded.push('$');
            rest = tail;
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a2_30_known_names_are_replaced_and_all_else_stays() {
        let variable = |name: &str, value: &str| EnvVar {
            name: name.into(),
            value: value.into(),
        };
        let env = [
            variable("A", "one"),
            variable("B", "$(A)-two"),
            variable("C", "$(D)"),
            variable("D", "x"),
        ];
        let words = ["$(B)", "$(NONE)", "$$(A)", "$", "$A", "a$(A)b$(A)", "$(", "$(C)"].map(str::to_owned);
        let expanded = expand_all(&words, &env);
        assert_eq!(
            expanded,
            ["one-two", "$(NONE)", "$(A)", "$", "$A", "aonebone", "$(", "$(D)"]
        );
    }
}
