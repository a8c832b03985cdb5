//! `docs/cli.md`, made from the definitions of the command line.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use crate::arguments::Arguments;

/// Makes the test write the file instead of comparing it.
const WRITE: &str = "PROBELET_WRITE_DOCS";

#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let expected = reference();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/cli.md is stale: run `{WRITE}=1 cargo test -p probelet reference`"
    );
}

fn reference() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut text = String::from(
        "<!-- Made from the program by `PROBELET_WRITE_DOCS=1 cargo test -p probelet reference`. -->\n\n# The command line\n\n",
    );
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(
        text,
        "{about}. The commands and flags that kubectl has too are called as they are there.\n"
    )
    .unwrap();
    writeln!(text, "Every command takes these:\n").unwrap();
    arguments(
        &mut text,
        command.get_arguments().filter(|argument| argument.is_global_set()),
    );
    commands(&mut text, &command);
    text.trim_end().to_owned() + "\n"
}

fn commands(text: &mut String, parent: &Command) {
    for command in parent.get_subcommands().filter(|command| command.get_name() != "help") {
        if command.has_subcommands() {
            commands(text, command);
            continue;
        }
        let name = command.get_bin_name().unwrap_or_default();
        writeln!(text, "## {name}\n").unwrap();
        let about = command.get_long_about().or(command.get_about());
        writeln!(
            text,
            "{}.\n",
            about.map(ToString::to_string).unwrap_or_default().trim_end_matches('.')
        )
        .unwrap();
        let usage = command.clone().render_usage().to_string();
        writeln!(text, "```\n{}\n```\n", usage.trim_start_matches("Usage: ")).unwrap();
        arguments(
            text,
            command.get_arguments().filter(|argument| !argument.is_global_set()),
        );
    }
}

fn arguments<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let shown: Vec<_> = arguments
        .filter(|argument| argument.get_id() != "help" && argument.get_id() != "version")
        .collect();
    for argument in &shown {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        write!(text, "- `{}`: {help}", argument.to_string().replace('`', "")).unwrap();
        if let Some(short) = argument.get_short().filter(|_| argument.get_long().is_some()) {
            write!(text, " (short: `-{short}`)").unwrap();
        }
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        if argument.get_action().takes_values() && !defaults.is_empty() {
            write!(text, "; by default `{}`", defaults.join(" ")).unwrap();
        }
        let values: Vec<_> = argument
            .get_possible_values()
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if argument.get_action().takes_values() && !values.is_empty() && values != ["`true`", "`false`"] {
            write!(text, "; one of {}", values.join(", ")).unwrap();
        }
        if let Some(variable) = argument.get_env() {
            write!(text, "; from `{}` if not given", variable.to_string_lossy()).unwrap();
        }
        text.push('\n');
    }
    if !shown.is_empty() {
        text.push('\n');
    }
}
