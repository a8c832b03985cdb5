//! The built-in components, and those that tests are driven with, built from source.
//!
//! The library's checks and those of tests are built for wasm32-wasip2, as anybody's plugins are. Those that stand for
//! Kubernetes' handlers are built for wasm32-unknown-unknown and made components by the same linker: without WASI's C
//! library a run starts fewer parts of them (`docs/adr/0012-whole-exchanges-for-built-in-checks.md`).
//!
//! Two toolchains can do it: rustup's own target where it is installed or can be added, else Debian's packages of a
//! Rust for the web, unpacked into `~/.cache/probelet` and never installed, since they conflict with rustup. They bring
//! a compiler and the standard library's source, but no linker: that is the one of rustup's toolchain.

use std::{
    collections::BTreeSet,
    env::consts::ARCH,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{process, tools};

/// The target of everybody's plugins.
const TARGET: &str = "wasm32-wasip2";
/// The target of the components that stand for Kubernetes' handlers.
const HANDLER_TARGET: &str = "wasm32-unknown-unknown";
/// What makes components of them: rustc has it for the other target, and knows it by its name.
const COMPONENT_LINKER: &str = "wasm-component-ld";
/// A memory that grows is made accessible page by page, which interrupts every processor: so it begins with what a check
/// allocates. A stack of this size is what the deepest of them takes, several times; the less there is, the less is
/// searched for what a run has written.
const HANDLER_MEMORY: &str = "-Clink-arg=-zstack-size=131072 -Clink-arg=--initial-heap=131072";
/// The components that stand for Kubernetes' handlers: each the file of its name, below `target/guests`.
const HANDLERS: &[&str] = &["exec", "http", "tcp", "grpc", "sleep"];
/// The other guests and what becomes of them: below `target/guests`.
const GUESTS: &[(&str, &str)] = &[
    ("redis", "redis.wasm"),
    ("http_assert", "http-assert.wasm"),
    ("tcp_expect", "tcp-expect.wasm"),
    ("postgres", "postgres.wasm"),
    ("file_freshness", "file-freshness.wasm"),
    ("log_pattern", "log-pattern.wasm"),
    ("memory_trend", "memory-trend.wasm"),
    ("stuck_counter", "stuck-counter.wasm"),
    ("disk_space", "disk-space.wasm"),
    ("drain", "drain.wasm"),
    ("drain_connections", "drain-connections.wasm"),
    ("warm_up", "warm-up.wasm"),
    ("notify", "notify.wasm"),
    ("nats", "nats.wasm"),
    ("mysql", "mysql.wasm"),
    ("combine", "combine.wasm"),
    ("tls_expiry", "tls-expiry.wasm"),
    ("dns", "dns.wasm"),
    ("curious", "tests/curious.wasm"),
    ("secure", "tests/secure.wasm"),
    ("hostile", "tests/hostile.wasm"),
    ("unruly", "tests/unruly.wasm"),
    ("command", "tests/command.wasm"),
    ("concurrent", "tests/concurrent.wasm"),
    ("concurrent_command", "tests/concurrent-command.wasm"),
    ("cli_command", "tests/cli-command.wasm"),
    ("http_proxy", "tests/http-proxy.wasm"),
];
/// Debian's packages by names without a version. What they depend on is asked for, because those names have one and
/// move with Debian's security updates.
const PACKAGES: &[&str] = &["rustc-web", "rust-web-src", "wasi-libc"];
const LIBRARY_PACKAGE: &str = "libstd-rust-web-dev";
/// Fetching the targets takes seconds; without a way to the internet rustup may try for much longer.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(60);
/// Set to `debian` to build as on a machine where rustup has no target.
const CHOICE: &str = "PROBELET_GUEST_TOOLCHAIN";

/// What builds the guests.
enum Toolchain {
    Rustup,
    /// The folder that Debian's packages were unpacked into.
    Debian(PathBuf),
}

/// What is missing for building the guests; nothing where they can be built.
pub(crate) fn check(root: &Path) -> Vec<String> {
    match find(root) {
        Ok(Some(_)) => Vec::new(),
        Ok(None) => vec![format!("a Rust toolchain for {TARGET} and {HANDLER_TARGET}")],
        Err(error) => vec![format!("{error:#}")],
    }
}

/// Gets a toolchain, unless there is one.
pub(crate) fn setup(root: &Path) -> anyhow::Result<()> {
    if find(root)?.is_some() || (!is_debian_wanted() && add_targets(root)?) {
        return Ok(());
    }
    if process::find("apt-get").is_none() {
        bail!(
            "no toolchain for {TARGET}: `rustup target add {TARGET} {HANDLER_TARGET}` failed, and the other way takes Debian's packages; \
             see that rustup can reach the internet and run this again"
        );
    }
    unpack_packages(&debian_folder()?)
}

/// Builds the guests. Where nothing has changed this takes a second.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let toolchain = match find(root)? {
        Some(toolchain) => toolchain,
        None => {
            setup(root)?;
            find(root)?.context("a toolchain was set up and then not found")?
        }
    };
    // A build fetches only what it compiles, and the build scripts below `guest-probes/tests` then ask cargo, which may
    // not go to the registry in the middle of a build, where all of Cargo.lock lies.
    process::run(process::cargo(&root.join("guest-probes")).args(["fetch", "--locked", "--quiet"]))?;
    let (build, guests) = (root.join("target/guest-build"), root.join("target/guests"));
    let mut handlers = cargo_build(root, &build, &toolchain, HANDLER_TARGET)?;
    let mut others = cargo_build(root, &build, &toolchain, TARGET)?;
    others.arg("--workspace");
    for name in HANDLERS {
        handlers.args(["--package", &package(name)]);
        others.args(["--exclude", &package(name)]);
    }
    process::run(&mut handlers)?;
    process::run(&mut others)?;
    for name in HANDLERS {
        let built = build.join(format!("{HANDLER_TARGET}/release/{name}.wasm"));
        copy_if_different(&built, &guests.join(format!("{name}.wasm")))?;
    }
    for (name, file) in GUESTS {
        let built = build.join(format!("{TARGET}/release/{name}.wasm"));
        copy_if_different(&built, &guests.join(file))?;
    }
    Ok(())
}

/// The tests of the checks' own code, which run natively: a command to tally.
pub(crate) fn native_tests(root: &Path) -> Command {
    let mut command = process::cargo(&root.join("guest-probes"));
    command
        .args(["test", "--no-fail-fast", "--locked", "--package", "probelet-checks"])
        .env("CARGO_TARGET_DIR", root.join("target/guest-native"));
    command
}

fn package(handler: &str) -> String {
    format!("probelet-guest-{handler}")
}

fn cargo_build(root: &Path, build: &Path, toolchain: &Toolchain, target: &str) -> anyhow::Result<Command> {
    let rust_binaries = rustlib(root)?.join(format!("{ARCH}-unknown-linux-gnu/bin"));
    let mut command = process::cargo(&root.join("guest-probes"));
    command
        .args(["build", "--release", "--locked", "--quiet", "--target", target])
        .env("CARGO_TARGET_DIR", build)
        // Flags for the host's programs are none for guests.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        // Where the linkers for WebAssembly lie.
        .env(
            "PATH",
            path_with(&[rust_binaries.join("gcc-ld"), rust_binaries.clone()])?,
        )
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            format!("-Clinker={COMPONENT_LINKER} {HANDLER_MEMORY}"),
        );
    command.envs(variables(root, toolchain)?);
    Ok(command)
}

/// `PATH` with some folders before all others.
fn path_with(folders: &[PathBuf]) -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = folders.iter().cloned().chain(std::env::split_paths(&path));
    std::env::join_paths(all).context("the toolchain lies in a folder with a colon in its name")
}

/// What makes a plain `cargo build --target wasm32-wasip2` work, by whichever toolchain there is.
pub(crate) fn environment(root: &Path) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let toolchain = find(root)?.context("there is no toolchain for components: `cargo xtask setup` gets one")?;
    variables(root, &toolchain)
}

fn variables(root: &Path, toolchain: &Toolchain) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let Toolchain::Debian(folder) = toolchain else {
        return Ok(Vec::new());
    };
    let flags = format!("-Lnative={}", folder.join("root/usr/lib/wasm32-wasi").display());
    let binaries = rustlib(root)?.join(format!("{ARCH}-unknown-linux-gnu/bin"));
    Ok(vec![
        ("RUSTC", folder.join("rustc").into()),
        ("RUSTC_BOOTSTRAP", "1".into()),
        ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort".into()),
        ("PROBELET_RUST_BIN", binaries.into()),
        ("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", flags.into()),
    ])
}

fn find(root: &Path) -> anyhow::Result<Option<Toolchain>> {
    let rustlib = rustlib(root)?;
    if !is_debian_wanted()
        && [TARGET, HANDLER_TARGET]
            .iter()
            .all(|target| rustlib.join(target).is_dir())
    {
        return Ok(Some(Toolchain::Rustup));
    }
    let folder = debian_folder()?;
    Ok(folder.is_dir().then_some(Toolchain::Debian(folder)))
}

fn is_debian_wanted() -> bool {
    std::env::var_os(CHOICE).is_some_and(|choice| choice == "debian")
}

/// Where the toolchain in use keeps its targets.
fn rustlib(root: &Path) -> anyhow::Result<PathBuf> {
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib"))
}

fn debian_folder() -> anyhow::Result<PathBuf> {
    Ok(tools::cache()?.join("guest-toolchain"))
}

/// Asks rustup for the targets. False: it cannot, for whatever reason.
fn add_targets(root: &Path) -> anyhow::Result<bool> {
    if process::find("rustup").is_none() {
        return Ok(false);
    }
    println!("$ rustup target add {TARGET} {HANDLER_TARGET}");
    let mut rustup = Command::new("rustup")
        .args(["target", "add", TARGET, HANDLER_TARGET])
        .current_dir(root)
        .stdin(Stdio::null())
        .spawn()
        .context("cannot run rustup")?;
    let begin = Instant::now();
    while begin.elapsed() < RUSTUP_PATIENCE {
        if let Some(status) = rustup.try_wait().context("cannot wait for rustup")? {
            return Ok(status.success());
        }
        thread::sleep(Duration::from_millis(100));
    }
    rustup.kill().context("cannot end rustup")?;
    rustup.wait().context("cannot wait for rustup")?;
    Ok(false)
}

/// Downloads and unpacks Debian's packages.
fn unpack_packages(folder: &Path) -> anyhow::Result<()> {
    let packages = Vec::from_iter(packages()?);
    println!("fetching a Rust toolchain for {TARGET} from Debian: some 130 MB, then 850 MB unpacked");
    tools::unpack_packages(&packages, folder, |partial| write_wrapper(&partial.join("rustc")))
}

/// The packages to unpack: the compiler, the standard library, and of the libraries that these need those that are not
/// installed.
fn packages() -> anyhow::Result<BTreeSet<String>> {
    let mut packages = tools::with_dependencies(&[LIBRARY_PACKAGE])?;
    packages.extend(PACKAGES.iter().copied().map(str::to_owned));
    Ok(packages)
}

/// The compiler's libraries lie beside it, and the linker in rustup's toolchain.
fn write_wrapper(path: &Path) -> anyhow::Result<()> {
    let script = format!(
        "#!/bin/sh\n\
         here=$(dirname \"$0\")\n\
         export LD_LIBRARY_PATH=\"$here/root/usr/lib/{ARCH}-linux-gnu\"\n\
         export PATH=\"$PROBELET_RUST_BIN/gcc-ld:$PROBELET_RUST_BIN:$PATH\"\n\
         exec \"$here/root/usr/bin/rustc\" \"$@\"\n"
    );
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Leaves an unchanged file alone, so that what embeds it is not built again.
fn copy_if_different(from: &Path, to: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let folder = to.parent().context("a guest's file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let temporary = to.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&temporary, bytes).with_context(|| format!("cannot write {}", temporary.display()))?;
    fs::rename(&temporary, to).with_context(|| format!("cannot write {}", to.display()))
}
