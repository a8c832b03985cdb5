//! `probelet completion`.

use clap::CommandFactory;

use crate::{
    arguments::{Arguments, Completion},
    output::print,
};

/// Prints a completion script.
pub(crate) fn run(command: &Completion) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Arguments::command(), "probelet", &mut script);
    Ok(print(&String::from_utf8_lossy(&script))?)
}
