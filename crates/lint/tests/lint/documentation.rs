//! `docs/lint.md` is made from the rules and their examples. `UPDATE_DOCS=1` writes it anew.

use std::{fmt::Write as _, fs, path::Path};

use probelet_lint::rules;

use crate::support::{example, findings};

const HEAD: &str = include_str!("documentation.md");

#[test]
fn the_document_says_what_the_rules_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
    let expected = documentation();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/lint.md is stale; UPDATE_DOCS=1 cargo test -p probelet-lint writes it anew"
    );
}

#[test]
fn the_document_shows_what_is_printed() {
    let found = findings(&example("timeout-over-period", "bad"));
    assert!(HEAD.contains(&format!("\n{}\n", found[0])), "{}", found[0]);
}

fn documentation() -> String {
    let mut text = HEAD.to_owned();
    text += "\n## Rules\n\n| rule | severity | finds |\n| --- | --- | --- |\n";
    for rule in rules() {
        writeln!(
            text,
            "| [{0}](#{0}) | {1} | {2} |",
            rule.name, rule.severity, rule.finds
        )
        .unwrap();
    }
    for rule in rules() {
        write!(
            text,
            "\n### {}\n\nFinds {} ({}).\n\n{}\n",
            rule.name, rule.finds, rule.severity, rule.why
        )
        .unwrap();
        for (name, title) in [("bad", "Found fault with"), ("good", "Better")] {
            write!(text, "\n{title}:\n\n```yaml\n{}```\n", example(rule.name, name)).unwrap();
        }
    }
    text
}
