//! `cargo xtask setup`: what this machine lacks, why it is needed, and its installation.
//!
//! Everything is looked for in files, without a network: where nothing is missing this takes a blink.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::{guests, languages, process, tools};

/// What is set up. That the programs can be built is always a part of it.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Only say what is missing.
    check: bool,
    /// Also what only the suites need: most of it, and hundreds of megabytes.
    test: bool,
    /// Also what only `cargo xtask bench` needs.
    bench: bool,
}

impl Options {
    /// To build and run the programs.
    pub(crate) const BUILD: Options = Options {
        check: false,
        test: false,
        bench: false,
    };
    /// To work on them: for every suite.
    pub(crate) const TEST: Options = Options {
        test: true,
        ..Options::BUILD
    };
    /// To measure.
    pub(crate) const BENCH: Options = Options {
        bench: true,
        ..Options::BUILD
    };

    pub(crate) fn parse(arguments: &[&str]) -> anyhow::Result<Options> {
        let mut options = Options::TEST;
        for argument in arguments {
            match *argument {
                "--check" => options.check = true,
                "--bench" => options.bench = true,
                other => bail!("`setup` knows --check and --bench, not `{other}`"),
            }
        }
        Ok(options)
    }
}

/// Something that the work needs and that this machine does not have.
struct Missing {
    what: &'static str,
    why: &'static str,
    remedy: Remedy,
}

/// How to get it.
enum Remedy {
    /// From Debian.
    Packages(&'static [&'static str]),
    /// From rustup.
    Component(&'static str),
    /// Built from source into xtask's own folder.
    CargoDeny,
    /// From Debian, unpacked into xtask's own folder.
    DockerRegistry,
    /// From Debian, unpacked into xtask's own folder.
    Servers,
    /// From PyPI and npm, into xtask's own folder.
    Languages,
    /// By the guests' own set-up.
    GuestToolchain,
}

/// Reports, and unless asked only to report, installs what is missing.
pub(crate) fn run(root: &Path, options: Options) -> anyhow::Result<()> {
    let missing = missing(root, options)?;
    if missing.is_empty() {
        println!("setup: nothing is missing");
        return Ok(());
    }
    for Missing { what, why, .. } in &missing {
        println!("missing: {what}: {why}");
    }
    if options.check {
        bail!("`cargo xtask setup` installs what is missing");
    }
    install(root, &missing)?;
    // Installed is what can be found, not what an installer said.
    let left = self::missing(root, options)?;
    ensure!(
        left.is_empty(),
        "still missing: {}",
        left.iter().map(|one| one.what).collect::<Vec<_>>().join(", ")
    );
    println!("setup: done");
    Ok(())
}

fn install(root: &Path, missing: &[Missing]) -> anyhow::Result<()> {
    let packages: Vec<&str> = missing.iter().flat_map(|one| one.remedy.packages()).copied().collect();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    for one in missing {
        match one.remedy {
            Remedy::Packages(_) => {}
            Remedy::Component(name) => {
                process::run(
                    std::process::Command::new("rustup")
                        .args(["component", "add", name])
                        .current_dir(root),
                )?;
            }
            Remedy::CargoDeny => tools::install_cargo_deny(root)?,
            Remedy::DockerRegistry => tools::unpack_docker_registry()?,
            Remedy::Servers => tools::unpack_servers()?,
            Remedy::Languages => languages::setup(root)?,
            Remedy::GuestToolchain => guests::setup(root)?,
        }
    }
    Ok(())
}

/// Root installs; anybody else is given the one command to type, since a tool has no business asking for a password.
fn install_packages(packages: &[&str]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    if process::find("apt-get").is_none() {
        bail!(
            "this is no Debian: install what its packages `{list}` hold by your system's own means, then run this again"
        );
    }
    if !process::is_root() {
        bail!(
            "type this, then run the command again:\n\n    sudo apt-get install --yes --no-install-recommends {list}\n"
        );
    }
    tools::apt_install(packages)
}

impl Remedy {
    fn packages(&self) -> &'static [&'static str] {
        match self {
            Remedy::Packages(packages) => packages,
            _ => &[],
        }
    }
}

fn missing(root: &Path, options: Options) -> anyhow::Result<Vec<Missing>> {
    let mut missing = Vec::new();
    let mut need = |present: bool, what, why, remedy| {
        if !present {
            missing.push(Missing { what, why, remedy });
        }
    };
    need(
        process::find("cc").is_some() && Path::new("/usr/include/stdlib.h").exists(),
        "a C compiler and linker",
        "Rust links with it, and zstd and ring hold C and assembly",
        Remedy::Packages(&["gcc", "libc6-dev"]),
    );
    need(
        has_libseccomp(),
        "libseccomp's development files",
        "the shim links libseccomp to filter the system calls of containers",
        Remedy::Packages(&["libseccomp-dev"]),
    );
    need(
        guests::check(root).is_empty(),
        "a toolchain for components",
        "the built-in probes are WebAssembly components, built from source",
        Remedy::GuestToolchain,
    );
    if options.test {
        for_the_suites(&mut need)?;
    }
    if options.bench {
        for (runtime, packages) in [("runc", &["runc"]), ("crun", &["crun"])] {
            need(
                process::find(runtime).is_some(),
                runtime,
                "`bench exec` measures probelet beside it",
                Remedy::Packages(packages),
            );
        }
    }
    Ok(missing)
}

/// What only the suites need.
fn for_the_suites(need: &mut impl FnMut(bool, &'static str, &'static str, Remedy)) -> anyhow::Result<()> {
    need(
        beside_cargo("cargo-fmt"),
        "rustfmt",
        "the suite `lint` checks the formatting",
        Remedy::Component("rustfmt"),
    );
    need(
        beside_cargo("cargo-clippy"),
        "clippy",
        "the suite `lint` runs it",
        Remedy::Component("clippy"),
    );
    need(
        tools::cargo_deny()?.exists(),
        "cargo-deny",
        "the suite `lint` checks the licences and sources of all dependencies",
        Remedy::CargoDeny,
    );
    need(
        tools::has_docker_registry()?,
        "docker-registry",
        "the tests of the plugin store push to a real registry and pull from it",
        Remedy::DockerRegistry,
    );
    let has_compilers = languages::are_there()?;
    need(
        has_compilers || languages::has_venv(),
        "python3 with venv",
        "the compilers of the suite `languages` are fetched and run with it",
        Remedy::Packages(&["python3-venv"]),
    );
    need(
        has_compilers || process::find("npm").is_some(),
        "npm",
        "the compilers of the suite `languages` are fetched and run with it",
        Remedy::Packages(&["npm"]),
    );
    need(
        has_compilers,
        "compilers for C, Zig, Go, Python and JavaScript",
        "the suite `languages` writes a check in each language",
        Remedy::Languages,
    );
    need(
        process::find("openssl").is_some(),
        "openssl",
        "the tests of signatures make keys with it, as authors of plugins do",
        Remedy::Packages(&["openssl"]),
    );
    need(
        tools::has_servers()?,
        "redis-server, postgres, mariadbd, nats-server, nginx",
        "the suite `checks` runs the library of checks against them",
        Remedy::Servers,
    );
    Ok(())
}

/// The library lies where the linker looks: in a folder of the architecture's own (Debian) or in a common one.
fn has_libseccomp() -> bool {
    let triplet = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let folders = [triplet.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"];
    folders
        .iter()
        .any(|folder| Path::new(folder).join("libseccomp.so").exists())
}

/// Whether this toolchain has a program; `~/.cargo/bin` has rustup's stand-ins whether it does or not.
fn beside_cargo(program: &str) -> bool {
    let cargo = std::env::var_os("CARGO")
        .map(PathBuf::from)
        .or_else(|| process::find("cargo"));
    cargo.is_some_and(|cargo| cargo.with_file_name(program).exists())
}
