//! Documents for scripts.

use anyhow::Context;
use serde::Serialize;

use super::print;
use crate::arguments::DataFormat;

/// Prints one document.
pub(crate) fn print_document(document: &impl Serialize, format: DataFormat) -> anyhow::Result<()> {
    let text = match format {
        DataFormat::Json => json(document).context("cannot print as JSON")? + "\n",
        DataFormat::Yaml => serde_yaml::to_string(document).context("cannot print as YAML")?,
    };
    Ok(print(&text)?)
}

/// Prints one document of many.
pub(crate) fn print_next(document: &impl Serialize, format: DataFormat) -> anyhow::Result<()> {
    let text = match format {
        DataFormat::Json => serde_json::to_string(document).context("cannot print as JSON")? + "\n",
        DataFormat::Yaml => "---\n".to_owned() + &serde_yaml::to_string(document).context("cannot print as YAML")?,
    };
    Ok(print(&text)?)
}

/// Indented by four, as kubectl does it.
fn json(document: &impl Serialize) -> serde_json::Result<String> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    Ok(String::from_utf8(text).expect("JSON is UTF-8"))
}
