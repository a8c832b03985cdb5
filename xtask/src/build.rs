//! `cargo xtask build`: the built-in components, then the two binaries that embed and run them.

use std::path::{Path, PathBuf};

use crate::{guests, process};

/// How much the compiler optimises.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// The crates whose binaries a user runs.
pub(crate) const BINARIES: [&str; 2] = ["probelet", "probelet-shim"];

/// Builds everything a user runs and returns the folder with the binaries.
pub(crate) fn run(root: &Path, profile: Profile) -> anyhow::Result<PathBuf> {
    guests::run(root)?;
    let mut cargo = process::cargo(root);
    cargo.arg("build");
    for package in BINARIES {
        cargo.args(["--package", package]);
    }
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    process::run(&mut cargo)?;
    Ok(target_directory(root).join(folder))
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory(root: &Path) -> PathBuf {
    // Joining an absolute path replaces the root.
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
