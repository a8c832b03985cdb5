//! `probelet plugin build`.

use probelet_plugin_project::{Project, build, build_text};
use serde_json::json;

use crate::{
    arguments::PluginBuild,
    output::{documents::print_document, print},
};

/// Builds the project. Its compiler speaks to this terminal by standard error.
pub(super) fn run(command: &PluginBuild) -> anyhow::Result<()> {
    let (source, output) = (&command.source, command.file.as_deref());
    let built = if source.extension().is_some_and(|extension| extension == "wat") {
        build_text(source, output)?
    } else {
        build(&Project::open(source)?, output, &mut |line| eprintln!("$ {line}"))?
    };
    if let Some(format) = command.format {
        let document = json!({"component": built.component, "sizeBytes": built.size});
        return print_document(&document, format);
    }
    let size = built.size.div_ceil(1000);
    print(&format!("{} built ({size}kB)\n", built.component.display()))?;
    Ok(())
}
