//! `probelet plugin new`.

use std::path::Path;

use probelet_plugin_project::{Kind, Language, New, create};

use crate::{
    arguments::{self, PluginNew},
    output::print,
};

/// Makes the project in the present folder, and says what to type next.
pub(super) fn run(command: &PluginNew) -> anyhow::Result<()> {
    let new = New {
        name: command.name.clone(),
        language: language(command.language),
        kind: if command.hook { Kind::Hook } else { Kind::Probe },
    };
    create(&new, Path::new("."))?;
    let name = &command.name;
    print(&format!(
        "{name} made. Now type:\n\n    cd {name}\n    probelet plugin build\n    probelet plugin test .\n"
    ))?;
    Ok(())
}

fn language(language: arguments::Language) -> Language {
    match language {
        arguments::Language::Rust => Language::Rust,
        arguments::Language::C => Language::C,
        arguments::Language::Go => Language::Go,
        arguments::Language::Python => Language::Python,
        arguments::Language::JavaScript => Language::JavaScript,
        arguments::Language::Zig => Language::Zig,
    }
}
