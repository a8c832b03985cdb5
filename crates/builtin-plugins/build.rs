//! Finds the built components and makes the table of them that the crate embeds.

use std::{env, error::Error, fmt::Write, fs, path::PathBuf};

/// The components, by name: those that stand for Kubernetes' handlers, then the library's.
const GUESTS: &[&str] = &[
    "exec",
    "http",
    "tcp",
    "grpc",
    "sleep",
    "combine",
    "disk-space",
    "dns",
    "drain",
    "drain-connections",
    "file-freshness",
    "http-assert",
    "log-pattern",
    "memory-trend",
    "mysql",
    "nats",
    "notify",
    "postgres",
    "redis",
    "stuck-counter",
    "tcp-expect",
    "tls-expiry",
    "warm-up",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=PROBELET_GUESTS");
    let folder = match env::var_os("PROBELET_GUESTS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../target/guests"),
    };
    let mut table = String::from("&[\n");
    for name in GUESTS {
        let path = folder.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", path.display());
        match path.canonicalize() {
            Ok(path) => writeln!(table, "    ({name:?}, include_bytes!({path:?})),")?,
            Err(error) => println!(
                "cargo::error=the built-in component {} is missing ({error}): `cargo xtask build` makes it, as would \
                 PROBELET_GUESTS=FOLDER with components that were built elsewhere",
                path.display()
            ),
        }
    }
    table.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("components.rs"), table)?;
    Ok(())
}
