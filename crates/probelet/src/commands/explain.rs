//! `probelet explain`.

use probelet_explain::explain;

use crate::{
    arguments::Explain,
    output::{documents::print_document, print},
};

/// Tells what a field is for.
pub(crate) fn run(command: &Explain) -> anyhow::Result<()> {
    let explanation = explain(&command.path, command.recursive)?;
    match command.output {
        Some(format) => print_document(&explanation, format),
        None => Ok(print(&explanation.to_string())?),
    }
}
