//! The crate `probelet-plugin`, as a project in Rust takes it along.

use crate::template::File;

/// Its source by its paths below this workspace's root.
const SOURCE: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
/// What its manifests have from this workspace.
const WORKSPACE: &str = include_str!("../templates/rust/sdk.toml");

/// A workspace with the SDK, below `sdk` of a project.
pub(crate) fn files() -> Vec<File> {
    let workspace = WORKSPACE.replace("{{version}}", env!("CARGO_PKG_VERSION"));
    let source = SOURCE.iter().map(|(path, content)| (*path, (*content).to_owned()));
    [("Cargo.toml", workspace)]
        .into_iter()
        .chain(source)
        .map(|(path, content)| (format!("sdk/{path}"), content))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_from_its_workspace_what_it_has_from_ours() {
        let ours = include_str!("../../../Cargo.toml");
        let files = files();
        let (_, theirs) = &files[0];
        let settings: Vec<_> = theirs.lines().filter(|line| line.contains(" = ")).collect();
        assert!(settings.len() > 5, "{theirs}");
        for line in settings.iter().filter(|line| !line.starts_with("members")) {
            assert!(ours.lines().any(|our| our == *line), "{line}");
        }
        let names: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        for name in [
            "sdk/crates/plugin-sdk/src/lib.rs",
            "sdk/crates/plugin-sdk-macros/Cargo.toml",
            "sdk/wit/0.1.0/plugin.wit",
        ] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}
