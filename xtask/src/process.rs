//! Running other programs: each one is shown before it runs, and an error names it.

use std::{
    ffi::OsStr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// Shows and runs a command, with this terminal as its own. Its failure is an error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command without showing it and returns what it printed. Its failure is an error with what it complained of.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = line(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one could type it, for people to read.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// The cargo that runs this xtask, in the repository's folder.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Where a program of this name lies on the `PATH`. The folders for administrators are looked into as well: they are
/// not on the `PATH` of Debian's users, and yet `sudo` finds programs there.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(administrators)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Whether this process has root's rights.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// How to get root's rights: nothing for root itself, `sudo` where it works without a question or where somebody is
/// there to answer it, else the reason why there is none.
pub(crate) fn as_root() -> Result<Vec<&'static str>, String> {
    if is_root() {
        return Ok(Vec::new());
    }
    if find("sudo").is_none() {
        return Err("it needs root, and there is no sudo".to_owned());
    }
    let silent = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    if silent.is_ok_and(|status| status.success()) {
        return Ok(vec!["sudo", "-n"]);
    }
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Ok(vec!["sudo"]);
    }
    Err("it needs root, and sudo would ask for a password where nobody can answer".to_owned())
}
