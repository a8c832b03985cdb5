//! `probelet schema`.

use probelet_explain::schema;

use crate::{arguments::DataFormat, output::documents::print_document};

/// Prints the JSON schema of manifests.
pub(crate) fn run() -> anyhow::Result<()> {
    print_document(&schema(), DataFormat::Json)
}
